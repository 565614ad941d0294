//! What a death leaves in a queue, and how consumers find the items that come back.
//!
//! ```text
//!   31                         1   0
//!  +----------------------------+-----+
//!  |  changes, wrapping         | ANY |   `returned`
//!  +----------------------------+-----+
//! ```
//!
//! ANY says that a slot may be RETURNED, and consumers look through all of them first. It is
//! set after the slots are, with a new count, and taken away by a consumer that found none,
//! unless the count has changed since before its search. Left over after the last item was
//! taken, or by a consumer that died, it costs one search.

use bytemuck::Pod;

use super::super::GiveBack;
use super::word::{Kind, Lap, State};
use super::{Queue, Slot};
use crate::OwnerIndex;
use crate::steps::step;
use crate::sync::Ordering;
use crate::wait::Park;

const ANY: u32 = 1;
const ONE_CHANGE: u32 = 2;

/// What a death left in a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recovered {
    /// Items half pushed: they never were.
    pub voided: usize,
    /// Items half popped: they are offered again.
    pub returned: usize,
}

impl<'m, T: Pod + Send> Queue<'m, T> {
    /// Pop, step 1, of an item whose consumer died.
    pub(super) fn claim_returned(&self, owner: OwnerIndex) -> Option<(&'m Slot<T>, Lap)> {
        let returned = &self.head.signals.0.returned;
        // Acquire pairs with the Release in `give_back`: the slots are seen RETURNED.
        let seen = returned.load(Ordering::Acquire);
        if seen & ANY == 0 {
            return None;
        }
        for slot in self.slots {
            let state = slot.look();
            let lap = state.lap();
            let reading = State::of_owner(Kind::Reading, lap, owner);
            if state == State::new(Kind::Returned, lap) && slot.cas(state, reading) {
                return Some((slot, lap));
            }
        }
        step();
        // Relaxed: says only that there is nothing to see.
        let _ = returned.compare_exchange(seen, seen & !ANY, Ordering::Relaxed, Ordering::Relaxed);
        None
    }

    /// Sets ANY, with a new count.
    fn announce_returned(&self) {
        let returned = &self.head.signals.0.returned;
        let mut seen = returned.load(Ordering::Relaxed);
        loop {
            step();
            let next = seen.wrapping_add(ONE_CHANGE) | ANY;
            // Release: who sees it, sees the slots RETURNED.
            match returned.compare_exchange(seen, next, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
    }
}

impl<T: Pod + Send> GiveBack for Queue<'_, T> {
    type Report = Recovered;

    fn give_back(&self, dead: OwnerIndex, park: &impl Park) -> Recovered {
        let mut recovered = Recovered::default();
        for slot in self.slots {
            let state = slot.look();
            if state.is_of(Kind::Writing, dead) {
                let void = State::new(Kind::Void, state.lap());
                recovered.voided += usize::from(slot.cas(state, void));
            } else if state.is_of(Kind::Reading, dead) {
                let back = State::new(Kind::Returned, state.lap());
                recovered.returned += usize::from(slot.cas(state, back));
            }
        }
        // In any case: an earlier give_back may have been cut short before it said so.
        self.announce_returned();
        let signals = &self.head.signals.0;
        if signals.space.listen().closed() {
            // It may have died in the middle of `close`.
            signals.items.close(park);
        }
        // It may have died before any ring.
        signals.space.ring_for_the_dead(park);
        signals.items.ring_for_the_dead(park);
        recovered
    }
}
