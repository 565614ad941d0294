//! The two ends of a lane.

use core::ptr::NonNull;

use super::slot::{INLINE_BYTES, Message, MessageFault, Slot};
use super::state::{Finished, Published, Seen, Sleep, Start, State, Watch};
use crate::steps::step;

/// The slots of one lane, wherever they are mapped.
#[derive(Debug, Clone, Copy)]
struct Ring {
    slots: NonNull<Slot>,
    mask: u64,
}

// SAFETY: a ring is a pointer to memory shared between processes anyway; `Slot` is Sync, and
// each end's `&mut self` methods keep the one-producer, one-consumer rule within a process.
unsafe impl Send for Ring {}
// SAFETY: as above; through `&Ring` only the atomic state words are reached.
unsafe impl Sync for Ring {}

impl Ring {
    fn new(slots: NonNull<Slot>, count: usize) -> Self {
        assert!(
            count.is_power_of_two(),
            "a lane has a power of two of slots, not {count}"
        );
        Self {
            slots,
            mask: count as u64 - 1,
        }
    }

    #[inline]
    fn slot(&self, position: u64) -> &Slot {
        // SAFETY: the constructor's caller vouches for `mask + 1` slots at `slots`, valid as
        // long as this end exists; the index is masked.
        unsafe { self.slots.add((position & self.mask) as usize).as_ref() }
    }

    fn count(&self) -> usize {
        self.mask as usize + 1
    }
}

/// What [`SupervisorLane::take`] found at the oldest task in flight.
#[derive(Debug)]
pub enum Arrival {
    /// The result of the task at this position.
    Result(Message),
    /// Not there yet, or nothing in flight.
    Nothing,
    /// The worker wrote what no correct worker writes into this slot.
    Corrupt(u32),
    /// The result's header cannot be.
    Fault(MessageFault),
}

/// The supervisor's end: publishes tasks at the head, takes results at the tail.
///
/// Positions count tasks since the lane was made or reset, and never wrap.
#[derive(Debug)]
pub struct SupervisorLane {
    ring: Ring,
    head: u64,
    tail: u64,
}

impl SupervisorLane {
    /// An end over `count` slots.
    ///
    /// # Safety
    /// `slots` points to `count` slots that stay mapped as long as this end lives, start out
    /// zeroed or reset, and have no other supervisor's end.
    ///
    /// # Panics
    /// If `count` is not a power of two.
    pub unsafe fn new(slots: NonNull<Slot>, count: usize) -> Self {
        Self {
            ring: Ring::new(slots, count),
            head: 0,
            tail: 0,
        }
    }

    /// Tasks published whose results were not taken.
    #[inline]
    pub fn in_flight(&self) -> usize {
        (self.head - self.tail) as usize
    }

    /// Slots in which a task can be published now.
    #[inline]
    pub fn room(&self) -> usize {
        self.ring.count() - self.in_flight()
    }

    /// The position that the next task will have.
    #[inline]
    pub fn head(&self) -> u64 {
        self.head
    }

    /// The position of the oldest task in flight.
    #[inline]
    pub fn tail(&self) -> u64 {
        self.tail
    }

    /// Fills the next slot with `fill` and publishes it. `fill` may use the payload's bytes
    /// as it likes; when it fails nothing was published.
    ///
    /// # Errors
    /// What `fill` returned.
    ///
    /// # Panics
    /// If there is no room.
    #[inline]
    pub fn push<E>(
        &mut self,
        fill: impl FnOnce(&mut [u8; INLINE_BYTES]) -> Result<Message, E>,
    ) -> Result<Published, E> {
        assert!(self.room() > 0, "a lane was pushed to without room");
        let slot = self.ring.slot(self.head);
        step();
        // SAFETY: room means that this slot is FREE, or DONE with its result taken: ours.
        // The worker reads it only after `publish`.
        let message = fill(unsafe { &mut *slot.payload() })?;
        step();
        // SAFETY: as above.
        unsafe { slot.write(message) };
        self.head += 1;
        Ok(slot.state().publish())
    }

