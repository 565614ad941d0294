//! A mutual exclusion that survives its holder, without data of its own.
//!
//! ```text
//!   31        30 ........ 18   17 ......... 9   8 ........... 0
//!  +---------+--------------+-----------------+----------------+
//!  | WAITERS |      0       | broken by + 1   |  holder + 1    |   each 0: nobody
//!  +---------+--------------+-----------------+----------------+
//!
//!              lock                             lock
//!   [open] ------------> [held by h]    [open, broken by d] ------> [held by h, broken by d]
//!     ^  ^                 |    |          ^       ^  ^                    |    |    |
//!     |  +---- unlock -----+    |          |       |  +------ unlock ------+    |    |
//!     |                         |          |       |                           |    |
//!     |     give_back(h): died  +----------+       +-- give_back(h): by h now -+    |
//!     +--- unlock <-- [held by h] <----------------------------- repair ------------+
//! ```
//!
//! *Broken* is what POSIX's robust mutexes call inconsistent (`EOWNERDEAD`), with two
//! differences: it lasts until a holder [repairs](RawMutex::repair), instead of making the
//! mutex unusable for ever when a holder does not; and it says who left the data so. A panic
//! with the lock held breaks as a death does.
//!
//! # Waiting
//! That of Drepper's third mutex ("Futexes are tricky", 2005): who has to wait sets WAITERS
//! first, and who has waited locks with WAITERS set, because there may be others. An unlock
//! that finds the bit wakes one. Three things are added, for waiters that go away:
//!
//! 1. Whoever gives up sets WAITERS before it does, on every way round the loop: it may be
//!    the one that was woken, and then the next unlock must wake another.
//! 2. A woken waiter may die before it does anything, and an unlocker before it wakes
//!    anybody: so [`RawMutex::give_back`] wakes all, whoever holds the lock. They look, and
//!    set WAITERS again if they have to wait on.
//! 3. Nothing but the word decides. The kernel's queue is only where one sleeps.

use core::time::Duration;

use super::GiveBack;
use super::deadline::Deadline;
use super::place::InPlace;
use crate::OwnerIndex;
use crate::steps::step;
use crate::sync::{AtomicU32, Ordering};
use crate::wait::Park;

const HOLDER: u32 = 0x1ff;
const BROKEN_SHIFT: u32 = 9;
const BROKEN: u32 = HOLDER << BROKEN_SHIFT;
const WAITERS: u32 = 1 << 31;

/// Looks at a held lock before sleeping: holders are short.
#[cfg(not(loom))]
const SPINS: u32 = 100;

fn mark(owner: OwnerIndex) -> u32 {
    u32::from(owner.get()) + 1
}

/// Whom a mark names. What no process writes names the supervisor, which harms nothing.
fn named(mark: u32) -> Option<OwnerIndex> {
    let number = mark.checked_sub(1)?;
    Some(u8::try_from(number).map_or(OwnerIndex::SUPERVISOR, OwnerIndex::new))
}

/// How the lock was when it was taken.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// As its last holder left it on purpose.
    Sound,
    /// This owner died, or panicked, while it held the lock, and nobody has repaired since.
    Broken(OwnerIndex),
}

impl Taken {
    fn of(word: u32) -> Self {
        named((word & BROKEN) >> BROKEN_SHIFT).map_or(Self::Sound, Self::Broken)
    }
}

/// See the module. All zero is open and sound.
#[derive(Debug, Default)]
#[repr(transparent)]
pub struct RawMutex(AtomicU32);

#[cfg(not(loom))]
const _: () = assert!(size_of::<RawMutex>() == 4 && align_of::<RawMutex>() == 4);

// SAFETY: transparent over one atomic; zero is open, and every word means something to every
// method, none of which uses it to reach memory.
unsafe impl InPlace for RawMutex {}

impl RawMutex {
    /// An open lock.
    pub fn new() -> Self {
        Self::default()
    }

