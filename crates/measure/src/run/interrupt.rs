//! What an interrupt does to a run, whichever part of it is under way.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use forkyard::{AbortHandle, StopFlag};

/// How long workers have to stop by themselves after the first interrupt.
pub(crate) const GRACE: Duration = Duration::from_secs(2);

/// Passes interrupts on to whatever runs: the pool of the moment, or a baseline.
#[derive(Default)]
pub struct Interrupts {
    seen: AtomicU32,
    stop: StopFlag,
    pool: Mutex<Option<AbortHandle>>,
}

/// What an interrupt set off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Reaction {
    /// The work was asked to stop, and the run ends with the report of what was done.
    Asked,
    /// It had been asked before; the workers were killed, and the run ends with its report.
    Killed,
    /// It had been asked before and there is no worker to kill: the caller may exit at once.
    NothingToKill,
}

impl Interrupts {
    /// Nothing was interrupted yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Called for each Ctrl-C or SIGTERM, from a thread of its own, not from a signal handler:
    /// the first asks the work to stop, any further one kills it.
    pub fn interrupt(&self) -> Reaction {
        // Relaxed: the counter orders nothing but itself; the lock below does the rest.
        let first = self.seen.fetch_add(1, Ordering::Relaxed) == 0;
        self.stop.raise_for_ever();
        let pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        match (&*pool, first) {
            (Some(pool), true) => {
                pool.abort(GRACE);
                Reaction::Asked
            }
            (Some(pool), false) => {
                pool.kill();
                Reaction::Killed
            }
            (None, true) => Reaction::Asked,
            (None, false) => Reaction::NothingToKill,
        }
    }

    /// Whether there was one.
    pub fn is_interrupted(&self) -> bool {
        self.seen.load(Ordering::Relaxed) > 0
    }

    /// The stop flag of the baselines.
    pub(crate) fn stop(&self) -> &StopFlag {
        &self.stop
    }

    /// From now on interrupts go to this pool. One that came just before goes there at once.
    pub(crate) fn attach(&self, pool: AbortHandle) {
        let mut slot = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_interrupted() {
            pool.abort(GRACE);
        }
        *slot = Some(pool);
    }

    /// The pool is gone.
    pub(crate) fn detach(&self) {
        *self.pool.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Something with a thread that calls [`Interrupts::interrupt`].
///
/// A pool whose workers are forked can only be built while the process has one thread, and a run
/// with a comparison builds several pools. So the thread is started and stopped around each;
/// signals that come in between must not be lost.
pub trait Listener {
    /// Starts the thread.
    fn start(&mut self);

    /// Ends the thread and waits for its end.
    fn stop(&mut self);
}

/// Hears nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoListener;

impl Listener for NoListener {
    fn start(&mut self) {}

    fn stop(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_pool_the_first_asks_and_the_second_frees_the_caller_to_exit() {
        let interrupts = Interrupts::new();
        assert!(!interrupts.stop().is_raised_for_ever());
        assert_eq!(interrupts.interrupt(), Reaction::Asked);
        assert!(interrupts.stop().is_raised_for_ever());
        assert!(interrupts.is_interrupted());
        assert_eq!(interrupts.interrupt(), Reaction::NothingToKill);
    }
}
