//! Plain data that one process at a time may touch.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use bytemuck::Pod;
use forkyard_shm::state::{self, NotLocked, OwnerDied};

use super::handle::handle;
use super::kind::MutexKind;
use super::wait::StatePark;
use crate::mapped::Laid;

/// Plain data that one process, and one thread of it, at a time may touch.
///
/// Made by [`Pool::mutex`](crate::Pool::mutex). A process that dies while it holds the lock does not
/// keep it: the next holder gets [`OwnerDied`], with the guard and the data as the dead left
/// them, and so does each one after it until somebody has [repaired](SharedMutexGuard::repair)
/// the data. A panic while the guard lives breaks as a death does.
///
/// ```no_run
/// use forkyard::state::OwnerDied;
/// use forkyard::{Pool, SharedMutex};
///
/// /// Moves one from the left to the right.
/// fn shift(ends: SharedMutex<[u64; 2]>) {
///     let mut ends = ends.lock().unwrap_or_else(|OwnerDied { mut guard, .. }| {
///         // Whoever died may have taken one off the left and not put it on the right.
///         guard[1] = 100 - guard[0];
///         guard.repair();
///         guard
///     });
///     ends[0] -= 1;
///     ends[1] += 1;
/// }
///
/// forkyard::init();
/// let pool = Pool::builder().build()?;
/// let ends = pool.mutex([100, 0])?;
/// pool.map(shift, vec![ends.clone(); 10]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SharedMutex<T: Pod + Send + Sync> {
    pub(super) laid: Laid<MutexKind<T>>,
}

handle!(SharedMutex<T: Pod, Send, Sync>);

/// The lock, held, and the data behind it. Drop unlocks; a drop by a panic leaves the data
/// broken.
#[must_use = "dropped at once, it unlocks at once"]
pub struct SharedMutexGuard<'a, T>(state::MutexGuard<'a, T, StatePark>);

/// What became of a lock that has to be waited for.
type Locked<'a, T> = Result<SharedMutexGuard<'a, T>, OwnerDied<SharedMutexGuard<'a, T>>>;
/// What became of a lock that is not waited for for ever.
type MaybeLocked<'a, T> = Result<SharedMutexGuard<'a, T>, NotLocked<SharedMutexGuard<'a, T>>>;

fn died<'a, T>(
    died: OwnerDied<state::MutexGuard<'a, T, StatePark>>,
) -> OwnerDied<SharedMutexGuard<'a, T>> {
    OwnerDied {
        guard: SharedMutexGuard(died.guard),
        owner: died.owner,
    }
}

fn not_locked<'a, T>(
    error: NotLocked<state::MutexGuard<'a, T, StatePark>>,
) -> NotLocked<SharedMutexGuard<'a, T>> {
    match error {
        NotLocked::OwnerDied(error) => NotLocked::OwnerDied(died(error)),
        NotLocked::Held { holder } => NotLocked::Held { holder },
    }
}

impl<T: Pod + Send + Sync> SharedMutex<T> {
    /// Locks, sleeping while another holds it. Not re-entrant: locking twice in one thread
    /// sleeps for ever.
    ///
    /// # Errors
    /// [`OwnerDied`], which has the guard: the lock is held all the same.
    #[inline]
    pub fn lock(&self) -> Locked<'_, T> {
        let locked = self.laid.get().lock(self.laid.owner(), &StatePark);
        locked.map(SharedMutexGuard).map_err(died)
    }

    /// Locks if nobody holds it.
    ///
    /// # Errors
    /// [`NotLocked`], which has the guard when it is locked after all, but by one who died.
    #[inline]
    pub fn try_lock(&self) -> MaybeLocked<'_, T> {
        let locked = self.laid.get().try_lock(self.laid.owner(), &StatePark);
        locked.map(SharedMutexGuard).map_err(not_locked)
    }

    /// Locks, sleeping while another holds it, for `timeout` at most.
    ///
    /// # Errors
    /// As [`try_lock`](Self::try_lock).
    pub fn lock_timeout(&self, timeout: Duration) -> MaybeLocked<'_, T> {
        let owner = self.laid.owner();
        let locked = self.laid.get().lock_timeout(owner, timeout, &StatePark);
        locked.map(SharedMutexGuard).map_err(not_locked)
    }
}

impl<T: Pod + Send + Sync> fmt::Debug for SharedMutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.laid.get(), f)
    }
}

impl<T> SharedMutexGuard<'_, T> {
    /// The data is in order again: the next holder learns of no death.
    pub fn repair(&mut self) {
        self.0.repair();
    }
}

impl<T> Deref for SharedMutexGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for SharedMutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: fmt::Debug> fmt::Debug for SharedMutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
