//! Where the primitives of this module sleep: a count of rings, and who listens.
//!
//! ```text
//!   31                        2    1        0
//!  +---------------------------+--------+----------+
//!  |  rings, wrapping          | CLOSED | SLEEPERS |
//!  +---------------------------+--------+----------+
//! ```
//!
//! To wait for a condition: [`listen`](Bell::listen), look whether it holds, then
//! [`sleep`](Bell::sleep) with what was heard. Whoever makes it hold [`ring`](Bell::ring)s
//! afterwards, which changes the count, so that the sleep does not happen or ends.
//!
//! A ring takes SLEEPERS away and wakes all of them, in that order. So a sleeper never clears
//! the bit itself, which it could not: it does not know who else sleeps. One that leaves for
//! its timeout leaves a bit behind, and the next ring wakes nobody, once.
//!
//! A ringer that dies between the change and the wake leaves sleepers with no bit. That is
//! what [`ring_for_the_dead`](Bell::ring_for_the_dead) is for: it wakes whether there is a
//! bit or not, and every primitive calls it for each death that is reported.
//!
//! The count makes this an *event count* (Reed and Kanodia, "Synchronization with eventcounts
//! and sequencers", 1979). It wraps after 2^30 rings: a process that is stopped between
//! listening and sleeping for exactly so many sleeps until the next one.

use core::time::Duration;

use super::deadline::Deadline;
use crate::steps::step;
use crate::sync::{AtomicU32, Ordering};
use crate::wait::Park;

const SLEEPERS: u32 = 1;
const CLOSED: u32 = 2;
const ONE_RING: u32 = 4;

/// See the module. All zero is a bell that nobody has rung.
#[derive(Debug, Default)]
#[repr(transparent)]
pub(crate) struct Bell(AtomicU32);

/// What [`Bell::listen`] heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Heard(u32);

impl Heard {
    /// Whether the bell was closed before.
    pub(crate) fn closed(self) -> bool {
        self.0 & CLOSED != 0
    }
}

impl Bell {
    /// The count so far: look after this, and sleep with it.
    #[inline]
    pub(crate) fn listen(&self) -> Heard {
        // Acquire pairs with the Release in `change`: what was done before a ring that is
        // counted here is seen by the look that follows.
        Heard(self.0.load(Ordering::Acquire) & !SLEEPERS)
    }

    /// Counts a ring, sets `bits`, takes SLEEPERS away. The word before.
    #[inline]
    fn change(&self, bits: u32) -> u32 {
        let mut seen = self.0.load(Ordering::Relaxed);
        loop {
            let next = (seen & !SLEEPERS).wrapping_add(ONE_RING) | bits;
            step();
            // Release: what the ringer did is seen by the Acquire in `listen`. Acquire pairs
            // with the same Release of an earlier ring: who sees a bell closed, sees what was
            // done before the rings before the closing. On failure nothing is read.
            match self
                .0
                .compare_exchange(seen, next, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(old) => return old,
                Err(now) => seen = now,
            }
        }
    }

    /// Rings, and wakes who sleeps. Whether the bell was closed before.
    #[inline]
    pub(crate) fn ring(&self, park: &impl Park) -> bool {
        let old = self.change(0);
        if old & SLEEPERS != 0 {
            step();
            park.unpark_all(&self.0);
        }
        old & CLOSED != 0
    }

    /// Closes the bell for good, and wakes who sleeps.
    pub(crate) fn close(&self, park: &impl Park) {
        let _ = self.change(CLOSED);
        step();
        park.unpark_all(&self.0);
    }

    /// Rings in the stead of a dead process, which may have been about to: wakes in any case.
    pub(crate) fn ring_for_the_dead(&self, park: &impl Park) {
        let _ = self.change(0);
        step();
        park.unpark_all(&self.0);
    }

    /// Sleeps until a ring that came after `heard`, at most for `timeout`. Returns at once if
    /// there was one already, and sometimes for no reason.
    pub(crate) fn sleep(&self, heard: Heard, timeout: Option<Duration>, park: &impl Park) {
        let asleep = heard.0 | SLEEPERS;
        step();
        // Relaxed: nothing is read here; the caller listens again.
        let entered =
            self.0
                .compare_exchange(heard.0, asleep, Ordering::Relaxed, Ordering::Relaxed);
        if entered.is_ok() || entered == Err(asleep) {
            step();
            park.park(&self.0, asleep, timeout);
        }
    }

    /// Looks until `look` has an answer, sleeping in between. `None` once the time is up.
    pub(crate) fn wait<R>(
        &self,
        mut deadline: Deadline,
        park: &impl Park,
        mut look: impl FnMut(Heard) -> Option<R>,
    ) -> Option<R> {
        loop {
            let heard = self.listen();
            if let Some(answer) = look(heard) {
                return Some(answer);
            }
            self.sleep(heard, deadline.left().ok()?, park);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::tests::Hook;
    use super::*;

    #[test]
    fn a_ring_after_listening_prevents_the_sleep() {
        let bell = Bell::default();
        let heard = bell.listen();
        assert!(!bell.ring(&Hook::never()));
        bell.sleep(heard, None, &Hook::never());
    }

    #[test]
    fn the_sleepers_bit_outlives_a_timeout_and_is_taken_by_a_ring() {
        let bell = Bell::default();
        let up = bell.wait(
            Deadline::after(Duration::ZERO),
            &Hook::never(),
            |_| None::<()>,
        );
        assert_eq!(up, None);
        bell.sleep(bell.listen(), None, &Hook::once(|| {}));
        assert_eq!(bell.0.load(Ordering::Relaxed), SLEEPERS);
        assert!(!bell.ring(&Hook::never()));
        assert_eq!(bell.0.load(Ordering::Relaxed), ONE_RING);
    }

    #[test]
    fn closed_stays_closed_while_the_count_wraps() {
        let bell = Bell(AtomicU32::new(u32::MAX - 3));
        bell.close(&Hook::never());
        assert!(bell.listen().closed());
        assert!(bell.ring(&Hook::never()));
        assert_eq!(bell.0.load(Ordering::Relaxed), ONE_RING | CLOSED);
    }
}
