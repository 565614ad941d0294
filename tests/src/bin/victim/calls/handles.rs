//! Results that are asked for, called back with, awaited, and waited for together.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use forkyard::{Done, Pool, TaskError, WaitFor};
use tests::gate;
use tests::patience::{LIVENESS, until};

use crate::setup::{Setup, kill_myself, works};

/// Whatever is sent while a task takes long is done by the other worker, whoever it was sent to.
pub(super) fn behind_a_long_task(setup: &Setup) {
    let pool = setup.pool(2);
    for round in 0..20 {
        // Tasks are known to be short, and so are sent ahead; then one is not.
        works(&pool);
        let gate = format!("long-{round}");
        let first: Vec<_> = (0..4).map(|n| pool.submit(|n: u64| n, n)).collect();
        let long = behind(&pool, &gate, 7);
        let after: Vec<_> = (0..50).map(|n| pool.submit(|n: u64| n, n)).collect();
        for (n, handle) in first.into_iter().enumerate() {
            assert_eq!(handle.join(), Ok(n as u64));
        }
        for (n, handle) in after.into_iter().enumerate() {
            assert_eq!(handle.join(), Ok(n as u64));
        }
        works(&pool);
        gate::say(&gate, "");
        assert_eq!(long.join(), Ok(7));
    }
}

/// The same while nobody waits for anything of the pool, nor asks.
pub(super) fn behind_unwatched(setup: &Setup) {
    let pool = setup.pool(2);
    works(&pool); // so that more is sent ahead
    let long = behind(&pool, "unwatched", 7);
    let after: Vec<_> = (0..30)
        .map(|_| pool.submit(|()| gate::arrive("submitted"), ()))
        .collect();
    let all_ran = |name, count| {
        until(name, LIVENESS, || {
            (gate::arrived(name) == count).then_some(())
        });
    };
    all_ran("submitted", 30);

    gate::say("unwatched", "");
    assert_eq!(long.join(), Ok(7));
    assert!(after.into_iter().all(|handle| handle.join().is_ok()));

    if setup.transport == forkyard::Transport::Copy {
        return; // what was passed over counts as queued
    }
    let task = |n: u64| {
        if n == 1 {
            gate::wait("second item");
        }
        n
    };
    let mut results = pool.task(task).chunk_size(1).imap(0..9_u64);
    assert_eq!(results.next(), Some(Ok(0)));
    until("nothing behind it", LIVENESS, || {
        let stats = pool.stats();
        let queued: u64 = stats.workers.iter().map(|worker| worker.queued).sum();
        (queued + stats.pending == 0).then_some(())
    });
    gate::say("second item", "");
    assert_eq!(results.count(), 8);
}

/// What no worker has begun never runs, what runs goes on.
pub(super) fn cancelled_queue(setup: &Setup) {
    let pool = setup.pool(2);
    works(&pool);
    let held = [0, 1].map(|n| {
        let task = |n: u64| {
            gate::arrive("held");
            gate::wait("go on");
            n
        };
        pool.submit(task, n)
    });
    until("two at work", LIVENESS, || {
        let _ = pool.tasks_done();
        (gate::arrived("held") == 2).then_some(())
    });
    let queued: Vec<_> = (0..200)
        .map(|_| pool.submit(|()| gate::arrive("queued"), ()))
        .collect();
    assert_eq!(pool.cancel_queued(), 200);
    assert_eq!(pool.cancel_queued(), 0);
    for handle in queued {
        assert_eq!(handle.join(), Err(TaskError::Cancelled));
    }
    gate::say("go on", "");
    works(&pool);
    let report = pool.close();
    assert_eq!(gate::arrived("queued"), 0);
    assert!(report.deaths.is_empty(), "{:?}", report.deaths);
    for (n, handle) in held.into_iter().enumerate() {
        assert_eq!(handle.join(), Ok(n as u64));
    }
}

/// A task that goes on when told.
fn gated((gate, n): (String, u64)) -> u64 {
    gate::wait(&gate);
    n
}

fn behind(pool: &Pool, gate: &str, n: u64) -> forkyard::Handle<u64> {
    pool.submit(gated, (gate.to_owned(), n))
}

pub(super) fn asked(setup: &Setup) {
    let pool = setup.pool(2);
    let mut handle = behind(&pool, "asked", 7);
    assert_eq!(handle.try_join(), None);
    assert!(!handle.is_done());
    gate::say("asked", "");
    let result = until("a result", LIVENESS, || handle.try_join());
    assert_eq!(result, Ok(7));
    works(&pool);
}

/// case 14, 17: a wait that gives up loses nothing.
pub(super) fn timeout(setup: &Setup) {
    let pool = setup.pool(2);
    let mut slow = behind(&pool, "timeout", 1);
    assert_eq!(slow.join_timeout(Duration::from_millis(20)), None);
    assert_eq!(slow.join_timeout(Duration::ZERO), None);
    works(&pool);
    gate::say("timeout", "");
    assert_eq!(slow.join(), Ok(1));
    works(&pool);
}

