//! Both paths beside their floors: round trips, tiny tasks a second, large arguments.
//!
//! `cargo bench -p benches --bench lanes`; `-- --rounds N` for more samples (default 7).

use std::time::{Duration, Instant};

use benches::floors::{self, serde_bytes_vec::Bytes};
use benches::samples::{Samples, median_batch, table};
use forkyard::{ChunkSize, Owned, Pool, Shared, StartMethod, TaskError, Transport};

const LARGE: usize = 1 << 20;
const HUGE: usize = 100_000_000;
const PING: &str = "floor: cache-line ping-pong";
const FUTEX: &str = "floor: two futex wakes";
const HAND: &str = "floor: hand-written, 8 B";
const HAND_LARGE: &str = "floor: hand-written, 1 MiB";
const EMPTY: &str = "shared: round trip, awake";
const COPIED: &str = "floor: 100 MB copied out and in";
const LIST: &str = "floor: a list of 10 M results, written";

fn pool(transport: Transport, workers: usize, chunk: &str) -> Pool {
    let chunk: ChunkSize = chunk.parse().expect("a chunk size");
    Pool::builder()
        .workers(workers)
        .start_method(StartMethod::Spawn)
        .transport(transport)
        .chunk_size(chunk)
        .build()
        .expect("a pool")
}

fn round_trips(transport: Transport, operations: u64) -> (Duration, u64) {
    let pool = pool(transport, 1, "1");
    let mut number = 0u64;
    let mut body = || {
        number += 1;
        let answer = pool.submit(|n: u64| n + 1, number).join();
        assert_eq!(answer, Ok(number + 1));
    };
    median_batch(operations / 10, &mut body);
    let measured = median_batch(operations, &mut body);
    pool.close();
    measured
}

/// Both sides asleep before each round trip: the worker has nothing to do for longer than
/// it spins, and is seen to sleep.
fn parked_round_trips(operations: u64) -> (Duration, u64) {
    let pool = pool(Transport::Shared, 1, "1");
    let mut number = 0;
    let median = median_of(operations as usize, || {
        number += 1;
        let asleep = Instant::now();
        while asleep.elapsed() < Duration::from_micros(400) {
            std::thread::yield_now();
        }
        let start = Instant::now();
        let answer = pool.submit(|n: u64| n + 1, number).join();
        let spent = start.elapsed();
        assert_eq!(answer, Ok(number + 1));
        spent
    });
    pool.close();
    (median, 1)
}

/// The median of some maps over as many tasks.
fn tiny_tasks(transport: Transport, chunk: &str, tasks: u64, maps: usize) -> (Duration, u64) {
    let pool = pool(transport, 2, chunk);
    pool.map(|n: u64| n + 1, 0..tasks / 10);
    let median = median_of(maps, || {
        let start = Instant::now();
        let results = pool.map(|n: u64| n + 1, 0..tasks);
        let spent = start.elapsed();
        assert!((0..tasks).zip(results).all(|(n, r)| r == Ok(n + 1)));
        spent
    });
    pool.close();
    (median, tasks)
}

/// What the list that `map` returns costs at least, without any task: written once, into memory
/// that the system hands out anew, as it does for lists of that size.
fn list_of_results(tasks: u64, lists: usize) -> (Duration, u64) {
    let median = median_of(lists, || {
        let start = Instant::now();
        let results: Vec<Result<u64, TaskError>> = (0..tasks).map(|n| Ok(n + 1)).collect();
        let spent = start.elapsed();
        assert_eq!(std::hint::black_box(results).len() as u64, tasks);
        spent
    });
    (median, tasks)
}

fn median_of(times: usize, body: impl FnMut() -> Duration) -> Duration {
    let mut spent: Vec<Duration> = std::iter::repeat_with(body).take(times).collect();
    spent.sort_unstable();
    spent[times / 2]
}

fn large_by_copy(operations: u64) -> (Duration, u64) {
    let pool = pool(Transport::Copy, 1, "1");
    let data = Bytes(vec![1; LARGE]);
    let mut body = || {
        let answer = pool
            .submit(
                |(n, data): (u64, Bytes)| n + data.0.len() as u64,
                (7u64, data.clone()),
            )
            .join();
        assert_eq!(answer, Ok(7 + LARGE as u64));
    };
    median_batch(3, &mut body);
    let measured = median_batch(operations, &mut body);
    pool.close();
    measured
}

fn large_in_place(operations: u64) -> (Duration, u64) {
    let pool = pool(Transport::Shared, 1, "1");
    let block = pool.arena().copy_from(&[1u8; LARGE]).expect("memory");
    let mut body = || {
        let answer = pool
            .submit(
                |(n, data): (u64, Shared<[u8]>)| n + data.len() as u64,
                (7u64, block.clone()),
            )
            .join();
        assert_eq!(answer, Ok(7 + LARGE as u64));
    };
    median_batch(operations / 10, &mut body);
    let measured = median_batch(operations, &mut body);
    drop(block);
    pool.close();
    measured
}

