//! One pool, several users: threads, and iterators that use the pool they feed.

use std::fs;
use std::num::NonZeroUsize;
use std::sync::Arc;

use forkyard::{ChunkSize, Pool, Shared, TaskError};
use forkyard_os::limits::{Limit, set_limit};

use tests::gate;
use tests::patience::{LIVENESS, until};

use crate::Scenario;
use crate::setup::{Setup, kill_myself, works};

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("threads/together", together),
    ("threads/none-left", none_left),
    ("threads/none-left-dropped", none_left_dropped),
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

/// From here on this process cannot have another thread: each is to have a stack (by
/// RUST_MIN_STACK, which the test sets) that is larger than what is left of its address space.
fn no_more_threads() {
    const LEFT: u64 = 128 << 20;
    let pages = fs::read_to_string("/proc/self/statm").expect("statm");
    let pages = pages
        .split(' ')
        .next()
        .and_then(|pages| pages.parse::<u64>().ok());
    let limit = pages.expect("a number") * 4096 + LEFT;
    set_limit(Limit::AddressSpace, limit).expect("a limit");
    assert!(std::thread::Builder::new().spawn(|| ()).is_err());
}

/// Threads that look at flags are woken by it.
struct Unparks(std::thread::Thread);

impl std::task::Wake for Unparks {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The result of a future, by nothing but waiting to be woken.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let waker = Arc::new(Unparks(std::thread::current())).into();
    let mut future = std::pin::pin!(future);
    let mut task = std::task::Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut task) {
            std::task::Poll::Ready(value) => return value,
            std::task::Poll::Pending => std::thread::park(),
        }
    }
}

/// Futures and callbacks are served although nobody joins and no thread can be had for them, also
/// when a worker dies.
fn none_left(setup: &Setup) {
    let builder = setup.builder().workers(2).env_remove("RUST_MIN_STACK");
    let pool = builder.build().expect("a pool");
    no_more_threads();
    assert_eq!(block_on(pool.submit(|n: u64| n, 3)), Ok(3));
    let (sender, results) = std::sync::mpsc::channel();
    for n in 0..2000 {
        let sender = sender.clone();
        pool.submit(|n: u64| n * 2, n)
            .on_done(move |result| sender.send((n, result)).expect("it is heard"));
    }
    drop(sender);
    let mut told: Vec<_> = results.iter().collect();
    told.sort_by_key(|(n, _)| *n);
    assert_eq!(told, (0..2000).map(|n| (n, Ok(n * 2))).collect::<Vec<_>>());
    let died: Result<(), _> = block_on(pool.submit(|()| kill_myself(), ()));
    assert!(matches!(died, Err(TaskError::WorkerDied(_))), "{died:?}");
    let last = block_on(pool.submit(|n: u64| n, 4));
    assert_eq!(last, Ok(4));
    assert_eq!(pool.close().deaths.len(), 1);
}

/// There, too, a callback may drop the pool.
fn none_left_dropped(setup: &Setup) {
    let builder = setup.builder().workers(2).env_remove("RUST_MIN_STACK");
    let pool = builder.build().expect("a pool");
    no_more_threads();
    let (sender, told) = std::sync::mpsc::channel();
    let doomed = pool.submit(
        |()| {
            gate::wait("die");
            kill_myself()
        },
        (),
    );
    doomed.on_done(move |result: Result<(), TaskError>| {
        drop(pool);
        sender.send(result).expect("it is heard");
    });
    gate::say("die", "");
    let died = told.recv().expect("it is told");
    assert!(matches!(died, Err(TaskError::WorkerDied(_))), "{died:?}");
    until("the pool's end", LIVENESS, || {
        tests::census::segments_of(std::process::id())
            .is_empty()
            .then_some(())
    });
}
