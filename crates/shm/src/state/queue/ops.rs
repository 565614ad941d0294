//! The steps of push and pop. The numbers are those of the module above.

use bytemuck::Pod;

use super::super::bell::Heard;
use super::word::{Kind, Lap, Position, State};
use super::{PopError, PushError, Queue, QueueFault, Slot};
use crate::OwnerIndex;
use crate::steps::step;
use crate::sync::{AtomicU64, Ordering};
use crate::wait::Park;

/// A slot, and the position at which it was found.
struct Found<'m, T> {
    slot: &'m Slot<T>,
    at: Position,
    state: State,
}

/// Why a claim has to be tried anew or not at all.
enum Missed<E> {
    /// Another was faster, or the position lagged behind: look again.
    Again,
    /// There is nothing to claim.
    No(E),
}

impl<E> From<QueueFault> for Missed<E>
where
    E: From<QueueFault>,
{
    fn from(fault: QueueFault) -> Self {
        Self::No(fault.into())
    }
}

impl<T> Slot<T> {
    pub(super) fn look(&self) -> State {
        // Acquire pairs with the Release in `cas`. What is read of the item comes after a
        // claim, which Acquires too; this one is for positions: see `Queue::find`.
        State(self.state.load(Ordering::Acquire))
    }

    pub(super) fn cas(&self, from: State, to: State) -> bool {
        step();
        // Acquire pairs with the Release of the `cas` before, in the same slot: a consumer
        // reads what the producer wrote, and a producer writes after the consumer before it,
        // or the dead, has read. On failure the caller looks again.
        self.state
            .compare_exchange(from.0, to.0, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }
}

impl<'m, T: Pod + Send> Queue<'m, T> {
    /// The slot at which `position`, the head or the tail, is, and its state.
    fn find(&self, position: &AtomicU64) -> Result<Found<'m, T>, QueueFault> {
        // Acquire pairs with the Release in `advance`: a slot is then seen at least as far on
        // as it was when the position before it was passed.
        let at = Position(position.load(Ordering::Acquire));
        let index = at.index();
        let Some(slot) = self.slots.get(index) else {
            let capacity = self.capacity();
            return Err(QueueFault::Position { index, capacity });
        };
        let state = slot.look();
        let found = Found { slot, at, state };
        if state.kind() == Kind::Corrupt {
            return Err(found.fault());
        }
        Ok(found)
    }

    /// Moves `position` on from where it was found, unless another has.
    fn advance(&self, position: &AtomicU64, found: &Found<'_, T>) {
        let next = found.at.next(self.capacity());
        step();
        // Release pairs with the Acquire in `find`; the failure needs nothing.
        let _ = position.compare_exchange(found.at.0, next.0, Ordering::Release, Ordering::Relaxed);
    }

    /// Moves `position` on over a slot that is further on. A slot is at most one lap ahead of
    /// where the head or the tail is *now*.
    fn catch_up(&self, position: &AtomicU64, found: &Found<'_, T>) -> Result<(), QueueFault> {
        let lap = found.at.lap();
        if found.state.lap() != lap && found.state.lap() != lap.next() {
            // Relaxed: only the word itself is compared.
            if position.load(Ordering::Relaxed) == found.at.0 {
                return Err(found.fault());
            }
            return Ok(());
        }
        self.advance(position, found);
        Ok(())
    }

    pub(super) fn push_once(
        &self,
        owner: OwnerIndex,
        item: T,
        heard: Heard,
        park: &impl Park,
    ) -> Result<(), PushError> {
        if heard.closed() {
            return Err(PushError::Closed);
        }
        let (slot, lap) = loop {
            match self.claim_to_write(owner, park) {
                Ok(claimed) => break claimed,
                Err(Missed::Again) => {}
                Err(Missed::No(error)) => return Err(error),
            }
        };
        step();
        // SAFETY: the slot is WRITING by this owner, and this claim is this caller's: nobody
        // else touches the item until it is FULL.
        slot.item.with_mut(|to| unsafe { to.write(item) });
        let writing = State::of_owner(Kind::Writing, lap, owner);
        if !slot.cas(writing, State::new(Kind::Full, lap)) {
            return Err(self.fault_of(slot).into());
        }
        self.head.signals.0.items.ring(park);
        Ok(())
    }

