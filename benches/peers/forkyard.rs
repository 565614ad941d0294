//! The peers' works on forkyard: `peer-forkyard --work W --transport T --method M --seconds S
//! --deadline D`. `cargo xtask peers` runs it.
#![forbid(unsafe_code)]

mod common;

use std::time::{Duration, Instant};

use common::{
    Answer, Arguments, Bytes, MEBIBYTE, MEGABYTES_100, SETTLE, batches, bulk, each, memory,
    print_absent, since,
};
use forkyard::{ChunkSize, Pool, Shared, TaskError};

struct Runner {
    arguments: Arguments,
}

impl Runner {
    fn pool(&self, workers: usize, chunk: ChunkSize) -> Pool {
        let transport = self.arguments.word("transport");
        let method = self.arguments.word("method");
        Pool::builder()
            .workers(workers)
            .transport(transport.parse().expect("a transport"))
            .start_method(method.parse().expect("a start method"))
            .chunk_size(chunk)
            .build()
            .expect("a pool")
    }

    fn one(&self) -> Pool {
        self.pool(1, ChunkSize::Auto)
    }

    fn round_trip(&self) -> Answer {
        let pool = self.one();
        let mut number = 0;
        let samples = batches(self.arguments.seconds(), || {
            number += 1;
            assert_eq!(pool.submit(|n: u64| n + 1, number).join(), Ok(number + 1));
        });
        Answer::of("time", samples)
    }

    fn tiny(&self, chunk: &str) -> Answer {
        let pool = self.pool(2, chunk.parse().expect("a chunk size"));
        let samples = bulk(self.arguments.seconds(), |items| {
            let sum: u64 = pool
                .map(|n: u64| n + 1, 0..items)
                .into_iter()
                .flatten()
                .sum();
            assert_eq!(sum, items * (items + 1) / 2);
        });
        Answer::of("time", samples)
    }

    fn bytes(&self, len: usize) -> Answer {
        let pool = self.one();
        let bytes = Bytes::new(len);
        let samples = batches(self.arguments.seconds(), || {
            let answer = pool.submit(|bytes: Bytes| bytes.0.len() + 1, bytes.clone());
            assert_eq!(answer.join(), Ok(len + 1));
        });
        Answer::of("time", samples)
    }

    /// 100 MB that lie in shared memory; put there anew for each task, or once.
    fn shared(&self, put_each_time: bool) -> Answer {
        let pool = self.one();
        let bytes = vec![1_u8; MEGABYTES_100];
        let put = || pool.arena().copy_from(&bytes).expect("shared memory");
        let once = put();
        let samples = batches(self.arguments.seconds(), || {
            let block = if put_each_time { put() } else { once.clone() };
            let answer = pool.submit(|block: Shared<[u8]>| three_places(&block), block);
            assert_eq!(answer.join(), Ok(3));
        });
        Answer::of("time", samples)
    }

    fn start(&self, workers: usize) -> Answer {
        let samples = each(self.arguments.seconds(), || {
            let start = Instant::now();
            let pool = self.pool(workers, ChunkSize::Auto);
            assert_eq!(pool.submit(|n: u64| n + 1, 1).join(), Ok(2));
            let spent = start.elapsed();
            pool.close();
            spent
        });
        Answer::of("time", samples)
    }

    fn crash(&self) -> Answer {
        let mut answer = Answer::default();
        let deadline = self.arguments.deadline();
        each(self.arguments.seconds(), || {
            let pool = self.one();
            assert_eq!(pool.submit(|n: u64| n + 1, 1).join(), Ok(2));
            let start = Instant::now();
            let died: Result<(), TaskError> = pool.submit(|()| std::process::exit(1), ()).join();
            answer.add("error", since(start));
            answer.say("error", named(died.map_err(|error| format!("{error:?}"))));
            let start = Instant::now();
            let next = pool.submit(|n: u64| n + 1, 1).join();
            answer.add("next", since(start));
            answer.say("next", named(next.map_err(|error| format!("{error:?}"))));
            assert!(start.elapsed() < deadline);
            pool.close();
            Duration::ZERO
        });
        answer
    }

    fn memory(&self) -> Answer {
        let pool = self.pool(2, ChunkSize::Auto);
        let mut pids = Vec::new();
        while pids.len() < 2 {
            let task = |()| {
                std::thread::sleep(Duration::from_millis(5));
                std::process::id()
            };
            pids.extend(pool.map(task, [(); 4]).into_iter().flatten());
            pids.sort_unstable();
            pids.dedup();
        }
        std::thread::sleep(SETTLE);
        memory(&pids)
    }
}

/// What a task does with 100 MB that it shares: looks at three of its bytes.
fn three_places(bytes: &[u8]) -> u64 {
    [0, bytes.len() / 2, bytes.len() - 1]
        .iter()
        .map(|at| u64::from(bytes[*at]))
        .sum()
}

/// The name of an error, without its fields.
fn named<T>(result: Result<T, String>) -> String {
    match result {
        Ok(_) => "a result".to_owned(),
        Err(error) => {
            let end = error.find([' ', '(', '{']).unwrap_or(error.len());
            error[..end].to_owned()
        }
    }
}

fn main() {
    forkyard::init();
    let runner = Runner {
        arguments: Arguments::read(),
    };
    let is_copy = runner.arguments.word("transport") == "copy";
    let answer = match runner.arguments.word("work") {
        "round-trip" => runner.round_trip(),
        "tiny-one" => runner.tiny("1"),
        "tiny-best" => runner.tiny("auto"),
        "bytes-1m" => runner.bytes(MEBIBYTE),
        "bytes-100m" => runner.bytes(MEGABYTES_100),
        "shared-100m" | "put-100m" if is_copy => return print_absent("see the shared path"),
        "shared-100m" => runner.shared(false),
        "put-100m" => runner.shared(true),
        "start-one" => runner.start(1),
        "start-two" => runner.start(2),
        "crash" => runner.crash(),
        "memory" => runner.memory(),
        other => panic!("there is no work {other:?}"),
    };
    answer.print();
}
