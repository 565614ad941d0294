//! The driver while its lock is held, and who is told of results when it is let go.
//!
//! Whoever watches a task without waiting for it (a future, a callback) is user code, and user
//! code never runs under the lock: what is to be told is noted, and told by the thread that
//! lets go. What is told may do anything, even end the pool, so the reaper tells nobody (while there
//! is any other thread to be had): the pool could not end while it did.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, MutexGuard, PoisonError, mpsc};
use std::task::Waker;
use std::time::{Duration, Instant};

use super::{Core, Driver, Reply, Watcher};
use crate::trace;

/// What runs when a task has ended.
pub(crate) type Callback = Box<dyn FnOnce(Reply) + Send>;

/// Somebody who is to be told.
pub(crate) enum Notice {
    Wake(Waker),
    Call(Callback, Reply),
    /// Nobody is told of it any more. What it has is the user's, to be dropped without the lock.
    Forget(Watcher),
}

impl std::fmt::Debug for Notice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Wake(_) => "Wake",
            Self::Call(..) => "Call",
            Self::Forget(_) => "Forget",
        })
    }
}

/// Those to be told by whoever drops this.
#[derive(Debug, Default)]
pub(crate) struct Notices(Vec<Notice>);

impl Notices {
    pub(super) fn push(&mut self, notice: Notice) {
        self.0.push(notice);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Drop for Notices {
    fn drop(&mut self) {
        for notice in self.0.drain(..) {
            match notice {
                Notice::Wake(waker) => tell(|| waker.wake()),
                Notice::Call(call, reply) => tell_in_turn(move || call(reply)),
                Notice::Forget(watcher) => tell(|| drop(watcher)),
            }
        }
    }
}

thread_local! {
    /// Whether this thread is telling somebody.
    static TELLS: Cell<bool> = const { Cell::new(false) };
    /// Callbacks that wait for the one that this thread runs.
    static LATER: RefCell<VecDeque<Box<dyn FnOnce()>>> = const { RefCell::new(VecDeque::new()) };
    /// Whether this thread leaves it to another to tell.
    static IS_REAPER: Cell<bool> = const { Cell::new(false) };
}

/// From now on this thread has others tell what there is to be told.
pub(crate) fn never_tell_here() {
    IS_REAPER.set(true);
}

/// Whether this is the reaper's thread.
pub(crate) fn is_reaper() -> bool {
    IS_REAPER.get()
}

/// Whether the calling code is told something.
pub(super) fn is_told() -> bool {
    TELLS.get()
}

/// Runs what a user wants to be told by. It is not ours, nor is its panic.
fn tell(told: impl FnOnce()) {
    let outer = TELLS.replace(true);
    run(told);
    if !outer {
        while let Some(next) = LATER.with_borrow_mut(VecDeque::pop_front) {
            run(next);
        }
    }
    TELLS.set(outer);
}

fn run(told: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(told)).is_err() {
        // Its message is on standard error already, by the panic hook.
        trace::callback_panicked();
    }
}

/// Runs a callback, or, within another, when that has returned: a callback that finds the next one
/// ready would otherwise run it on its own stack, and that the next, without an end.
pub(crate) fn tell_in_turn(told: impl FnOnce() + 'static) {
    if is_told() {
        LATER.with_borrow_mut(|later| later.push_back(Box::new(told)));
    } else {
        tell(told);
    }
}

/// How long the reaper waits for a thread, or for anybody who uses the pool, before it tells after
/// all. What it tells may wait for the reaper and so for ever, but mostly it does not.
const LAST_RESORT: Duration = Duration::from_secs(1);

/// Has a thread of its own tell what the reaper would. The thread comes first: when there is none,
/// the notices are still here.
fn tell_elsewhere(core: &Core, mut driver: MutexGuard<'_, Driver>) {
    let (sender, receiver) = mpsc::channel::<Notices>();
    let teller = std::thread::Builder::new()
        .name("forkyard-teller".to_owned())
        .spawn(move || drop(receiver.recv()));
    match teller {
        Ok(teller) => {
            let notices = std::mem::take(&mut driver.notices);
            driver.lacks_teller = None;
            driver.tellers.retain(|teller| !teller.is_finished());
            driver.tellers.push(teller);
            drop(driver);
            // Should it have gone, they are dropped here, which tells.
            let _ = sender.send(notices);
        }
        Err(error) => {
            let since = match driver.lacks_teller {
                Some(since) => since,
                None => {
                    trace::no_thread(core, "callbacks, which are late", &error);
                    *driver.lacks_teller.insert(Instant::now())
                }
            };
            if since.elapsed() >= LAST_RESORT {
                let notices = std::mem::take(&mut driver.notices);
                drop(driver);
                drop(notices);
            }
        }
    }
}

/// The driver, locked. Dropped, it tells whoever is to be told.
pub(crate) struct Locked<'a> {
    core: &'a Core,
    /// `None` only while it is given away.
    guard: Option<MutexGuard<'a, Driver>>,
}

impl<'a> Locked<'a> {
    pub(super) fn new(core: &'a Core, guard: MutexGuard<'a, Driver>) -> Self {
        Self {
            core,
            guard: Some(guard),
        }
    }

    /// Lets go, waits to be notified, and locks again. There must be nobody to be told.
    pub(super) fn wait(mut self, condvar: &Condvar, timeout: Option<Duration>) -> Self {
        let Some(guard) = self.guard.take() else {
            unreachable!("{HELD}")
        };
        debug_assert!(guard.notices.is_empty(), "they would be told too late");
        let guard = match timeout {
            None => condvar.wait(guard).unwrap_or_else(PoisonError::into_inner),
            Some(timeout) => {
                let waited = condvar.wait_timeout(guard, timeout);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        Self::new(self.core, guard)
    }
}

const HELD: &str = "the lock is held until it is dropped or given away";

impl Deref for Locked<'_> {
    type Target = Driver;

    #[inline]
    fn deref(&self) -> &Driver {
        match &self.guard {
            Some(guard) => guard,
            None => unreachable!("{HELD}"),
        }
    }
}

impl DerefMut for Locked<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Driver {
        match &mut self.guard {
            Some(guard) => guard,
            None => unreachable!("{HELD}"),
        }
    }
}

impl Drop for Locked<'_> {
    #[inline]
    fn drop(&mut self) {
        let Some(mut guard) = self.guard.take() else {
            return;
        };
        if !guard.notices.is_empty() {
            if IS_REAPER.get() {
                return tell_elsewhere(self.core, guard);
            }
            let notices = std::mem::take(&mut guard.notices);
            drop(guard);
            drop(notices);
        }
    }
}