pub(super) fn callbacks(setup: &Setup) {
    let pool = Arc::new(setup.pool(2));
    let (sender, results) = mpsc::channel();
    for n in 0..100_u64 {
        let (sender, pool) = (sender.clone(), Arc::clone(&pool));
        pool.clone()
            .submit(|n: u64| n + 1, n)
            .on_done(move |first| {
                // A callback may submit, but its pool goes no further while it runs.
                let next = pool.submit(|n: u64| 2 * n, first.expect("a result"));
                next.on_done(move |second| {
                    let _ = sender.send((n, second));
                });
            });
    }
    // The result is there already: called at once, by this thread.
    let mut ready = pool.submit(|n: u64| n, 5);
    until("a result", LIVENESS, || ready.is_done().then_some(()));
    assert_eq!(ready.join_timeout(LIVENESS), Some(Ok(5)));
    let ready = pool.submit(|n: u64| n, 6);
    until("a result", LIVENESS, || ready.is_done().then_some(()));
    let me = std::thread::current().id();
    let (told, hears) = mpsc::channel();
    ready.on_done(move |result| {
        let _ = told.send((std::thread::current().id(), result));
    });
    assert_eq!(hears.try_recv(), Ok((me, Ok(6))));
    drop(sender);
    let mut seen: Vec<_> = (0..100)
        .map(|_| results.recv_timeout(LIVENESS).expect("a callback"))
        .collect();
    seen.sort_by_key(|(n, _)| *n);
    for (at, (n, result)) in seen.into_iter().enumerate() {
        assert_eq!((at as u64, result), (n, Ok(2 * (n + 1))));
    }
    // One that panics harms nobody.
    pool.submit(|n: u64| n, 0).on_done(|_| panic!("a callback"));
    works(&pool);
}

/// Wakes a thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The smallest executor.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park_timeout(LIVENESS),
        }
    }
}

pub(super) fn awaited(setup: &Setup) {
    let pool = setup.pool(2);
    let sum = block_on(async {
        let mut sum = 0;
        for n in 0..200_u64 {
            sum += pool.submit(|n: u64| 3 * n, n).await.expect("a result");
        }
        sum
    });
    assert_eq!(sum, 3 * 199 * 100);
    // Several under way, from several threads, with nobody who joins.
    let handles: Vec<_> = (0..100).map(|n| pool.submit(|n: u64| n, n)).collect();
    std::thread::scope(|scope| {
        for (n, handle) in handles.into_iter().enumerate() {
            scope.spawn(move || assert_eq!(block_on(handle), Ok(n as u64)));
        }
    });
    let panics = pool.submit(|n: u64| assert_eq!(n, 0, "on purpose"), 1);
    assert!(matches!(block_on(panics), Err(TaskError::Panicked(_))));
    works(&pool);
}

/// What is awaited when the pool ends is resolved.
pub(super) fn awaited_at_the_end(setup: &Setup) {
    for aborted in [false, true] {
        let pool = setup.pool(2);
        let gate = format!("end-{aborted}");
        let awaited: Vec<_> = (0..4).map(|n| behind(&pool, &gate, n)).collect();
        std::thread::scope(|scope| {
            let waiting: Vec<_> = awaited
                .into_iter()
                .map(|handle| scope.spawn(|| block_on(handle)))
                .collect();
            if aborted {
                pool.abort(Duration::ZERO);
            } else {
                gate::say(&gate, "");
                pool.close();
            }
            for (n, waiting) in waiting.into_iter().enumerate() {
                let result = waiting.join().expect("no panic");
                let expected = if aborted {
                    Err(TaskError::Aborted)
                } else {
                    Ok(n as u64)
                };
                assert_eq!(result, expected);
            }
        });
    }
}

pub(super) fn as_completed(setup: &Setup) {
    let pool = setup.pool(3);
    let handles: Vec<_> = (0..3)
        .map(|n| behind(&pool, &format!("done-{n}"), n))
        .collect();
    let mut completed = forkyard::as_completed(handles);
    assert_eq!(completed.len(), 3);
    for n in [2, 0, 1] {
        assert_eq!(
            completed.next_timeout(Duration::from_millis(5)),
            Done::NoneYet
        );
        gate::say(&format!("done-{n}"), "");
        assert_eq!(completed.next(), Some((n, Ok(n as u64))));
    }
    assert_eq!(completed.next(), None);
    assert_eq!(completed.next_timeout(LIVENESS), Done::NoneLeft);
    // Many, all there before they are asked for, or not.
    let handles = (0..5_000_u64).map(|n| pool.submit(|n: u64| n + 1, n));
    let mut seen = vec![false; 5_000];
    for (at, result) in forkyard::as_completed(handles) {
        assert_eq!(result, Ok(at as u64 + 1));
        assert!(!std::mem::replace(&mut seen[at], true));
    }
    assert!(seen.into_iter().all(|seen| seen));
    // Left in the middle.
    let handles: Vec<_> = (0..100).map(|n| pool.submit(|n: u64| n, n)).collect();
    assert!(forkyard::as_completed(handles).next().is_some());
    works(&pool);
}

