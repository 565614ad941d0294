//! All wait for all.

use std::fmt;
use std::time::Duration;

use forkyard_shm::state::{BarrierBroken, Passed, WaitError};

use super::handle::handle;
use super::kind::BarrierKind;
use super::wait::StatePark;
use crate::mapped::Laid;

/// A place where a fixed number of participants wait for each other, over and over.
///
/// Made by [`Pool::barrier`](crate::Pool::barrier). A participant is one wait, whoever waits: the
/// supervisor's threads count one by one. What each did before it came is seen by all after
/// they have passed.
///
/// A process that has waited here is a *member*, until it [leaves](Self::leave): its death, at
/// whatever it is then, breaks the barrier, because the others would wait for it. All who wait
/// get [`BarrierBroken`], and all who come, until somebody [resets](Self::reset) it.
///
/// Tasks that meet at a barrier run at the same time, so there must be a worker for each.
///
/// ```no_run
/// use forkyard::state::BarrierBroken;
/// use forkyard::{Barrier, Pool};
///
/// fn phases(barrier: Barrier) -> Result<u32, BarrierBroken> {
///     for _phase in 0..10 {
///         // … this worker's share of the phase …
///         barrier.wait()?;
///     }
///     barrier.leave();
///     Ok(10)
/// }
///
/// forkyard::init();
/// let pool = Pool::builder().workers(4).build()?;
/// let barrier = pool.barrier(4)?;
/// let ended = pool.map(phases, vec![barrier; 4]);
/// assert!(ended.iter().all(|result| result == &Ok(Ok(10))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Barrier {
    pub(super) laid: Laid<BarrierKind>,
}

handle!(Barrier);

impl Barrier {
    /// Waits until all have come.
    ///
    /// # Errors
    /// [`BarrierBroken`], at once when it is broken, else as soon as it breaks.
    pub fn wait(&self) -> Result<Passed, BarrierBroken> {
        self.laid.get().wait(self.laid.owner(), &StatePark)
    }

    /// Waits until all have come, for `timeout` at most; then it takes its coming back, and the
    /// barrier stays whole.
    ///
    /// # Errors
    /// [`BarrierWaitError`](super::BarrierWaitError).
    pub fn wait_timeout(&self, timeout: Duration) -> Result<Passed, WaitError> {
        let owner = self.laid.owner();
        self.laid.get().wait_timeout(owner, timeout, &StatePark)
    }

    /// Breaks it: all who wait and who come get an error, until it is [reset](Self::reset).
    pub fn abort(&self) {
        self.laid.get().abort(&StatePark);
    }

    /// Makes it whole and empty. Who still waits gets an error, as if it had broken. Members
    /// stay members.
    pub fn reset(&self) {
        self.laid.get().reset(&StatePark);
    }

    /// This process takes part no more, with all its threads: its death does not matter here
    /// from now on.
    pub fn leave(&self) {
        self.laid.get().leave(self.laid.owner());
    }

    /// Whether it is broken, and by whom.
    #[must_use]
    pub fn broken(&self) -> Option<BarrierBroken> {
        self.laid.get().broken()
    }

    /// How many have come and wait for the others.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.laid.get().waiting()
    }

    /// How many have to come.
    #[must_use]
    pub fn parties(&self) -> usize {
        self.laid.count()
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier")
            .field("parties", &self.parties())
            .field("waiting", &self.waiting())
            .field("broken", &self.broken())
            .finish()
    }
}
