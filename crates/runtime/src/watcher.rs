//! Looking at a pool from elsewhere, also while it ends.

use std::fmt;
use std::sync::{Arc, Weak};

use crate::PoolStats;
use crate::driver::Core;

/// Sees what its pool is doing, also while [`Pool::close`](crate::Pool::close),
/// [`close_timeout`](crate::Pool::close_timeout) or [`abort`](crate::Pool::abort) run on another
/// thread; from [`Pool::watcher`](crate::Pool::watcher). It does not keep the pool alive.
///
/// ```no_run
/// use std::time::Duration;
/// use forkyard::WorkerState;
///
/// # forkyard::init();
/// let pool = forkyard::Pool::builder().build()?;
/// let watcher = pool.watcher();
/// let closing = std::thread::spawn(move || pool.close_timeout(Duration::from_secs(30)));
/// while let Some(stats) = watcher.stats() {
///     let is_busy = |worker: &&forkyard::WorkerStats| worker.state == WorkerState::Running;
///     let busy = stats.workers.iter().filter(is_busy).count();
///     println!("{}: {} messages wait, {busy} workers are busy", stats.stage, stats.pending);
///     std::thread::sleep(Duration::from_secs(1));
/// }
/// # drop(closing);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct PoolWatcher {
    core: Weak<Core>,
}

impl fmt::Debug for PoolWatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolWatcher").finish_non_exhaustive()
    }
}

impl PoolWatcher {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Self {
            core: Arc::downgrade(core),
        }
    }

    /// What [`Pool::stats`](crate::Pool::stats) tells; `None` once the pool has ended (no process
    /// of it is left), and in a forked child.
    #[must_use]
    pub fn stats(&self) -> Option<PoolStats> {
        let core = self.core.upgrade().filter(|core| core.is_ours())?;
        let has_ended = core.lock().has_ended;
        (!has_ended).then(|| crate::stats::now(&core))
    }
}
