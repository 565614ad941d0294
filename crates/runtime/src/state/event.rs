//! A flag to wait for.

use std::fmt;
use std::time::Duration;

use forkyard_shm::state::{EventBroken, EventWaitError};

use super::handle::handle;
use super::kind::EventKind;
use super::wait::StatePark;
use crate::mapped::Laid;

/// A flag to wait for.
///
/// Made by [`Pool::event`](crate::Pool::event). It stays set until it is cleared, and whoever waits
/// returns also when it was set and cleared again meanwhile. What came before a `set` is seen
/// by whoever waited for it.
///
/// An event belongs to nobody, so nobody can tell whether it is still going to be set. A task
/// that is going to set it can [promise](Self::promise) to: its death then ends the waits with
/// an error. The end of the pool ends them, too.
///
/// ```no_run
/// use forkyard::{Event, Pool};
///
/// fn prepare(ready: Event) {
///     assert!(ready.promise(), "nobody else prepares");
///     // A death in here is an error to whoever waits.
///     ready.set();
/// }
///
/// forkyard::init();
/// let pool = Pool::builder().build()?;
/// let ready = pool.event()?;
/// let preparing = pool.submit(prepare, ready.clone());
/// ready.wait()?;
/// preparing.join()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Event {
    pub(super) laid: Laid<EventKind>,
}

handle!(Event);

impl Event {
    /// Sets it, which keeps the promise of whoever had made one, and wakes all who wait.
    pub fn set(&self) {
        self.laid.get().set(&StatePark);
    }

    /// Clears it: who waits from now on waits for the next set. Forgets a promise, and that
    /// one was broken.
    pub fn clear(&self) {
        self.laid.get().clear();
    }

    /// Whether it is set.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.laid.get().is_set()
    }

    /// This process is going to set it: if it dies before, those who wait learn of it. `false`
    /// when it is set, or another has promised, or a promise was broken.
    ///
    /// The promise is the process's: a task that returns, or panics, without having set the
    /// event has not broken it.
    #[must_use = "without the promise nobody learns of the death"]
    pub fn promise(&self) -> bool {
        self.laid.get().promise(self.laid.owner())
    }

    /// Waits until it is set.
    ///
    /// # Errors
    /// [`EventBroken`], when whoever had promised to set it has died, or the pool has ended; at
    /// once, when that was before.
    pub fn wait(&self) -> Result<(), EventBroken> {
        self.laid.get().wait(&StatePark)
    }

    /// Waits until it is set, for `timeout` at most.
    ///
    /// # Errors
    /// [`EventWaitError`].
    pub fn wait_timeout(&self, timeout: Duration) -> Result<(), EventWaitError> {
        self.laid.get().wait_timeout(timeout, &StatePark)
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("is_set", &self.is_set())
            .finish()
    }
}
