//! The header of a block whose user has died.

use super::header::{BlockHeader, Left};
use super::state::Kind;
use crate::OwnerIndex;

/// What a look at a block for a dead owner came to.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reclaim {
    /// The dead owner had nothing to do with it.
    Untouched,
    /// Its hold was taken away; others hold the block.
    Released,
    /// The block is free now.
    Freed,
}

impl BlockHeader {
    /// Takes back whatever `owner`, which is dead, had of this block. Also frees a block
    /// that somebody dead left without a holder.
    pub(crate) fn reclaim(&self, owner: OwnerIndex) -> Reclaim {
        // Relaxed: the dead owner's last writes came to us with the news of its death.
        let seen = self.look();
        if seen.is_of(Kind::Owned, owner) || seen.is_of(Kind::Offered, owner) {
            // On failure somebody took the offer: theirs now.
            return match self.free_from(seen) {
                Left::Freed => Reclaim::Freed,
                Left::Held | Left::NotOurs => Reclaim::Untouched,
            };
        }
        let held = self.has_bit(owner);
        if !seen.is_held() {
            // Perhaps a bit that the dead owner set too late. It must not come to count
            // when the block is next shared; `publish` overwrites it or `withdraw` does.
            if held {
                let _ = self.withdraw(owner);
            }
            return Reclaim::Untouched;
        }
        match self.withdraw(owner) {
            Left::Freed => Reclaim::Freed,
            Left::Held if held => Reclaim::Released,
            Left::Held | Left::NotOurs => Reclaim::Untouched,
        }
    }
}