pub(super) fn of_two_pools(setup: &Setup) {
    let (one, two) = (setup.pool(1), setup.pool(1));
    for round in 0..20 {
        let pools = [&one, &two];
        let gates = [format!("first-{round}"), format!("second-{round}")];
        let handles: Vec<_> = (0..2)
            .map(|n| behind(pools[n], &gates[n], n as u64))
            .collect();
        let mut completed = forkyard::as_completed(handles);
        for n in [round % 2, 1 - round % 2] {
            gate::say(&gates[n], "");
            assert_eq!(completed.next(), Some((n, Ok(n as u64))));
        }
    }
    let mut handles = [one.submit(|n: u64| n, 1), two.submit(|n: u64| n, 2)];
    assert_eq!(forkyard::wait(&mut handles, WaitFor::All, None), [0, 1]);
    works(&one);
    works(&two);
}

pub(super) fn wait(setup: &Setup) {
    let pool = setup.pool(3);
    let mut handles: Vec<_> = (0..3)
        .map(|n| behind(&pool, &format!("wait-{n}"), n))
        .collect();
    let short = Some(Duration::from_millis(5));
    for until in [WaitFor::First, WaitFor::All, WaitFor::FirstError] {
        assert!(forkyard::wait(&mut handles, until, short).is_empty());
    }
    gate::say("wait-1", "");
    assert_eq!(forkyard::wait(&mut handles, WaitFor::First, None), [1]);
    assert_eq!(forkyard::wait(&mut handles, WaitFor::All, short), [1]);
    assert_eq!(
        forkyard::wait(&mut handles, WaitFor::FirstError, short),
        [1]
    );
    gate::say("wait-0", "");
    gate::say("wait-2", "");
    assert_eq!(forkyard::wait(&mut handles, WaitFor::All, None), [0, 1, 2]);
    for (n, handle) in handles.into_iter().enumerate() {
        assert_eq!(handle.join(), Ok(n as u64));
    }
    // An error ends the wait for one, whoever is not done yet.
    let panics = pool.submit(
        |(_, n): (String, u64)| assert_eq!(n, 0, "on purpose"),
        (String::new(), 1),
    );
    let waits = pool.submit(
        |argument| assert_eq!(gated(argument), 0),
        ("late".to_owned(), 0),
    );
    let mut handles = [waits, panics];
    assert_eq!(forkyard::wait(&mut handles, WaitFor::FirstError, None), [1]);
    gate::say("late", "");
    assert_eq!(forkyard::wait(&mut handles, WaitFor::All, None), [0, 1]);
    assert!(forkyard::wait::<u64>(&mut [], WaitFor::First, None).is_empty());
    works(&pool);
}

pub(super) fn timed(setup: &Setup) {
    let pool = setup.pool(1);
    let slow = pool.submit_timed(|micros: u64| crate::setup::spin(micros), 20_000);
    let queued = pool.submit_timed(|n: u64| n, 3);
    let slow = slow.join().expect("a result").timings;
    let queued = queued.join().expect("a result");
    assert_eq!(queued.value, 3);
    assert!(slow.compute >= Duration::from_millis(20), "{slow:?}");
    assert!(
        queued.timings.queued >= Duration::from_millis(5),
        "{queued:?}"
    );
    assert!(slow.total() >= slow.compute + slow.queued);
    works(&pool);
}

/// Who watches a task is told of the death of its worker.
pub(super) fn watched_deaths(setup: &Setup) {
    let pool = setup.pool(2);
    for _ in 0..3 {
        let died =
            |result: &Result<u64, TaskError>| matches!(result, Err(TaskError::WorkerDied(_)));
        assert!(died(&block_on(
            pool.submit(|_: u64| -> u64 { kill_myself() }, 1)
        )));
        let told = Arc::new(AtomicUsize::new(0));
        let notes = Arc::clone(&told);
        pool.submit(|_: u64| -> u64 { kill_myself() }, 1)
            .on_done(move |result| {
                assert!(died(&result));
                notes.fetch_add(1, Ordering::Relaxed);
            });
        until("the callback", LIVENESS, || {
            (told.load(Ordering::Relaxed) == 1).then_some(())
        });
        let handles = [1, 2].map(|n| pool.submit(|_: u64| -> u64 { kill_myself() }, n));
        assert_eq!(
            forkyard::as_completed(handles)
                .filter(|(_, r)| died(r))
                .count(),
            2
        );
    }
    works(&pool);
}
