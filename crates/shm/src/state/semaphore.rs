//! So many at a time.
//!
//! ```text
//!   0        4          8          12              4 * (permits + 1)
//!  +--------+----------+----------+--- - - - ---+-----------+
//!  |  Bell  | permit 0 | permit 1 |             | permit n-1|   each: holder + 1, or 0: free
//!  +--------+----------+----------+--- - - - ---+-----------+
//!
//!                acquire (CAS)
//!       [free] -----------------> [held by o]
//!          ^                        |     |
//!          +---- release (CAS) -----+     |
//!          +---- give_back(o): it died ---+
//! ```
//!
//! Not a count, but a word for each permit, which says who holds it. A count and the shares of
//! the owners in it would be two words, and a process that dies between them has taken a permit
//! or not, which nobody can tell. Here taking one and saying so are the same step, so that the
//! count is exact whoever dies when. The price is a search: an acquire looks at permits until
//! one is free, and starts where nobody else with another number does. The idea is that of
//! iceoryx2's `robust_unique_index_set`.
//!
//! A search is not a look at all permits at one instant: one can become free behind it. So
//! whoever finds none believes it only if the bell has not been rung meanwhile, and sleeps on
//! what it heard before the search.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::GiveBack;
use super::bell::Bell;
use super::deadline::Deadline;
use super::place::{InPlace, Place, PlaceError, check_count};
use crate::OwnerIndex;
use crate::steps::step;
use crate::sync::{AtomicU32, Ordering};
use crate::wait::Park;

/// The most permits that a semaphore can have.
pub const MAX_PERMITS: usize = 1 << 16;

fn mark(owner: OwnerIndex) -> u32 {
    u32::from(owner.get()) + 1
}

/// One permit. Zero is free.
#[derive(Debug, Default)]
#[repr(transparent)]
pub(crate) struct Cell(AtomicU32);

/// What stands before the permits.
#[derive(Debug, Default)]
#[repr(transparent)]
pub(crate) struct Core(Bell);

#[cfg(not(loom))]
const _: () = assert!(size_of::<Core>() == 4 && size_of::<Cell>() == 4);

// SAFETY: transparent over one atomic; zero is free, any other word is held by somebody.
unsafe impl InPlace for Cell {}
// SAFETY: transparent over one atomic, of which any value is a count of rings.
unsafe impl InPlace for Core {}

/// No permit is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("all {permits} permits of the semaphore are held; try again, or wait longer")]
pub struct NoPermit {
    /// How many there are.
    pub permits: usize,
}

/// A fixed number of permits. A dead owner's are given back.
///
/// Nobody is served in order: a permit goes to whoever finds it first. Permits are for limits
/// (so many in here at a time); to count what was made and is to be used, take a
/// [`Queue`](super::Queue).
#[derive(Debug, Clone, Copy)]
pub struct Semaphore<'m> {
    core: &'m Core,
    permits: &'m [Cell],
}

impl<'m> Semaphore<'m> {
    /// The bytes that a semaphore of so many permits takes.
    #[must_use]
    pub const fn bytes(permits: usize) -> usize {
        size_of::<Core>().saturating_add(permits.saturating_mul(size_of::<Cell>()))
    }

    /// The semaphore of so many permits that stands, or is to stand, at `place`.
    ///
    /// # Errors
    /// [`PlaceError`]; there can be 1 to [`MAX_PERMITS`].
    #[inline]
    pub fn in_place(place: &mut Place<'m>, permits: usize) -> Result<Self, PlaceError> {
        check_count(permits, MAX_PERMITS)?;
        let core = place.take()?;
        let permits = place.take_slice(permits)?;
        Ok(Self { core, permits })
    }

    /// Over memory of a test's own.
    #[cfg(all(test, loom))]
    pub(crate) fn over(core: &'m Core, permits: &'m [Cell]) -> Self {
        Self { core, permits }
    }

    /// How many permits there are.
    #[must_use]
    pub fn permits(&self) -> usize {
        self.permits.len()
    }

    /// How many were free as they were counted, one after the other.
    #[must_use]
    pub fn free(&self) -> usize {
        let is_free = |cell: &&Cell| cell.0.load(Ordering::Relaxed) == 0;
        self.permits.iter().filter(is_free).count()
    }

