//! So many at a time.

use std::fmt;
use std::time::Duration;

use forkyard_shm::state::{self, NoPermit};

use super::handle::handle;
use super::kind::SemaphoreKind;
use super::wait::StatePark;
use crate::mapped::Laid;

/// A fixed number of permits: so many at a time may do something, whoever they are.
///
/// Made by [`Pool::semaphore`](crate::Pool::semaphore). The permits of a process that dies come
/// back. Nobody is served in order: a permit goes to whoever finds it first. To count what was
/// made and is to be used, take a [`Queue`](super::Queue).
///
/// ```no_run
/// use forkyard::{Pool, Semaphore};
///
/// forkyard::init();
/// let pool = Pool::builder().workers(8).build()?;
/// let licences = pool.semaphore(2)?;
/// let task = |(n, licences): (u64, Semaphore)| {
///     let _licence = licences.acquire();
///     n * n // by a library that may run twice at a time
/// };
/// let squares = pool.map(task, (0..100).map(|n| (n, licences.clone())));
/// assert!(squares.iter().all(Result::is_ok));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Semaphore {
    pub(super) laid: Laid<SemaphoreKind>,
}

handle!(Semaphore);

/// A permit, held. Drop releases it.
#[must_use = "dropped at once, it is released at once"]
#[derive(Debug)]
pub struct Permit<'a>(state::Permit<'a, 'static, StatePark>);

impl Permit<'_> {
    /// Releases the permit, as dropping it does.
    pub fn release(self) {
        self.0.release();
    }
}

impl Semaphore {
    /// Takes a permit, sleeping while there is none.
    pub fn acquire(&self) -> Permit<'_> {
        Permit(self.laid.get().acquire(self.laid.owner(), &StatePark))
    }

    /// Takes a permit if there is one.
    ///
    /// # Errors
    /// [`NoPermit`].
    pub fn try_acquire(&self) -> Result<Permit<'_>, NoPermit> {
        let taken = self.laid.get().try_acquire(self.laid.owner(), &StatePark);
        taken.map(Permit)
    }

    /// Takes a permit, sleeping while there is none, for `timeout` at most.
    ///
    /// # Errors
    /// [`NoPermit`].
    pub fn acquire_timeout(&self, timeout: Duration) -> Result<Permit<'_>, NoPermit> {
        let owner = self.laid.owner();
        let taken = self.laid.get().acquire_timeout(owner, timeout, &StatePark);
        taken.map(Permit)
    }

    /// How many permits there are.
    #[must_use]
    pub fn permits(&self) -> usize {
        self.laid.count()
    }

    /// How many were free as they were counted, one after the other.
    #[must_use]
    pub fn free(&self) -> usize {
        self.laid.get().free()
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore")
            .field("permits", &self.permits())
            .field("free", &self.free())
            .finish()
    }
}
