//! Ending a pool from another thread.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use forkyard_os::death::DeathWaker;
use forkyard_os::process::Signal;

use crate::driver::Core;

/// Ends its pool when told to; from [`Pool::abort_handle`](crate::Pool::abort_handle). It does
/// not keep the pool alive, and does nothing once the pool is gone, nor in a forked child. One task
/// is ended by a [`CancelHandle`](crate::CancelHandle); how far the end of a pool is, a
/// [`PoolWatcher`](crate::PoolWatcher) sees.
#[derive(Clone)]
pub struct AbortHandle {
    core: Weak<Core>,
    waker: DeathWaker,
}

impl fmt::Debug for AbortHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AbortHandle").finish_non_exhaustive()
    }
}

impl AbortHandle {
    pub(crate) fn new(core: &Arc<Core>, waker: DeathWaker) -> Self {
        Self {
            core: Arc::downgrade(core),
            waker,
        }
    }

    /// Raises the stop flag and returns at once. Whoever waits for a result gets
    /// [`TaskError::Aborted`](crate::TaskError::Aborted); workers that are not gone after
    /// `grace` get SIGTERM, and SIGKILL half a second later.
    pub fn abort(&self, grace: Duration) {
        if let Some(core) = self.core.upgrade().filter(|core| core.is_ours()) {
            let mut driver = core.lock();
            driver.abort(&core, grace);
            self.tell(&core);
        }
    }

    /// Aborts, and kills every worker now.
    pub fn kill(&self) {
        if let Some(core) = self.core.upgrade().filter(|core| core.is_ours()) {
            let mut driver = core.lock();
            driver.abort(&core, Duration::ZERO);
            driver.signal_all(&core, Signal::Kill);
            self.tell(&core);
        }
    }

    /// Before the lock is let go of: then callbacks of refused tasks are run here.
    fn tell(&self, core: &Core) {
        self.waker.wake();
        core.ring();
    }
}
