//! A lock that knows its owner, so that it can be given back after the owner's death.
//!
//! It is a [`RawMutex`](crate::state::RawMutex), whose module draws the word and argues the
//! waiting, without the memory of deaths: what it guards, the claim of the result slot, says
//! itself how far a dead holder got.

use crate::OwnerIndex;
use crate::state::RawMutex;
use crate::wait::Park;

/// A mutual exclusion between processes, without data of its own.
#[derive(Debug, Default)]
#[repr(transparent)]
pub struct OwnerLock(RawMutex);

impl OwnerLock {
    /// An open lock.
    pub fn new() -> Self {
        Self::default()
    }

    /// Locks, sleeping while another holds it. Not re-entrant: locking twice sleeps for ever.
    pub fn lock(&self, owner: OwnerIndex, park: &impl Park) {
        // Never broken: `give_back` leaves no mark.
        let _ = self.0.lock(owner, park);
    }

    /// Unlocks. Only the holder calls this.
    pub fn unlock(&self, park: &impl Park) {
        self.0.unlock(park);
    }

    /// After `dead` was reaped: opens the lock if it held it. Returns whether it did.
    ///
    /// Wakes all sleepers in any case, because `dead` may have unlocked without having come
    /// to wake them, or have been woken without having come to lock.
    pub fn give_back(&self, dead: OwnerIndex, park: &impl Park) -> bool {
        self.0.take_from(dead, false, park)
    }
}