    /// The state word of the slot at `position`.
    #[inline]
    pub fn state(&self, position: u64) -> State<'_> {
        self.ring.slot(position).state()
    }

    /// Takes the oldest result, if it is there, copying an in-place payload into `into`.
    #[inline]
    pub fn take(&mut self, into: &mut [u8; INLINE_BYTES]) -> Arrival {
        if self.head == self.tail {
            return Arrival::Nothing;
        }
        let slot = self.ring.slot(self.tail);
        match slot.state().see() {
            Seen::Done => {}
            Seen::Ready | Seen::Running => return Arrival::Nothing,
            Seen::Free => return Arrival::Corrupt(super::state::FREE),
            Seen::Corrupt(raw) => return Arrival::Corrupt(raw),
        }
        // SAFETY: DONE and not yet taken: the slot is ours. The header is validated before
        // its length is used; the payload is copied out before anyone looks at it.
        let message = match unsafe { slot.read() }.validated() {
            Ok(message) => message,
            Err(fault) => return Arrival::Fault(fault),
        };
        let len = message.len as usize;
        // SAFETY: `len` <= INLINE_BYTES by validation; the two do not overlap, since `into`
        // is not in the mapping.
        unsafe {
            core::ptr::copy_nonoverlapping(slot.payload().cast::<u8>(), into.as_mut_ptr(), len);
        }
        self.tail += 1;
        Arrival::Result(message)
    }

    /// Asks for a ring when the task at `position` is done.
    pub fn watch(&self, position: u64) -> Watch {
        self.state(position).watch()
    }

    /// Takes back the youngest task if the worker has not begun it, copying its payload.
    ///
    /// # Errors
    /// When a peer wrote over it: the task is back, but not to be believed.
    pub fn retract(
        &mut self,
        into: &mut [u8; INLINE_BYTES],
    ) -> Result<Option<Message>, MessageFault> {
        if self.head == self.tail {
            return Ok(None);
        }
        let slot = self.ring.slot(self.head - 1);
        if !slot.state().retract() {
            return Ok(None);
        }
        self.head -= 1;
        // SAFETY: FREE again: ours. We wrote message and payload ourselves, but a peer can
        // write here too, so the length is checked like any other.
        let message = unsafe { slot.read() }.validated()?;
        // SAFETY: as in `take`.
        unsafe { into.copy_from_slice(&*slot.payload()) };
        Ok(Some(message))
    }

    /// After the worker's death: what the slot at `position` says.
    pub fn see(&self, position: u64) -> Seen {
        self.state(position).see()
    }

    /// After the worker's death: copies out a task that was not begun.
    pub fn copy_task(&self, position: u64, into: &mut [u8; INLINE_BYTES]) -> Option<Message> {
        let slot = self.ring.slot(position);
        // SAFETY: the worker is gone (the caller has reaped it), so the slot is ours.
        let message = unsafe { slot.read() }.validated().ok()?;
        // SAFETY: as in `take`.
        unsafe { into.copy_from_slice(&*slot.payload()) };
        Some(message)
    }

    /// After the worker's death: every slot FREE, positions from zero, for its replacement.
    pub fn reset(&mut self) {
        for position in 0..=self.ring.mask {
            self.ring.slot(position).state().reset();
        }
        self.head = 0;
        self.tail = 0;
    }
}

/// The worker's end: takes tasks in order and leaves each result in the task's slot.
#[derive(Debug)]
pub struct WorkerLane {
    ring: Ring,
    cursor: u64,
}

impl WorkerLane {
    /// An end over `count` slots.
    ///
    /// # Safety
    /// `slots` points to `count` slots that stay mapped as long as this end lives, and have
    /// no other worker's end.
    ///
    /// # Panics
    /// If `count` is not a power of two.
    pub unsafe fn new(slots: NonNull<Slot>, count: usize) -> Self {
        Self {
            ring: Ring::new(slots, count),
            cursor: 0,
        }
    }

    /// Whether a task waits. A cheap look at one word.
    #[inline]
    pub fn looks_ready(&self) -> bool {
        self.ring.slot(self.cursor).state().looks_ready()
    }

    /// Begins the next task, if there is one: its message, and its payload in place.
    #[inline]
    pub fn start(&mut self) -> Option<(Message, &mut [u8; INLINE_BYTES])> {
        let slot = self.ring.slot(self.cursor);
        match slot.state().start() {
            Start::NotReady => None,
            Start::Started => {
                // SAFETY: RUNNING: the slot is the worker's until `finish`; `&mut self`
                // keeps this reference the only one in the process.
                let (message, payload) = unsafe { (slot.read(), &mut *slot.payload()) };
                Some((message, payload))
            }
        }
    }

    /// The payload of the task that was started, to put the result in.
    ///
    /// # Panics
    /// If no task was started.
    #[inline]
    pub fn payload(&mut self) -> &mut [u8; INLINE_BYTES] {
        let slot = self.ring.slot(self.cursor);
        step();
        // SAFETY: as in `start`; a state other than RUNNING is refused by `finish`'s caller,
        // which is this process alone.
        unsafe { &mut *slot.payload() }
    }

    /// Ends the task that was started: its slot now holds the result.
    #[inline]
    pub fn finish(&mut self, message: Message) -> Finished {
        let slot = self.ring.slot(self.cursor);
        step();
        // SAFETY: RUNNING: the slot is the worker's until the swap in `finish`.
        unsafe { slot.write(message) };
        self.cursor += 1;
        slot.state().finish()
    }

    /// Leaves word that the worker is about to sleep on the word that [`Self::word`] names.
    pub fn sleep(&self) -> Sleep {
        self.ring.slot(self.cursor).state().sleep()
    }

    /// The word to sleep on.
    pub fn word(&self) -> &crate::sync::AtomicU32 {
        self.ring.slot(self.cursor).state().0
    }

    /// Tasks begun and finished since the lane was attached.
    #[inline]
    pub fn finished(&self) -> u64 {
        self.cursor
    }
}
