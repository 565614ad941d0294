//! Plain data that one process at a time may touch.

use core::fmt;
use core::ops::{Deref, DerefMut};
use core::time::Duration;

use bytemuck::Pod;

use super::GiveBack;
use super::place::InPlace;
use super::raw_mutex::{RawMutex, Taken};
use crate::OwnerIndex;
use crate::sync::UnsafeCell;
use crate::wait::Park;

/// Data behind a [`RawMutex`].
///
/// ```text
///   0            4                 align_of::<T>() or 4, if more
///   +------------+- - - - - - - - -+-----------------+
///   |  RawMutex  |     (zero)      |  data: T        |
///   +------------+- - - - - - - - -+-----------------+
/// ```
///
/// ```
/// use forkyard_shm::OwnerIndex;
/// use forkyard_shm::state::{OwnerDied, SharedMutex};
/// # use forkyard_shm::{Park, sync::AtomicU32};
/// # struct Never;
/// # impl Park for Never {
/// #     fn park(&self, _: &AtomicU32, _: u32, _: Option<std::time::Duration>) {}
/// #     fn unpark(&self, _: &AtomicU32) {}
/// #     fn unpark_all(&self, _: &AtomicU32) {}
/// # }
/// # let park = Never;
/// let ends = SharedMutex::new([1_u64, 9]);
/// let owner = OwnerIndex::new(1);
/// let mut ends = ends.lock(owner, &park).unwrap_or_else(|OwnerDied { guard, .. }| {
///     // Whoever died may have moved one end and not the other.
///     let [low, high] = *guard;
///     let mut guard = guard;
///     *guard = [low.min(high), low.max(high)];
///     guard.repair();
///     guard
/// });
/// ends[0] += 1;
/// ```
#[repr(C)]
pub struct SharedMutex<T> {
    raw: RawMutex,
    data: UnsafeCell<T>,
}

#[cfg(not(loom))]
const _: () = {
    use core::mem::offset_of;
    assert!(offset_of!(SharedMutex<u32>, data) == 4 && size_of::<SharedMutex<u32>>() == 8);
    assert!(offset_of!(SharedMutex<u64>, data) == 8 && size_of::<SharedMutex<u64>>() == 16);
    assert!(offset_of!(SharedMutex<[u8; 3]>, data) == 4);
};

// SAFETY: the data is reached through a guard only, of which there is one at a time.
unsafe impl<T: Send + Sync> Sync for SharedMutex<T> {}
// SAFETY: repr(C); zero is an open lock on zero bytes; any bytes are a lock and, as T is plain
// data, a T. What changes is an atomic or in the cell.
unsafe impl<T: Pod + Send + Sync> InPlace for SharedMutex<T> {}

/// The mutex was locked, and `owner` died, or panicked, while it held it: the data may be half
/// changed. Look at it, put it in order, and [`repair`](MutexGuard::repair); until somebody
/// does, every holder is told.
#[derive(thiserror::Error)]
#[error(
    "{owner} died or panicked while it held the mutex; check the data in the guard and repair() it"
)]
pub struct OwnerDied<G> {
    /// The lock, which the caller has, and the data.
    pub guard: G,
    /// Who left the data so.
    pub owner: OwnerIndex,
}

impl<G> fmt::Debug for OwnerDied<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnerDied")
            .field("owner", &self.owner)
            .finish_non_exhaustive()
    }
}

/// What became of a lock that would not wait for ever.
#[derive(Debug, thiserror::Error)]
pub enum NotLocked<G> {
    /// It is locked after all, but.
    #[error(transparent)]
    OwnerDied(OwnerDied<G>),
    /// Another holds it.
    #[error(
        "{} holds the mutex; try again, or wait longer",
        holder.map_or_else(|| "somebody".to_owned(), |owner| owner.to_string())
    )]
    Held {
        /// Who held it a moment later, if anybody did.
        holder: Option<OwnerIndex>,
    },
}

impl<T: Pod> SharedMutex<T> {
    /// An open mutex outside of shared memory, for the threads of one process.
    pub fn new(data: T) -> Self {
        Self {
            raw: RawMutex::new(),
            data: UnsafeCell::new(data),
        }
    }

