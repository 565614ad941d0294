//! A lock that knows its owner, so that it can be given back after the owner's death.
//!
//! ```text
//!  bits   31        30 ..... 9    8 ....... 0
//!        +---------+------------+-------------+
//!        | WAITERS |     0      | owner + 1   |   0: nobody
//!        +---------+------------+-------------+
//! ```
//!
//! The waiting protocol is that of Drepper's third futex mutex ("Futexes are tricky").

use crate::OwnerIndex;
use crate::steps::step;
use crate::sync::{AtomicU32, Ordering};
use crate::wait::Park;

const WAITERS: u32 = 1 << 31;

/// A mutual exclusion between processes, without data of its own.
#[derive(Debug)]
#[repr(transparent)]
pub struct OwnerLock(AtomicU32);

impl Default for OwnerLock {
    fn default() -> Self {
        Self::new()
    }
}

impl OwnerLock {
    /// An open lock.
    pub fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Locks, sleeping while another holds it. Not re-entrant: locking twice sleeps for ever.
    pub fn lock(&self, owner: OwnerIndex, park: &impl Park) {
        let me = u32::from(owner.get()) + 1;
        step();
        // Acquire pairs with the Release in `unlock` and in `give_back`.
        if self
            .0
            .compare_exchange(0, me, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
        {
            return;
        }
        loop {
            step();
            let seen = self.0.load(Ordering::Relaxed);
            if seen == 0 {
                // Taken with WAITERS: there may be sleepers besides us, and a wake too many
                // costs less than one too few. Acquire pairs with the Release in `unlock`.
                if self
                    .0
                    .compare_exchange(0, me | WAITERS, Ordering::Acquire, Ordering::Relaxed)
                    .is_ok()
                {
                    return;
                }
                continue;
            }
            let waited = seen | WAITERS;
            if seen == waited
                || self
                    .0
                    .compare_exchange(seen, waited, Ordering::Relaxed, Ordering::Relaxed)
                    .is_ok()
            {
                step();
                park.park(&self.0, waited, None);
            }
        }
    }

    /// Unlocks. Only the holder calls this.
    pub fn unlock(&self, park: &impl Park) {
        step();
        // Release: what the holder wrote is seen by the next `lock`.
        if self.0.swap(0, Ordering::Release) & WAITERS != 0 {
            step();
            park.unpark_all(&self.0);
        }
    }

    /// After `dead` was reaped: opens the lock if it held it. Returns whether it did.
    ///
    /// Wakes all sleepers in any case, because `dead` may have unlocked without having come
    /// to wake them.
    pub fn give_back(&self, dead: OwnerIndex, park: &impl Park) -> bool {
        let me = u32::from(dead.get()) + 1;
        let mut seen = self.0.load(Ordering::Relaxed);
        let mut held = false;
        while !held && seen & !WAITERS == me {
            // Release: pairs with the Acquire in `lock`, as if the dead had unlocked.
            match self
                .0
                .compare_exchange(seen, 0, Ordering::Release, Ordering::Relaxed)
            {
                Ok(_) => held = true,
                Err(now) => seen = now,
            }
        }
        park.unpark_all(&self.0);
        held
    }
}
