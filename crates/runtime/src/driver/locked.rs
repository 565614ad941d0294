//! The driver while its lock is held, and who is told of results when it is let go.
//!
//! Whoever watches a task without waiting for it (a future, a callback) is user code, and user
//! code never runs under the lock: what is to be told is noted, and told by the thread that
//! lets go.

use std::ops::{Deref, DerefMut};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use super::{Driver, Reply};

/// What runs when a task has ended.
pub(crate) type Callback = Box<dyn FnOnce(Reply) + Send>;

/// Somebody who is to be told.
pub(crate) enum Notice {
    Wake(Waker),
    Call(Callback, Reply),
}

impl std::fmt::Debug for Notice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Wake(_) => "Wake",
            Self::Call(..) => "Call",
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
            tell(|| match notice {
                Notice::Wake(waker) => waker.wake(),
                Notice::Call(call, reply) => call(reply),
            });
        }
    }
}

/// Runs what a user wants to be told by. It is not ours, nor is its panic.
pub(crate) fn tell(told: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(told)).is_err() {
        // Its message is on standard error already, by the panic hook.
        tracing::error!("a task's callback or waker panicked");
    }
}

/// The driver, locked. Dropped, it tells whoever is to be told.
pub(crate) struct Locked<'a> {
    /// `None` only while it is given away.
    guard: Option<MutexGuard<'a, Driver>>,
}

impl<'a> Locked<'a> {
    pub(super) fn new(guard: MutexGuard<'a, Driver>) -> Self {
        Self { guard: Some(guard) }
    }

    /// Lets go, waits to be notified, and locks again. There must be nobody to be told.
    pub(super) fn wait(mut self, condvar: &Condvar, timeout: Option<Duration>) -> Self {
        let Some(guard) = self.guard.take() else {
            unreachable!("{HELD}")
        };
        debug_assert!(guard.notices.is_empty(), "they would be told too late");
        Self::new(match timeout {
            None => condvar.wait(guard).unwrap_or_else(PoisonError::into_inner),
            Some(timeout) => {
                let waited = condvar.wait_timeout(guard, timeout);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        })
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
            let notices = std::mem::take(&mut guard.notices);
            drop(guard);
            drop(notices);
        }
    }
}