    /// Push, steps 1 and 2.
    fn claim_to_write(
        &self,
        owner: OwnerIndex,
        park: &impl Park,
    ) -> Result<(&'m Slot<T>, Lap), Missed<PushError>> {
        let tail = &self.head.tail.0;
        let found = self.find(tail)?;
        let (lap, kind) = (found.at.lap(), found.state.kind());
        if found.state.lap().is_before(lap) {
            // Not free yet: full, unless what is in the way is void.
            return Err(if self.skip_void(park)? {
                Missed::Again
            } else {
                Missed::No(PushError::Full)
            });
        }
        if kind == Kind::End && found.state.lap() == lap {
            return Err(Missed::No(PushError::Closed));
        }
        if kind != Kind::Free || found.state.lap() != lap {
            self.catch_up(tail, &found)?;
            return Err(Missed::Again);
        }
        let writing = State::of_owner(Kind::Writing, lap, owner);
        if !found.slot.cas(found.state, writing) {
            return Err(Missed::Again);
        }
        self.advance(tail, &found);
        Ok((found.slot, lap))
    }

    /// Frees the head's slot if it is void, for producers that would wait for it.
    fn skip_void(&self, park: &impl Park) -> Result<bool, QueueFault> {
        let found = self.find(&self.head.head.0)?;
        let lap = found.at.lap();
        if found.state != State::new(Kind::Void, lap) {
            return Ok(false);
        }
        if found
            .slot
            .cas(found.state, State::new(Kind::Free, lap.next()))
        {
            self.advance(&self.head.head.0, &found);
            self.head.signals.0.space.ring(park);
        }
        Ok(true)
    }

    pub(super) fn pop_once(
        &self,
        owner: OwnerIndex,
        heard: Heard,
        park: &impl Park,
    ) -> Result<T, PopError> {
        let (slot, lap) = loop {
            if let Some(claimed) = self.claim_returned(owner) {
                break claimed;
            }
            match self.claim_to_read(owner, heard, park) {
                Ok(claimed) => break claimed,
                Err(Missed::Again) => {}
                Err(Missed::No(error)) => return Err(error),
            }
        };
        step();
        // SAFETY: the slot is READING by this owner, and this claim is this caller's: nobody
        // writes the item until it is FREE. Any bytes are a T.
        let item = slot.item.with(|from| unsafe { from.read() });
        let reading = State::of_owner(Kind::Reading, lap, owner);
        if !slot.cas(reading, State::new(Kind::Free, lap.next())) {
            return Err(self.fault_of(slot).into());
        }
        let signals = &self.head.signals.0;
        if signals.space.ring(park) {
            // A consumer that found the queue closed, but this slot not yet free to make it
            // the end, waits for that. It saw `space` closed: so if this ring did not, it came
            // before the closing, and the consumer saw the slot free.
            signals.items.ring(park);
        }
        Ok(item)
    }

    /// Pop, steps 1 and 2.
    fn claim_to_read(
        &self,
        owner: OwnerIndex,
        heard: Heard,
        park: &impl Park,
    ) -> Result<(&'m Slot<T>, Lap), Missed<PopError>> {
        let head = &self.head.head.0;
        let found = self.find(head)?;
        let lap = found.at.lap();
        if found.state.lap() != lap {
            if found.state.lap().is_before(lap) {
                // Still read in the lap before: nothing can have been pushed here.
                return Err(Missed::No(PopError::Empty));
            }
            self.catch_up(head, &found)?;
            return Err(Missed::Again);
        }
        match found.state.kind() {
            Kind::Full => {
                let reading = State::of_owner(Kind::Reading, lap, owner);
                if !found.slot.cas(found.state, reading) {
                    return Err(Missed::Again);
                }
                self.advance(head, &found);
                Ok((found.slot, lap))
            }
            Kind::Free if heard.closed() => {
                // Whether this or a push was faster, the next look tells.
                let _ = found.slot.cas(found.state, State::new(Kind::End, lap));
                Err(Missed::Again)
            }
            Kind::Free | Kind::Writing => Err(Missed::No(PopError::Empty)),
            Kind::End => Err(Missed::No(PopError::Closed)),
            Kind::Void => {
                self.skip_void(park)?;
                Err(Missed::Again)
            }
            Kind::Reading | Kind::Returned => {
                self.advance(head, &found);
                Err(Missed::Again)
            }
            Kind::Corrupt => Err(found.fault().into()),
        }
    }

    /// A slot that is not as its claimant left it.
    fn fault_of(&self, slot: &Slot<T>) -> QueueFault {
        let is_it = |other: &Slot<T>| core::ptr::eq(other, slot);
        QueueFault::Slot {
            index: self.slots.iter().position(is_it).unwrap_or(usize::MAX),
            found: slot.look().0,
        }
    }
}

impl<T> Found<'_, T> {
    fn fault(&self) -> QueueFault {
        QueueFault::Slot {
            index: self.at.index(),
            found: self.state.0,
        }
    }
}
