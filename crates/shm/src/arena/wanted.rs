//! Waiting for memory: one word of the directory that says whether somebody does.
//!
//! ```text
//!   31                              1    0
//!  +---------------------------------+-----+
//!  |  rings, wrapping                | WTS |
//!  +---------------------------------+-----+
//! ```
//!
//! Frees are many and waiters are rare, so a free must not pay for them: it looks at the
//! word, which stays in every cache, and writes it only when WTS is set.
//!
//! ```text
//!   waiter                                       who frees
//!   W1  set WTS (fetch_or)                       F1  free the block (CAS on its header)
//!   W2  touch every header (fetch_add 0)         F2  look at the word: WTS?
//!   W3  try to allocate                          F3  if so: count a ring, clear WTS
//!   W4  sleep while the word is as W1 left it    F4  wake all
//! ```
//!
//! **No free is slept through.** W2 and F1 are read-modify-writes of the same header, so one
//! of them comes first. If F1 does, W2 reads it, and W3 finds the block. If W2 does, F1
//! reads it: F1 Acquires what W2 Released, and F2 sees WTS, or a later value of the word.
//! A later value without WTS is one that another ring has counted, and then W4 does not
//! sleep. A header that the waiter does not know lies in an extent that was announced after
//! W2 touched the directory entry, by a CAS that Acquires as F1 does.
//!
//! What is not a free of one block (an extent retired, the limit raised, a death) rings
//! without looking: its own read-modify-write of the word meets that of W1.
//!
//! **Deaths.** A waiter that dies, or has what it wanted, leaves WTS behind: one ring for
//! nobody. Whoever dies between F1 and F4 has not woken anybody: so
//! [`ring_for_the_dead`](Wanted::ring_for_the_dead) wakes in any case, and
//! [`reclaim`](super::Arena::reclaim) ends with it.
//!
//! An event count (Reed and Kanodia, 1979) whose ringers first look whether there is need, as
//! the state words of lanes and locks do.

use core::time::Duration;

use crate::steps::step;
use crate::sync::{AtomicU32, Ordering};
use crate::wait::Park;

const WAITS: u32 = 1;
const ONE_RING: u32 = 2;

/// See the module. All zero is a word that nobody waits at.
#[derive(Debug, Default)]
#[repr(transparent)]
pub(crate) struct Wanted(AtomicU32);

impl Wanted {
    /// Says that somebody waits (W1). What to [`sleep`](Self::sleep) with after the look.
    pub(crate) fn want(&self) -> u32 {
        step();
        // Acquire: pairs with the Release in `change`, so that what was given back before a
        // ring that is counted here is seen by the look that follows. Release is for the
        // other side of the same pair: a ring that comes later sees what came before this.
        self.0.fetch_or(WAITS, Ordering::AcqRel) | WAITS
    }

    /// Whether there was a ring since [`want`](Self::want) returned `seen`.
    #[cfg(not(loom))]
    pub(crate) fn has_rung(&self, seen: u32) -> bool {
        // Relaxed: the caller begins anew with `want`.
        self.0.load(Ordering::Relaxed) != seen
    }

    /// Whether somebody waits, or did at the last ring.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn is_wanted(&self) -> bool {
        self.0.load(Ordering::Relaxed) & WAITS != 0
    }

    /// Sleeps until a ring that came after `want` returned `seen` (W4).
    pub(crate) fn sleep(&self, seen: u32, timeout: Option<Duration>, park: &(impl Park + ?Sized)) {
        step();
        park.park(&self.0, seen, timeout);
    }

    /// After a block was freed: rings if somebody waits (F2).
    #[inline]
    pub(crate) fn ring_if_wanted(&self, park: &(impl Park + ?Sized)) {
        // Relaxed: the CAS that freed the block has ordered it, as the module says.
        if self.0.load(Ordering::Relaxed) & WAITS != 0 {
            self.ring(park);
        }
    }

    /// Counts a ring and takes WTS away (F3). The word before.
    fn change(&self) -> u32 {
        let mut seen = self.0.load(Ordering::Relaxed);
        loop {
            let next = (seen & !WAITS).wrapping_add(ONE_RING);
            step();
            // Release: what the ringer gave back is seen by the Acquire in `want`. Acquire:
            // pairs with the Release in `want`. On failure nothing is read.
            match self
                .0
                .compare_exchange(seen, next, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(old) => return old,
                Err(now) => seen = now,
            }
        }
    }

    /// Rings, and wakes who waits.
    #[cold]
    pub(crate) fn ring(&self, park: &(impl Park + ?Sized)) {
        if self.change() & WAITS != 0 {
            step();
            park.unpark_all(&self.0);
        }
    }

    /// Rings in the stead of a dead process, which may have been about to: wakes in any case.
    pub(crate) fn ring_for_the_dead(&self, park: &(impl Park + ?Sized)) {
        let _ = self.change();
        step();
        park.unpark_all(&self.0);
    }
}
