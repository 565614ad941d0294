//! The peers' works on procspawn: `peer-procspawn --work W --seconds S --deadline D`.
//! `cargo xtask peers` runs it.
#![forbid(unsafe_code)]

#[path = "../../common.rs"]
mod common;

use std::time::{Duration, Instant};

use common::{
    Answer, Arguments, Bytes, MEBIBYTE, MEGABYTES_100, SETTLE, batches, bulk, each, memory,
    print_absent, since,
};
use procspawn::Pool;

fn pool(workers: usize) -> Pool {
    Pool::new(workers).expect("a pool")
}

fn add_one(pool: &Pool, number: u64) -> u64 {
    pool.spawn(number, |n| n + 1).join().expect("a result")
}

fn round_trip(seconds: f64) -> Answer {
    let pool = pool(1);
    let mut number = 0;
    let samples = batches(seconds, || {
        number += 1;
        assert_eq!(add_one(&pool, number), number + 1);
    });
    pool.shutdown();
    Answer::of("time", samples)
}

fn tiny(seconds: f64) -> Answer {
    let pool = pool(2);
    let samples = bulk(seconds, |items| {
        let handles: Vec<_> = (0..items).map(|n| pool.spawn(n, |n| n + 1)).collect();
        let results = handles
            .into_iter()
            .map(|handle| handle.join().expect("a result"));
        assert_eq!(results.sum::<u64>(), items * (items + 1) / 2);
    });
    pool.shutdown();
    Answer::of("time", samples)
}

fn bytes(seconds: f64, len: usize) -> Answer {
    let pool = pool(1);
    let bytes = Bytes::new(len);
    let samples = batches(seconds, || {
        let answer = pool.spawn(bytes.clone(), |bytes| bytes.0.len() + 1);
        assert_eq!(answer.join().expect("a result"), len + 1);
    });
    pool.shutdown();
    Answer::of("time", samples)
}

fn start(seconds: f64, workers: usize) -> Answer {
    let samples = each(seconds, || {
        let start = Instant::now();
        let pool = pool(workers);
        assert_eq!(add_one(&pool, 1), 2);
        let spent = start.elapsed();
        pool.shutdown();
        spent
    });
    Answer::of("time", samples)
}

fn crash(seconds: f64, deadline: Duration) -> Answer {
    let mut answer = Answer::default();
    let mut hangs = false;
    each(seconds, || {
        if hangs {
            return Duration::ZERO;
        }
        let pool = pool(1);
        assert_eq!(add_one(&pool, 1), 2);
        let mut take = |name, mut handle: procspawn::JoinHandle<u64>| {
            let start = Instant::now();
            let result = handle.join_timeout(deadline);
            let timed_out = result
                .as_ref()
                .is_err_and(procspawn::SpawnError::is_timeout);
            answer.say(
                name,
                match result {
                    _ if timed_out => "no answer".to_owned(),
                    Ok(_) => "a result".to_owned(),
                    Err(error) => format!("`{error}`"),
                },
            );
            if !timed_out {
                answer.add(name, since(start));
            }
            hangs |= timed_out;
        };
        take("error", pool.spawn((), |()| std::process::exit(1)));
        take("next", pool.spawn(1, |n| n + 1));
        pool.kill();
        Duration::ZERO
    });
    answer
}

fn idle(workers: usize) -> Answer {
    let pool = pool(workers);
    let mut pids = Vec::new();
    while pids.len() < workers {
        let handles: Vec<_> = (0..4)
            .map(|_| {
                pool.spawn((), |()| {
                    std::thread::sleep(Duration::from_millis(5));
                    std::process::id()
                })
            })
            .collect();
        pids.extend(
            handles
                .into_iter()
                .map(|handle| handle.join().expect("a pid")),
        );
        pids.sort_unstable();
        pids.dedup();
    }
    std::thread::sleep(SETTLE);
    let answer = memory(&pids);
    pool.shutdown();
    answer
}

fn main() {
    procspawn::init();
    let arguments = Arguments::read();
    let seconds = arguments.seconds();
    let answer = match arguments.word("work") {
        "round-trip" => round_trip(seconds),
        "tiny-one" => tiny(seconds),
        "tiny-best" => return print_absent("has no chunks"),
        "bytes-1m" => bytes(seconds, MEBIBYTE),
        "bytes-100m" => bytes(seconds, MEGABYTES_100),
        "shared-100m" | "put-100m" => return print_absent("has no shared memory"),
        "start-one" => start(seconds, 1),
        "start-two" => start(seconds, 2),
        "crash" => crash(seconds, arguments.deadline()),
        "memory" => idle(2),
        other => panic!("there is no work {other:?}"),
    };
    answer.print();
}