    /// The first free permit, from the owner's own place on, round once.
    fn search(&self, owner: OwnerIndex) -> Option<&'m Cell> {
        let start = usize::from(owner.get()) % self.permits.len().max(1);
        let (before, after) = self.permits.split_at(start);
        after.iter().chain(before).find(|cell| {
            // Acquire, also when the exchange fails, pairs with the Release below: who finds a
            // permit held has heard what its holder rang before it took this one, and so does
            // not believe in vain that all are held.
            if cell.0.load(Ordering::Acquire) != 0 {
                return false;
            }
            step();
            // Acquire pairs with the Release in `put_back`; Release, see above.
            cell.0
                .compare_exchange(0, mark(owner), Ordering::AcqRel, Ordering::Acquire)
                .is_ok()
        })
    }

    /// Takes a permit, sleeping while there is none.
    pub fn acquire<'a, P: Park>(&self, owner: OwnerIndex, park: &'a P) -> Permit<'m, 'a, P> {
        let taken = self
            .core
            .0
            .wait(Deadline::never(), park, |_| self.search(owner));
        match taken {
            Some(cell) => self.permit(cell, owner, park),
            None => unreachable!("a deadline that never comes has passed"),
        }
    }

    /// Takes a permit, sleeping while there is none, for `timeout` at most.
    ///
    /// # Errors
    /// [`NoPermit`].
    pub fn acquire_timeout<'a, P: Park>(
        &self,
        owner: OwnerIndex,
        timeout: Duration,
        park: &'a P,
    ) -> Result<Permit<'m, 'a, P>, NoPermit> {
        let deadline = Deadline::after(timeout);
        let taken = self.core.0.wait(deadline, park, |_| self.search(owner));
        taken
            .map(|cell| self.permit(cell, owner, park))
            .ok_or(NoPermit {
                permits: self.permits.len(),
            })
    }

    /// Takes a permit if there is one.
    ///
    /// # Errors
    /// [`NoPermit`].
    pub fn try_acquire<'a, P: Park>(
        &self,
        owner: OwnerIndex,
        park: &'a P,
    ) -> Result<Permit<'m, 'a, P>, NoPermit> {
        loop {
            let heard = self.core.0.listen();
            if let Some(cell) = self.search(owner) {
                return Ok(self.permit(cell, owner, park));
            }
            if self.core.0.listen() == heard {
                return Err(NoPermit {
                    permits: self.permits.len(),
                });
            }
        }
    }

    fn permit<'a, P: Park>(
        &self,
        cell: &'m Cell,
        owner: OwnerIndex,
        park: &'a P,
    ) -> Permit<'m, 'a, P> {
        Permit {
            bell: &self.core.0,
            cell,
            owner,
            park,
        }
    }
}

/// Frees the permit if `owner` holds it.
fn put_back(cell: &Cell, owner: OwnerIndex) -> bool {
    step();
    // Release: what was done with the permit comes before what its next holder does.
    cell.0
        .compare_exchange(mark(owner), 0, Ordering::Release, Ordering::Relaxed)
        .is_ok()
}

impl GiveBack for Semaphore<'_> {
    /// How many permits the dead held.
    type Report = usize;

    fn give_back(&self, dead: OwnerIndex, park: &impl Park) -> usize {
        let held = |cell: &&Cell| cell.0.load(Ordering::Relaxed) == mark(dead);
        let freed = self.permits.iter().filter(held);
        let freed = freed.filter(|cell| put_back(cell, dead)).count();
        self.core.0.ring_for_the_dead(park);
        freed
    }
}

/// A permit, held. Drop releases it.
#[must_use = "dropped at once, it is released at once"]
#[derive(Debug)]
pub struct Permit<'m, 'a, P: Park> {
    bell: &'m Bell,
    cell: &'m Cell,
    owner: OwnerIndex,
    park: &'a P,
}

impl<P: Park> Permit<'_, '_, P> {
    /// Releases the permit, as dropping it does.
    pub fn release(self) {}
}

impl<P: Park> Drop for Permit<'_, '_, P> {
    fn drop(&mut self) {
        // `false` would mean that it was given back already: then it is another's by now.
        if put_back(self.cell, self.owner) {
            self.bell.ring(self.park);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::tests::{Hook, Memory};
    use super::*;

    const A: OwnerIndex = OwnerIndex::SUPERVISOR;
    const Z: OwnerIndex = OwnerIndex::new(255);

    #[test]
    fn permits_are_counted_by_owner() {
        let (memory, park) = (Memory::new(Semaphore::bytes(3)), Hook::never());
        let one = Semaphore::in_place(&mut memory.place(), 3).unwrap();
        let other = Semaphore::in_place(&mut memory.place(), 3).unwrap();
        let held = one.try_acquire(A, &park).unwrap();
        core::mem::forget(other.try_acquire(Z, &park).unwrap());
        core::mem::forget(other.acquire(Z, &park));
        assert_eq!(
            one.try_acquire(A, &park).map(|_| ()),
            Err(NoPermit { permits: 3 })
        );
        let late = one.acquire_timeout(A, Duration::ZERO, &park).map(|_| ());
        assert_eq!(late, Err(NoPermit { permits: 3 }));
        let waited = Hook::once(|| held.release());
        one.acquire(A, &waited).release();
        assert_eq!((one.give_back(Z, &park), one.free()), (2, 3));
        assert_eq!((one.give_back(Z, &park), one.free()), (0, 3), "once");
    }

    #[test]
    fn there_is_at_least_one_permit() {
        let memory = Memory::new(64);
        let none = Semaphore::in_place(&mut memory.place(), 0).map(|_| ());
        assert!(matches!(none, Err(PlaceError::Count { asked: 0, .. })));
        let many = Semaphore::in_place(&mut memory.place(), 16).map(|_| ());
        assert!(matches!(
            many,
            Err(PlaceError::TooSmall {
                needed: 64,
                left: 60
            })
        ));
    }
}
