//! Tasks that are run again when their worker dies.

use forkyard::{NotRetried, OnCrash, Owned, Pool, Shared, TaskError, WorkerDeath};
use serde_bytes::ByteBuf;
use tests::gate;

use super::{LIMIT, SHORT, closes_with};
use crate::setup::{Setup, for_ever, kill_myself, works};

fn pool(setup: &Setup, workers: usize, max: u32) -> Pool {
    let builder = setup.builder().workers(workers);
    let builder = builder.on_crash(OnCrash::Retry { max });
    builder.build().expect("a pool")
}

/// Dies so many times, then returns where it ran.
fn die_first((name, times): (String, usize)) -> i32 {
    if gate::arrive(&name) < times {
        kill_myself();
    }
    std::process::id().cast_signed()
}

fn pids(deaths: &[WorkerDeath]) -> Vec<i32> {
    deaths.iter().map(|death| death.pid).collect()
}

/// Runs again elsewhere, as often as allowed; then gives up, and tells of every death.
pub(super) fn retry(setup: &Setup) {
    let pool = pool(setup, 2, 3);
    for times in [0, 1, 3] {
        let name = format!("dies{times}");
        let pid = pool.submit(die_first, (name.clone(), times)).join();
        assert!(pid.is_ok(), "{pid:?}");
        assert_eq!(gate::arrived(&name), times + 1);
    }
    let hopeless = pool.submit(die_first, ("hopeless".to_owned(), usize::MAX));
    let behind: Vec<_> = (0..50).map(|n: u64| pool.submit(|n| n, n)).collect();
    let Err(TaskError::GaveUp(gave_up)) = hopeless.join() else {
        panic!("it always dies");
    };
    assert_eq!((gave_up.why, gave_up.deaths.len()), (NotRetried::Spent, 4));
    assert_eq!(gate::arrived("hopeless"), 4);
    for (n, handle) in (0..).zip(behind) {
        assert_eq!(handle.join(), Ok(n));
    }
    works(&pool);
    let deaths = pids(&pool.close().deaths);
    assert_eq!(deaths.len(), 8);
    assert_eq!(deaths[4..], pids(&gave_up.deaths));
}

/// Items of a `map` die with their worker, some always, some once: only the former fail.
pub(super) fn in_map(setup: &Setup) {
    let pool = pool(setup, 2, 1);
    let task = |n: u64| {
        let deaths = match n {
            17 => usize::MAX,
            40 | 41 | 99 => 1,
            _ => 0,
        };
        if deaths > 0 && gate::arrive(&format!("item{n}")) < deaths {
            kill_myself();
        }
        n * n
    };
    for (n, result) in (0..).zip(pool.map(task, 0..100)) {
        if n == 17 {
            assert!(matches!(result, Err(TaskError::GaveUp(_))), "{result:?}");
        } else {
            assert_eq!(result, Ok(n * n));
        }
    }
    assert_eq!(pool.close().deaths.len(), 5);
}

/// Arguments of every kind are there again; but for what has moved to the process that died.
pub(super) fn arguments(setup: &Setup) {
    let pool = pool(setup, 1, 2);
    let sum = |(name, bytes): (String, ByteBuf)| {
        if gate::arrive(&name) < 2 {
            kill_myself();
        }
        bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>()
    };
    for bytes in [0, 10, 90, 5_000, 70_000, 3 << 20] {
        let argument = (format!("sum{bytes}"), ByteBuf::from(vec![3; bytes]));
        assert_eq!(pool.submit(sum, argument).join(), Ok(3 * bytes as u64));
    }
    let shared = pool.arena().copy_from(&[5_u64; 1000]).expect("memory");
    let read = |numbers: Shared<[u64]>| {
        if gate::arrive("shared") < 2 {
            kill_myself();
        }
        numbers.iter().sum::<u64>()
    };
    assert_eq!(pool.submit(read, shared.clone()).join(), Ok(5000));
    assert_eq!(shared[999], 5);
    let mut owned = pool.arena().alloc::<u64>(1000).expect("memory");
    owned[0] = 1;
    let moved = |numbers: Owned<[u64]>| {
        gate::arrive("owned");
        if numbers[0] == 1 {
            kill_myself();
        }
        0_u64
    };
    let Err(TaskError::GaveUp(gave_up)) = pool.submit(moved, owned).join() else {
        panic!("it dies");
    };
    let moved = NotRetried::ArgumentMoved;
    assert_eq!((gave_up.why, gave_up.deaths.len()), (moved, 1));
    assert_eq!(gate::arrived("owned"), 1);
    works(&pool);
    assert_eq!(pool.close().deaths.len(), 6 * 2 + 2 + 1);
}

/// A task that was stopped is not run again.
pub(super) fn not_for_stops(setup: &Setup) {
    let builder = setup.builder().workers(1).task_timeout(LIMIT);
    let builder = builder.on_crash(OnCrash::Retry { max: 5 });
    let pool = builder.task_grace(SHORT).build().expect("a pool");
    let task = |name: String| -> u64 {
        gate::arrive(&name);
        for_ever()
    };
    let result = pool.submit(task, "over".to_owned()).join();
    assert!(matches!(result, Err(TaskError::TimedOut(_))), "{result:?}");
    let handle = pool.submit(task, "cancelled".to_owned());
    while gate::arrived("cancelled") == 0 {
        std::thread::yield_now();
    }
    assert!(handle.cancel());
    assert_eq!(handle.join(), Err(TaskError::Cancelled));
    assert_eq!((gate::arrived("over"), gate::arrived("cancelled")), (1, 1));
    works(&pool);
    closes_with(pool, 2);
}