    /// Locks, sleeping while another holds it. Not re-entrant: locking twice sleeps for ever.
    #[inline]
    pub fn lock(&self, owner: OwnerIndex, park: &impl Park) -> Taken {
        match self.lock_before(owner, Deadline::never(), park) {
            Some(taken) => taken,
            None => unreachable!("a deadline that never comes has passed"),
        }
    }

    /// Locks if it is open.
    #[inline]
    #[must_use = "without it the lock is held for good"]
    pub fn try_lock(&self, owner: OwnerIndex) -> Option<Taken> {
        let mut seen = self.0.load(Ordering::Relaxed);
        while seen & HOLDER == 0 {
            step();
            let held = seen | mark(owner);
            // Acquire pairs with the Release in `unlock`, `abandon` and `take_from`; on
            // failure only this word is read.
            match self
                .0
                .compare_exchange(seen, held, Ordering::Acquire, Ordering::Relaxed)
            {
                Ok(_) => return Some(Taken::of(seen)),
                Err(now) => seen = now,
            }
        }
        None
    }

    /// Locks, sleeping while another holds it, but for `timeout` at most. `None` once the
    /// time is up. Whoever is woken by an unlock locks even if the time is up meanwhile.
    #[must_use = "without it the lock is held for good"]
    pub fn lock_timeout(
        &self,
        owner: OwnerIndex,
        timeout: Duration,
        park: &impl Park,
    ) -> Option<Taken> {
        self.lock_before(owner, Deadline::after(timeout), park)
    }

    #[inline]
    fn lock_before(
        &self,
        owner: OwnerIndex,
        deadline: Deadline,
        park: &impl Park,
    ) -> Option<Taken> {
        self.try_lock(owner)
            .or_else(|| self.lock_contended(owner, deadline, park))
    }

    #[cold]
    fn lock_contended(
        &self,
        owner: OwnerIndex,
        mut deadline: Deadline,
        park: &impl Park,
    ) -> Option<Taken> {
        self.spin();
        loop {
            let seen = self.0.load(Ordering::Relaxed);
            if seen & HOLDER == 0 {
                let held = seen | mark(owner) | WAITERS;
                step();
                // With WAITERS: there may be sleepers besides us, and a wake too many costs
                // less than one too few. Acquire pairs with the Release in `unlock`,
                // `abandon` and `take_from`.
                if self
                    .0
                    .compare_exchange(seen, held, Ordering::Acquire, Ordering::Relaxed)
                    .is_ok()
                {
                    return Some(Taken::of(seen));
                }
                continue;
            }
            let waited = seen | WAITERS;
            if seen != waited {
                step();
                // Relaxed: the lock is not had by this.
                if self
                    .0
                    .compare_exchange(seen, waited, Ordering::Relaxed, Ordering::Relaxed)
                    .is_err()
                {
                    continue;
                }
            }
            // Only here, with WAITERS set: see "Waiting", 1.
            let left = deadline.left().ok()?;
            step();
            park.park(&self.0, waited, left);
        }
    }

    /// Looks for a while whether the lock opens, unless others sleep already.
    #[cfg(not(loom))]
    fn spin(&self) {
        for _ in 0..SPINS {
            let seen = self.0.load(Ordering::Relaxed);
            if seen & HOLDER == 0 || seen & WAITERS != 0 {
                return;
            }
            crate::sync::spin_hint();
        }
    }

    #[cfg(loom)]
    #[expect(clippy::unused_self, reason = "the real one looks at the word")]
    fn spin(&self) {}

    fn wake_after(&self, before: u32, park: &impl Park) {
        if before & WAITERS != 0 {
            step();
            park.unpark(&self.0);
        }
    }

    /// Unlocks, leaving it as broken or sound as it is. Only the holder calls this.
    #[inline]
    pub fn unlock(&self, park: &impl Park) {
        step();
        // Release: what the holder wrote is seen by the next that locks.
        let before = self.0.fetch_and(BROKEN, Ordering::Release);
        self.wake_after(before, park);
    }

