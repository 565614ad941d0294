//! One pool, several users: threads, and iterators that use the pool they feed.

use std::num::NonZeroUsize;

use forkyard::{ChunkSize, Pool, Shared, TaskError};

use tests::gate;

use crate::Scenario;
use crate::setup::{Setup, works};

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("threads/together", together),
    ("threads/long-and-short", long_and_short),
    ("threads/nested", nested),
    ("threads/nested-shared", nested_shared),
    ("threads/iterator-panics", iterator_panics),
    ("threads/searches", searches),
];

/// Threads that map, submit, join and give up, all at once.
fn together(setup: &Setup) {
    let pool = &setup.pool(2);
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            scope.spawn(move || {
                for round in 0..20 {
                    let base = 1000 * thread + round;
                    let mapped = pool.map(|n: u64| n + 1, base..base + 300);
                    let wanted: Vec<_> = (base + 1..base + 301).map(Ok).collect();
                    assert_eq!(mapped, wanted);
                }
            });
            scope.spawn(move || {
                for n in 0..500 {
                    let mut one = pool.submit(|n: u64| n * 2, n);
                    let two = pool.submit(|n: u64| n * 3, n);
                    drop(pool.submit(|n: u64| n, n));
                    assert_eq!(two.join(), Ok(3 * n));
                    let early = one.join_timeout(std::time::Duration::ZERO);
                    assert_eq!(early.unwrap_or_else(|| one.join()), Ok(2 * n));
                }
            });
        }
    });
    works(pool);
}

/// Who waits for a short task is not held up by who waits for a long one.
fn long_and_short(setup: &Setup) {
    let pool = &setup.pool(2);
    std::thread::scope(|scope| {
        let long = scope.spawn(|| {
            let task = |n: u64| {
                gate::say("long", n);
                gate::wait("short ones are done");
                n
            };
            pool.submit(task, 5).join()
        });
        gate::wait("long");
        let busy = scope.spawn(|| pool.map(|n: u64| n, 0..20_000).len());
        for n in 0..300 {
            // The one behind the long task, if any, has to come round it.
            assert_eq!(pool.submit(|n: u64| n, n).join(), Ok(n));
        }
        assert_eq!(busy.join().expect("it ends"), 20_000);
        gate::say("short ones are done", "");
        assert_eq!(long.join().expect("it ends"), Ok(5));
    });
    works(pool);
}

fn pool_of_chunks(setup: &Setup, chunk: usize) -> Pool {
    let chunk = ChunkSize::Items(NonZeroUsize::new(chunk).expect("not zero"));
    let builder = setup.builder().workers(2).chunk_size(chunk);
    builder.build().expect("a pool")
}

/// An iterator may use the very pool that it feeds.
fn nested(setup: &Setup) {
    for chunk in [1, 4] {
        let pool = pool_of_chunks(setup, chunk);
        let items = (0..100_u64).map(|n| {
            let one = pool.submit(|n: u64| n + 1, n).join().expect("a result");
            let inner = pool.map(|n: u64| n, 0..3);
            one + inner.len() as u64
        });
        let results = pool.map(|n: u64| n, items);
        assert_eq!(results, (0..100).map(|n| Ok(n + 4)).collect::<Vec<_>>());
    }
}

/// The same with values in shared memory, which must stay until their own message is done.
fn nested_shared(setup: &Setup) {
    for chunk in [1, 4] {
        let pool = pool_of_chunks(setup, chunk);
        let block = |n: u64| pool.arena().copy_from(&[n; 1000]).expect("a block");
        let sum = |values: Shared<[u64]>| values.iter().sum::<u64>();
        let items = (0..100).map(|n| {
            assert_eq!(pool.submit(sum, block(n)).join(), Ok(1000 * n));
            block(n + 1)
        });
        let results = pool.map(sum, items);
        let wanted: Vec<_> = (1..101).map(|n| Ok(1000 * n)).collect();
        assert_eq!(results, wanted, "by {chunk}");
    }
}

/// A panic of the iterator goes to the caller of `map`, and the pool works on.
fn iterator_panics(setup: &Setup) {
    let pool = setup.pool(2);
    for _ in 0..3 {
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let items = (0..1000_u64).inspect(|n| assert!(*n < 500, "enough"));
            pool.map(|n: u64| n, items)
        }));
        assert!(caught.is_err());
        works(&pool);
    }
    let report = pool.close();
    assert!(report.deaths.is_empty());
}

/// Searches of several threads take turns, among tasks of others.
fn searches(setup: &Setup) {
    let pool = &setup.pool(2);
    std::thread::scope(|scope| {
        for thread in 0..3_u64 {
            scope.spawn(move || {
                for round in 0..50 {
                    let needle = 100 * thread + round;
                    let task = |_: &forkyard::Search<'_>, (n, needle): (u64, u64)| {
                        (n == needle).then_some(n)
                    };
                    let items = (needle - needle % 4..).take(4).map(|n| (n, needle));
                    let first = pool.first(task, items).expect("a search");
                    assert_eq!(first.found.map(|found| found.value), Some(needle));
                    assert_eq!(first.winners, 1);
                }
            });
        }
        scope.spawn(|| {
            for n in 0..200 {
                let result: Result<u64, TaskError> = pool.submit(|n| n, n).join();
                assert_eq!(result, Ok(n));
            }
        });
    });
}