    /// Locks, sleeping while another holds it. Not re-entrant: locking twice sleeps for ever.
    ///
    /// # Errors
    /// [`OwnerDied`], which has the guard.
    pub fn lock<'a, P: Park>(
        &'a self,
        owner: OwnerIndex,
        park: &'a P,
    ) -> Result<MutexGuard<'a, T, P>, OwnerDied<MutexGuard<'a, T, P>>> {
        let taken = self.raw.lock(owner, park);
        self.guard(taken, owner, park)
    }

    /// Locks if nobody holds it.
    ///
    /// # Errors
    /// [`NotLocked`].
    pub fn try_lock<'a, P: Park>(
        &'a self,
        owner: OwnerIndex,
        park: &'a P,
    ) -> Result<MutexGuard<'a, T, P>, NotLocked<MutexGuard<'a, T, P>>> {
        self.guard_if(self.raw.try_lock(owner), owner, park)
    }

    /// Locks, sleeping while another holds it, for `timeout` at most.
    ///
    /// # Errors
    /// [`NotLocked`].
    pub fn lock_timeout<'a, P: Park>(
        &'a self,
        owner: OwnerIndex,
        timeout: Duration,
        park: &'a P,
    ) -> Result<MutexGuard<'a, T, P>, NotLocked<MutexGuard<'a, T, P>>> {
        self.guard_if(self.raw.lock_timeout(owner, timeout, park), owner, park)
    }

    fn guard_if<'a, P: Park>(
        &'a self,
        taken: Option<Taken>,
        owner: OwnerIndex,
        park: &'a P,
    ) -> Result<MutexGuard<'a, T, P>, NotLocked<MutexGuard<'a, T, P>>> {
        let Some(taken) = taken else {
            let holder = self.raw.holder();
            return Err(NotLocked::Held { holder });
        };
        self.guard(taken, owner, park).map_err(NotLocked::OwnerDied)
    }

    fn guard<'a, P: Park>(
        &'a self,
        taken: Taken,
        owner: OwnerIndex,
        park: &'a P,
    ) -> Result<MutexGuard<'a, T, P>, OwnerDied<MutexGuard<'a, T, P>>> {
        let guard = MutexGuard {
            mutex: self,
            owner,
            park,
            panicked_before: std::thread::panicking(),
        };
        match taken {
            Taken::Sound => Ok(guard),
            Taken::Broken(owner) => Err(OwnerDied { guard, owner }),
        }
    }
}

impl<T> GiveBack for SharedMutex<T> {
    /// Whether the dead held it.
    type Report = bool;

    fn give_back(&self, dead: OwnerIndex, park: &impl Park) -> bool {
        self.raw.give_back(dead, park)
    }
}

impl<T> fmt::Debug for SharedMutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedMutex")
            .field("holder", &self.raw.holder())
            .finish_non_exhaustive()
    }
}

/// The lock, held, and the data. Drop unlocks; a drop by a panic leaves the data broken.
#[must_use = "dropped at once, it unlocks at once"]
pub struct MutexGuard<'a, T, P: Park> {
    mutex: &'a SharedMutex<T>,
    owner: OwnerIndex,
    park: &'a P,
    /// A guard that is made and dropped while a panic unwinds is not broken by that panic.
    panicked_before: bool,
}

impl<T, P: Park> MutexGuard<'_, T, P> {
    /// The data is in order again: the next holder learns of no death.
    pub fn repair(&mut self) {
        self.mutex.raw.repair();
    }
}

impl<T, P: Park> Deref for MutexGuard<'_, T, P> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the lock is held as long as the guard lives, and the guard is borrowed.
        self.mutex.data.with(|data| unsafe { &*data })
    }
}

impl<T, P: Park> DerefMut for MutexGuard<'_, T, P> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the lock is held as long as the guard lives, and the guard is borrowed mutably.
        self.mutex.data.with_mut(|data| unsafe { &mut *data })
    }
}

impl<T, P: Park> fmt::Debug for MutexGuard<'_, T, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MutexGuard")
            .field("owner", &self.owner)
            .finish_non_exhaustive()
    }
}

impl<T, P: Park> Drop for MutexGuard<'_, T, P> {
    fn drop(&mut self) {
        if !self.panicked_before && std::thread::panicking() {
            self.mutex.raw.abandon(self.owner, self.park);
        } else {
            self.mutex.raw.unlock(self.park);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::super::tests::Hook;
    use super::*;

    const A: OwnerIndex = OwnerIndex::SUPERVISOR;
    const B: OwnerIndex = OwnerIndex::new(7);

    #[test]
    fn every_holder_learns_of_a_death_until_one_repairs() {
        let (mutex, park) = (SharedMutex::new(1_u64), Hook::never());
        core::mem::forget(mutex.lock(B, &park).unwrap());
        let held = mutex.try_lock(A, &park).unwrap_err();
        assert!(matches!(held, NotLocked::Held { holder: Some(B) }));
        assert!(held.to_string().starts_with("worker 6 holds the mutex"));
        assert!(mutex.give_back(B, &park));
        for _ in 0..2 {
            let died = mutex.lock(A, &park).unwrap_err();
            assert_eq!((died.owner, *died.guard), (B, 1));
        }
        let NotLocked::OwnerDied(mut died) = mutex.try_lock(A, &park).unwrap_err() else {
            panic!("held");
        };
        *died.guard = 2;
        died.guard.repair();
        drop(died);
        assert_eq!(*mutex.lock(B, &park).unwrap(), 2);
    }

    #[test]
    fn a_panic_breaks_as_a_death_does() {
        let (mutex, park) = (SharedMutex::new(0_u32), Hook::never());
        let half = catch_unwind(AssertUnwindSafe(|| {
            let mut guard = mutex.lock(B, &park).unwrap();
            *guard = 1;
            std::panic::resume_unwind(Box::new(()));
        }));
        assert!(half.is_err());
        assert_eq!(mutex.lock(A, &park).unwrap_err().owner, B);
    }
}