    /// Unlocks, leaving it broken by `owner`, which holds it and cannot finish.
    pub fn abandon(&self, owner: OwnerIndex, park: &impl Park) {
        let mut seen = self.0.load(Ordering::Relaxed);
        loop {
            step();
            let open = mark(owner) << BROKEN_SHIFT;
            // Release: as in `unlock`.
            match self
                .0
                .compare_exchange(seen, open, Ordering::Release, Ordering::Relaxed)
            {
                Ok(before) => return self.wake_after(before, park),
                Err(now) => seen = now,
            }
        }
    }

    /// Makes it sound again. Only the holder calls this, when it has put the data in order.
    pub fn repair(&self) {
        step();
        // Relaxed: the next that locks sees it, and the data, by the Release in `unlock`.
        self.0.fetch_and(!BROKEN, Ordering::Relaxed);
    }

    /// Who holds it; by the time the caller looks, perhaps not any more.
    pub fn holder(&self) -> Option<OwnerIndex> {
        named(self.0.load(Ordering::Relaxed) & HOLDER)
    }

    /// Opens the lock if `dead` held it, `as_broken` or as it was; wakes all in any case.
    /// Whether `dead` held it.
    pub(crate) fn take_from(&self, dead: OwnerIndex, as_broken: bool, park: &impl Park) -> bool {
        let mut seen = self.0.load(Ordering::Relaxed);
        let mut held = false;
        while !held && seen & HOLDER == mark(dead) {
            let open = if as_broken {
                mark(dead) << BROKEN_SHIFT
            } else {
                seen & BROKEN
            };
            step();
            // Release: as if the dead had unlocked.
            match self
                .0
                .compare_exchange(seen, open, Ordering::Release, Ordering::Relaxed)
            {
                Ok(_) => held = true,
                Err(now) => seen = now,
            }
        }
        step();
        park.unpark_all(&self.0);
        held
    }
}

impl GiveBack for RawMutex {
    /// Whether the dead held it.
    type Report = bool;

    fn give_back(&self, dead: OwnerIndex, park: &impl Park) -> bool {
        self.take_from(dead, true, park)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::tests::Hook;
    use super::*;

    const A: OwnerIndex = OwnerIndex::SUPERVISOR;
    const Z: OwnerIndex = OwnerIndex::new(255);

    #[test]
    fn the_fields_of_the_word_do_not_overlap() {
        let raw = RawMutex::new();
        assert_eq!(raw.lock(Z, &Hook::never()), Taken::Sound);
        assert_eq!((raw.holder(), raw.try_lock(A)), (Some(Z), None));
        assert!(!raw.give_back(A, &Hook::never()));
        assert!(raw.give_back(Z, &Hook::never()));
        assert_eq!(raw.holder(), None);
        assert_eq!(raw.try_lock(A), Some(Taken::Broken(Z)));
        raw.unlock(&Hook::never());
        assert_eq!(raw.try_lock(A), Some(Taken::Broken(Z)), "until repaired");
        raw.repair();
        raw.unlock(&Hook::never());
        assert_eq!(raw.try_lock(Z), Some(Taken::Sound));
        raw.abandon(Z, &Hook::never());
        assert_eq!(raw.try_lock(A), Some(Taken::Broken(Z)));
        assert!(raw.give_back(A, &Hook::never()));
        assert_eq!(
            raw.try_lock(Z),
            Some(Taken::Broken(A)),
            "the last to leave it"
        );
    }

    #[test]
    fn who_gives_up_leaves_a_bit_for_who_may_sleep_on() {
        let raw = RawMutex::new();
        let _ = raw.lock(A, &Hook::never());
        assert_eq!(raw.lock_timeout(Z, Duration::ZERO, &Hook::never()), None);
        assert_eq!(raw.0.load(Ordering::Relaxed), mark(A) | WAITERS);
        raw.unlock(&Hook::never());
        assert_eq!(raw.0.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_word_that_a_peer_spoilt_names_somebody() {
        let raw = RawMutex(AtomicU32::new(u32::MAX));
        assert_eq!(raw.holder(), Some(OwnerIndex::SUPERVISOR));
        assert_eq!(raw.try_lock(A), None);
    }
}
