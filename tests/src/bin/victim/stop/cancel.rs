//! Tasks that are cancelled.

use forkyard::{Handle, Pool, TaskError};
use serde_bytes::ByteBuf;
use tests::gate;
use tests::patience::{LIVENESS, until};

use super::{LONG, POLITE, RUDE, SHORT, behave, closes_with, my_pid};
use crate::setup::{Setup, works};

/// A task that holds its worker until the gate opens, and runs now.
fn hold(pool: &Pool, gate: &str) -> Handle<()> {
    let task = |gate: String| {
        gate::say(&format!("held by {gate}"), "");
        gate::wait(&gate);
    };
    let held = pool.submit(task, gate.to_owned());
    gate::wait(&format!("held by {gate}"));
    held
}

fn note((name, n): (String, u64)) -> u64 {
    gate::arrive(&format!("{name}-{n}"));
    n
}

/// What waits is cancelled: first, last, in the middle, also beyond what lanes and pipes hold. It
/// never runs, and all others do, once.
pub(super) fn queued(setup: &Setup) {
    let pool = setup.pool(1);
    for count in [1_u64, 2, 5, 150] {
        let name = format!("queued{count}");
        let held = hold(&pool, &name);
        let mut handles: Vec<_> = (0..count)
            .map(|n| pool.submit(note, (format!("ran{count}"), n)))
            .collect();
        let dropped = |n: u64| n.is_multiple_of(3) || n + 1 == count;
        for (n, handle) in (0..).zip(&mut handles) {
            assert!(!handle.is_running() && !handle.is_done());
            if dropped(n) {
                assert!(handle.cancel(), "{n}");
                assert!(handle.is_done(), "{n} of {count} has its error at once");
                assert!(!handle.cancel(), "once");
            }
        }
        assert!(held.is_running());
        gate::say(&name, "");
        assert_eq!(held.join(), Ok(()));
        for (n, handle) in (0..).zip(handles) {
            let ran = gate::arrived(&format!("ran{count}-{n}"));
            if dropped(n) {
                assert_eq!((handle.join(), ran), (Err(TaskError::Cancelled), 0), "{n}");
            } else {
                assert_eq!(handle.join(), Ok(n));
                assert_eq!(gate::arrived(&format!("ran{count}-{n}")), 1);
            }
        }
    }
    works(&pool);
    closes_with(pool, 0);
}

/// What is cancelled while it is half-way in the pipe, or lies in a block.
pub(super) fn large(setup: &Setup) {
    let pool = setup.pool(1);
    let held = hold(&pool, "large");
    let task = |bytes: ByteBuf| {
        gate::arrive("large ran");
        bytes.len()
    };
    let handles: Vec<_> = (0..6)
        .map(|_| pool.submit(task, ByteBuf::from(vec![7; 3 << 20])))
        .collect();
    for n in [0, 1, 4] {
        assert!(handles[n].cancel());
    }
    gate::say("large", "");
    assert_eq!(held.join(), Ok(()));
    for (n, handle) in handles.into_iter().enumerate() {
        let cancelled = [0, 1, 4].contains(&n);
        let expected = if cancelled {
            Err(TaskError::Cancelled)
        } else {
            Ok(3 << 20)
        };
        assert_eq!(handle.join(), expected, "{n}");
    }
    assert_eq!(gate::arrived("large ran"), 3);
    works(&pool);
    closes_with(pool, 0);
}

/// What runs is asked; if it does not stop, its process is ended.
pub(super) fn running(setup: &Setup) {
    let polite = setup.builder().workers(1).task_grace(LONG);
    let pool = polite.build().expect("a pool");
    let pid = pool.submit(my_pid, ()).join();
    for how in POLITE {
        let handle = pool.submit(behave, how.to_owned());
        gate::wait(how);
        assert!(handle.is_running());
        assert!(handle.cancel());
        assert_eq!(handle.join(), Err(TaskError::Cancelled), "{how}");
        assert_eq!(pool.submit(my_pid, ()).join(), pid, "{how}");
    }
    let done = pool.submit(my_pid, ());
    until("its end", LIVENESS, || done.is_done().then_some(()));
    assert!(!done.cancel());
    assert_eq!(done.join(), pid);
    closes_with(pool, 0);

    let pool = setup.builder().workers(2).task_grace(SHORT);
    let pool = pool.build().expect("a pool");
    for how in RUDE {
        let rude = format!("{how}-rude");
        let handle = pool.submit(behave, how.to_owned());
        let pid = gate::hear(how);
        std::fs::remove_file(gate::folder().join(how)).expect("it was said");
        let others: Vec<_> = (0..20)
            .map(|n| pool.submit(note, (rude.clone(), n)))
            .collect();
        assert!(handle.cancel());
        for (n, other) in (0..).zip(others) {
            assert_eq!(other.join(), Ok(n));
            assert_eq!(gate::arrived(&format!("{rude}-{n}")), 1);
        }
        assert_eq!(handle.join(), Err(TaskError::Cancelled), "{how}");
        assert_ne!(
            pool.submit(my_pid, ()).join().map(|pid| pid.to_string()),
            Ok(pid)
        );
    }
    works(&pool);
    closes_with(pool, RUDE.len());
}

/// Many are cancelled while workers are at them: each runs to its end or is cancelled.
pub(super) fn many(setup: &Setup) {
    let builder = setup.builder().workers(2).task_grace(LONG);
    let pool = builder.build().expect("a pool");
    for _ in 0..20 {
        let handles: Vec<_> = (0..300).map(|n: u64| pool.submit(|n| n, n)).collect();
        let cancelled: Vec<_> = handles.iter().map(Handle::cancel).collect();
        for (n, (handle, cancelled)) in (0..).zip(handles.into_iter().zip(cancelled)) {
            let expected = if cancelled {
                Err(TaskError::Cancelled)
            } else {
                Ok(n)
            };
            assert_eq!(handle.join(), expected);
        }
    }
    works(&pool);
    closes_with(pool, 0);
}
