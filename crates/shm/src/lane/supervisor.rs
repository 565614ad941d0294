//! The supervisor's end of a lane.

use core::ptr::NonNull;

use super::inline::{Inline, SHORT_BYTES, Short};
use super::ring::Ring;
use super::slot::{Half, INLINE_BYTES, Message, MessageFault, Slot};
use super::state::{Published, Seen, Watch};
use crate::steps::step;
use crate::sync::AtomicU32;

/// What [`SupervisorLane::take`] found at the oldest task in flight.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// The result of the oldest task.
    Result,
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
///
/// ```text
///             tail                              head
///   -----------+---------------------------------+-----------
///    ours      | in flight: READY, RUNNING, done | ours
/// ```
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
            // SAFETY: the caller's word.
            ring: unsafe { Ring::new(slots, count) },
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

    /// Publishes tasks, in order, one after the other in the next slots: all of `tasks`, of
    /// which there are not more than [`room`](Self::room). What it says holds for the worker
    /// and the first of them, at the position that was [`head`](Self::head).
    ///
    /// # Panics
    /// If there is no room.
    #[inline]
    pub fn push_all<'a>(
        &mut self,
        tasks: impl Iterator<Item = (&'a Message, &'a Inline)>,
    ) -> Published {
        let first = self.head;
        for (message, payload) in tasks {
            assert!(self.room() > 0, "a lane was pushed to without room");
            step();
            self.fill(self.head, *message, payload);
            self.head += 1;
        }
        // The last first: until the worker sees the first, it does not come to the others, so
        // it may sleep at the first only.
        for position in (first + 1..self.head).rev() {
            step();
            self.ring.slot(position).task_word().publish_behind();
        }
        if first == self.head {
            return Published::Awake;
        }
        step();
        self.ring.slot(first).task_word().publish()
    }

    /// Publishes one task.
    ///
    /// # Panics
    /// If there is no room.
    #[inline]
    pub fn push(&mut self, message: &Message, payload: &Inline) -> Published {
        self.push_all(core::iter::once((message, payload)))
    }

    #[inline]
    fn fill(&self, position: u64, message: Message, payload: &Inline) {
        let half = self.ring.slot(position).task();
        // SAFETY: not in flight: the slot is ours. The worker reads it only after it was
        // published.
        unsafe {
            payload.write_to(&mut *half.payload_mut());
            half.write(message);
        }
    }

    /// The word that a worker at `position` sleeps on.
    pub fn task_word(&self, position: u64) -> &AtomicU32 {
        self.ring.slot(position).task_word().0
    }

    /// What the result word of the oldest task will hold when it is done.
    #[inline]
    pub fn awaited(&self) -> u32 {
        self.ring.lap(self.tail).word()
    }

    /// Takes the oldest result, if it is there, into `message` and `payload`. Whatever else it
    /// finds, these hold nothing of meaning.
    #[inline]
    pub fn take(&mut self, message: &mut Message, payload: &mut Inline) -> Arrival {
        if self.head == self.tail {
            return Arrival::Nothing;
        }
        let slot = self.ring.slot(self.tail);
        step();
        match slot.result_word().is_done(self.ring.lap(self.tail)) {
            Ok(true) => {}
            Ok(false) => return Arrival::Nothing,
            Err(raw) => return Arrival::Corrupt(raw),
        }
        // SAFETY: done: the slot is ours.
        match unsafe { copy_out(slot.result(), message, payload) } {
            Ok(()) => {
                self.tail += 1;
                Arrival::Result
            }
            Err(fault) => Arrival::Fault(fault),
        }
    }

    /// Asks for a ring when the task at `position` is done.
    pub fn watch(&self, position: u64) -> Watch {
        step();
        let lap = self.ring.lap(position);
        self.ring.slot(position).result_word().watch(lap)
    }

    /// Takes back the youngest task if the worker has not begun it.
    ///
    /// # Errors
    /// When a peer wrote over it: the task is back, but not to be believed.
    pub fn retract(&mut self) -> Result<Option<(Message, Inline)>, MessageFault> {
        if self.head == self.tail {
            return Ok(None);
        }
        let slot = self.ring.slot(self.head - 1);
        step();
        if !slot.task_word().retract() {
            return Ok(None);
        }
        self.head -= 1;
        // SAFETY: FREE again: ours. We wrote it ourselves, but a peer can write here too, so
        // it is checked like any other.
        unsafe { copied_out(slot.task()) }.map(Some)
    }

    /// What the slot at `position`, which is in flight, says.
    pub fn see(&self, position: u64) -> Seen {
        let slot = self.ring.slot(position);
        match slot.result_word().is_done(self.ring.lap(position)) {
            Ok(true) => Seen::Done,
            Ok(false) => slot.task_word().see(),
            Err(raw) => Seen::Corrupt(raw),
        }
    }

    /// After the worker's death: copies out a task that was not begun.
    pub fn copy_task(&self, position: u64) -> Option<(Message, Inline)> {
        // SAFETY: the worker is gone (the caller has reaped it), so the slot is ours.
        unsafe { copied_out(self.ring.slot(position).task()) }.ok()
    }

    /// After the worker's death: every slot as in fresh memory, positions from zero, for its
    /// replacement.
    pub fn reset(&mut self) {
        for position in 0..self.ring.count() as u64 {
            let slot = self.ring.slot(position);
            slot.task_word().reset();
            slot.result_word().reset();
        }
        self.head = 0;
        self.tail = 0;
    }
}

/// Copies a message and its payload out, once, and checks them.
///
/// # Safety
/// The half is the caller's by the slot's words.
#[inline]
unsafe fn copy_out(
    half: &Half,
    message: &mut Message,
    inline: &mut Inline,
) -> Result<(), MessageFault> {
    // SAFETY: ours, by the caller's word. The header is validated before its length is used;
    // the payload is copied before anyone looks at it.
    *message = unsafe { half.read() }.validated()?;
    let payload = half.payload();
    if message.len as usize <= SHORT_BYTES {
        // SAFETY: ours, mapped and initialised; a Short is a prefix of the payload, whose
        // address is a multiple of 32.
        inline.short = unsafe { payload.cast::<Short>().read() };
        inline.long = None;
    } else {
        // SAFETY: as above.
        let bytes = unsafe { payload.cast::<[u8; INLINE_BYTES]>().read() };
        inline.long = Some(Box::new(bytes));
    }
    Ok(())
}

/// The same, into new places.
///
/// # Safety
/// As for [`copy_out`].
unsafe fn copied_out(half: &Half) -> Result<(Message, Inline), MessageFault> {
    let (mut message, mut inline) = (Message::default(), Inline::default());
    // SAFETY: the same contract.
    unsafe { copy_out(half, &mut message, &mut inline) }.map(|()| (message, inline))
}
