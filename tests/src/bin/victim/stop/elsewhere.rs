//! Tasks that are cancelled by somebody who has no handle.

use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use forkyard::{Handle, Pool, TaskError, as_completed};
use tests::gate;
use tests::patience::{LIVENESS, until};

use super::{LONG, closes_with};
use crate::setup::{Setup, works};

/// A task that runs until it is asked to stop, and runs now.
fn watchful(pool: &Pool, name: &str) -> Handle<u64> {
    let task = |name: String| {
        gate::say(&name, "");
        while !forkyard::context().is_stopped() {}
        gate::say(&format!("{name} has stopped"), "");
        0
    };
    let handle = pool.submit(task, name.to_owned());
    gate::wait(name);
    handle
}

/// A task that notes that it ran, behind those that run.
fn behind(pool: &Pool, name: &str) -> Handle<u64> {
    let task = |name: String| {
        gate::arrive(&name);
        1
    };
    pool.submit(task, name.to_owned())
}

fn pool(setup: &Setup) -> Pool {
    let builder = setup.builder().workers(1).task_grace(LONG);
    builder.build().expect("a pool")
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on(handle: Handle<u64>) -> Result<u64, TaskError> {
    let mut handle = pin!(handle);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        match handle.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(result) => return result,
            Poll::Pending => std::thread::park_timeout(LIVENESS),
        }
    }
}

/// Whoever waits for a task, in whatever way, hears that it was cancelled.
pub(super) fn while_waited_for(setup: &Setup) {
    let pool = pool(setup);
    type Wait = fn(Handle<u64>) -> Result<u64, TaskError>;
    let ways: [(&str, Wait); 4] = [
        ("joined", Handle::join),
        ("timed", |mut handle| {
            handle.join_timeout(LIVENESS).expect("in time")
        }),
        ("awaited", block_on),
        ("called", |handle| {
            let (sender, result) = mpsc::channel();
            handle.on_done(move |result| drop(sender.send(result)));
            result.recv_timeout(LIVENESS).expect("in time")
        }),
    ];
    for (name, wait) in ways {
        let running = watchful(&pool, name);
        let waiting = behind(&pool, &format!("{name} behind"));
        let cancels = [waiting.cancel_handle(), running.cancel_handle()];
        let threads = [waiting, running].map(|handle| std::thread::spawn(move || wait(handle)));
        for cancel in &cancels {
            assert!(cancel.cancel(), "{name}");
        }
        for thread in threads {
            let result = thread.join().expect("no panic");
            assert_eq!(result, Err(TaskError::Cancelled), "{name}");
        }
        gate::wait(&format!("{name} has stopped"));
        assert_eq!(gate::arrived(&format!("{name} behind")), 0);
        assert!(!cancels.iter().any(forkyard::CancelHandle::cancel), "once");
    }
    works(&pool);
    closes_with(pool, 0);
}

/// Who comes too late cancels nothing, least of all somebody else's task.
pub(super) fn too_late(setup: &Setup) {
    let pool = pool(setup);
    let done: Vec<_> = (0..50).map(|n: u64| pool.submit(|n| n, n)).collect();
    let stale: Vec<_> = done.iter().map(Handle::cancel_handle).collect();
    for (n, handle) in (0..).zip(done) {
        assert_eq!(handle.join(), Ok(n));
    }
    let running = watchful(&pool, "late");
    let others: Vec<_> = (0..50).map(|n: u64| pool.submit(|n| n, n)).collect();
    assert!(stale.iter().all(|cancel| !cancel.cancel()));
    assert!(running.is_running());
    assert!(running.cancel_handle().clone().cancel());
    assert_eq!(running.join(), Err(TaskError::Cancelled));
    for (n, handle) in (0..).zip(others) {
        assert_eq!(handle.join(), Ok(n));
    }
    let mut taken = pool.submit(|n: u64| n, 7);
    assert_eq!(taken.join_timeout(LIVENESS), Some(Ok(7)));
    assert!(!taken.cancel_handle().cancel());
    let last = pool.submit(|n: u64| n, 8);
    let cancel = last.cancel_handle();
    closes_with(pool, 0);
    assert!(!cancel.cancel());
    assert_eq!(last.join(), Ok(8));
    assert!(!cancel.cancel(), "of a pool that is gone");
}

/// A dropped handle's task goes on, unless it was to be cancelled with it; and it still can be.
pub(super) fn dropped(setup: &Setup) {
    let pool = pool(setup);
    let running = watchful(&pool, "dropped");
    let cancel = running.cancel_handle();
    drop(running);
    drop(behind(&pool, "wanted"));
    drop(behind(&pool, "unwanted").cancel_on_drop());
    let stays = pool.stats();
    assert!(stays.workers[0].task_age.is_some(), "it runs on\n{stays}");
    assert!(cancel.cancel());
    gate::wait("dropped has stopped");
    drop(watchful(&pool, "tied").cancel_on_drop());
    gate::wait("tied has stopped");
    // What had its result taken, or is told to a callback, is not dropped.
    assert_eq!(behind(&pool, "joined").cancel_on_drop().join(), Ok(1));
    let (sender, result) = mpsc::channel();
    let called = behind(&pool, "called").cancel_on_drop();
    called.on_done(move |result| drop(sender.send(result)));
    assert_eq!(result.recv_timeout(LIVENESS), Ok(Ok(1)));
    works(&pool);
    assert_eq!(gate::arrived("wanted"), 1);
    assert_eq!(gate::arrived("unwanted"), 0);
    // Those of a group go with it.
    let group = ["one", "two"].map(|name| behind(&pool, name).cancel_on_drop());
    let held = watchful(&pool, "held");
    let tied = ["three", "four"].map(|name| behind(&pool, name).cancel_on_drop());
    drop(as_completed(group));
    drop(as_completed(tied));
    assert!(held.cancel());
    works(&pool);
    assert_eq!(gate::arrived("three") + gate::arrived("four"), 0);
    closes_with(pool, 0);
}

/// The rest of many is cancelled once enough have ended.
pub(super) fn rest(setup: &Setup) {
    let pool = setup.builder().workers(2).task_grace(LONG);
    let pool = pool.build().expect("a pool");
    let running = watchful(&pool, "running");
    let first = behind(&pool, "first");
    until("the first is done", LIVENESS, || {
        first.is_done().then_some(())
    });
    let also = watchful(&pool, "also");
    let other = also.cancel_handle();
    let waiting = (0..20).map(|n| behind(&pool, &format!("rest {n}")));
    let handles: Vec<_> = [running, first, also].into_iter().chain(waiting).collect();
    let mut all = as_completed(handles);
    assert_eq!(all.next(), Some((1, Ok(1))));
    // One by its own, from another thread, while this one waits.
    let cancelling = std::thread::spawn(move || other.cancel());
    assert_eq!(all.next(), Some((2, Err(TaskError::Cancelled))));
    assert!(cancelling.join().expect("no panic"));
    let done = all.cancel_rest();
    let rest: Vec<_> = all.by_ref().collect();
    assert_eq!(rest.len(), 21);
    let cancelled = rest
        .iter()
        .filter(|(_, result)| *result == Err(TaskError::Cancelled));
    assert_eq!(cancelled.count(), done);
    for (at, result) in rest {
        let ran = at > 2 && gate::arrived(&format!("rest {}", at - 3)) == 1;
        assert!(
            ran || result == Err(TaskError::Cancelled),
            "{at}: {result:?}"
        );
    }
    assert_eq!(all.cancel_rest(), 0);
    works(&pool);
    closes_with(pool, 0);
}