/// 100 MB that stay where they are, and are read there.
fn huge_shared(operations: u64) -> (Duration, u64) {
    let pool = pool(Transport::Shared, 1, "1");
    let data = pool.arena().alloc_zeroed::<u8>(HUGE).expect("memory");
    let data = data.into_shared();
    let mut body = || {
        let len = |data: Shared<[u8]>| data.len() as u64;
        assert_eq!(pool.submit(len, data.clone()).join(), Ok(HUGE as u64));
    };
    median_batch(operations / 10, &mut body);
    let measured = median_batch(operations, &mut body);
    drop(data);
    pool.close();
    measured
}

/// 100 MB that move to the worker and back.
fn huge_moved(operations: u64) -> (Duration, u64) {
    let pool = pool(Transport::Shared, 1, "1");
    let mut data = Some(pool.arena().alloc_zeroed::<u8>(HUGE).expect("memory"));
    let mut body = || {
        if let Some(there) = data.take() {
            data = pool.submit(|data: Owned<[u8]>| data, there).join().ok();
        }
    };
    median_batch(operations / 10, &mut body);
    let measured = median_batch(operations, &mut body);
    assert_eq!(data.map(|data| data.len()), Some(HUGE));
    pool.close();
    measured
}

/// What any encoding of 100 MB costs at least: a copy into memory that is warm, and one out of it
/// into memory that the system hands out anew, as it does for allocations of that size.
fn huge_copied(operations: u64) -> (Duration, u64) {
    let data = vec![1u8; HUGE];
    let mut there = vec![0u8; HUGE];
    median_batch(operations, || {
        there.copy_from_slice(&data);
        let here = std::hint::black_box(&there).clone();
        assert_eq!(here.len(), HUGE);
    })
}

/// 100 MB encoded into a block, which the second time is warm, and decoded out of it.
fn huge_encoded(operations: u64) -> (Duration, u64) {
    let pool = pool(Transport::Shared, 1, "1");
    let data = Bytes(vec![1; HUGE]);
    let mut spent: Vec<Duration> = (0..=operations)
        .map(|_| {
            let argument = data.clone();
            let start = Instant::now();
            let answer = pool
                .submit(|data: Bytes| data.0.len() as u64, argument)
                .join();
            let spent = start.elapsed();
            assert_eq!(answer, Ok(HUGE as u64));
            spent
        })
        .skip(1)
        .collect();
    pool.close();
    spent.sort_unstable();
    (spent[spent.len() / 2], 1)
}

fn main() {
    forkyard::init();
    let rounds = benches::rounds();

    let mut all = [
        Samples::new(PING),
        Samples::new(FUTEX),
        Samples::new(HAND),
        Samples::new(HAND_LARGE),
        Samples::new(EMPTY).against(PING).mark("≤ 2.5 ×, ≤ 0.4 µs"),
        Samples::new("shared: round trip, parked")
            .against(FUTEX)
            .mark("≤ 1.3 ×"),
        Samples::new("copy: round trip")
            .against(HAND)
            .mark("≤ 1.1 ×"),
        Samples::new("shared: tiny task, chunk 1, 2 workers").mark("≥ 10 M/s"),
        Samples::new("shared: tiny task, auto chunk, maps of 1 M").mark("≥ 100 M/s"),
        Samples::new(LIST),
        Samples::new("shared: tiny task, auto chunk, maps of 10 M")
            .against(LIST)
            .mark("≥ 100 M/s"),
        Samples::new("copy: tiny task, chunk 1, 2 workers"),
        Samples::new("copy: tiny task, auto chunk, maps of 1 M"),
        Samples::new("copy: 1 MiB argument")
            .against(HAND_LARGE)
            .mark("≤ 1.1 ×"),
        Samples::new("shared: 1 MiB argument").against(EMPTY),
        Samples::new("shared: 100 MB as Shared")
            .against(EMPTY)
            .mark("≤ 1.5 ×"),
        Samples::new("shared: 100 MB as Owned, there and back").against(EMPTY),
        Samples::new(COPIED),
        Samples::new("shared: 100 MB encoded").against(COPIED),
    ];
    for round in 1..=rounds {
        eprintln!("round {round} of {rounds}");
        let measured = [
            floors::ping_pong(200_000),
            floors::futex_pair(5_000),
            floors::hand_written(5_000, 0),
            floors::hand_written(100, LARGE),
            round_trips(Transport::Shared, 200_000),
            parked_round_trips(500),
            round_trips(Transport::Copy, 5_000),
            tiny_tasks(Transport::Shared, "1", 2_000_000, 3),
            tiny_tasks(Transport::Shared, "auto", 1_000_000, 31),
            list_of_results(10_000_000, 3),
            tiny_tasks(Transport::Shared, "auto", 10_000_000, 5),
            tiny_tasks(Transport::Copy, "1", 100_000, 3),
            tiny_tasks(Transport::Copy, "auto", 1_000_000, 7),
            large_by_copy(100),
            large_in_place(50_000),
            huge_shared(50_000),
            huge_moved(50_000),
            huge_copied(5),
            huge_encoded(5),
        ];
        for (samples, (spent, operations)) in all.iter_mut().zip(measured) {
            samples.add(spent, operations);
        }
    }
    println!("{}", table(&all));
}
