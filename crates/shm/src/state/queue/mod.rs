//! A bounded queue of plain data, for many producers and many consumers, any of which may die.
//!
//! ```text
//!   Head, three cache lines                       Slot 0         Slot 1
//!  +-------------+-------------+-----------------+--------------+--------------+-- - -
//!  | tail        | head        | items | space   | state | item | state | item |
//!  |             |             | returned        |       |      |       |      |
//!  +-------------+-------------+-----------------+--------------+--------------+-- - -
//!
//!  a slot in lap l; every arrow is one compare-and-swap on its state
//!                  push 1                 push 4                 pop 1
//!   [FREE l] ------------> [WRITING l, o] ------> [FULL l] ------------> [READING l, o]
//!      |   ^                   |                                  ^          |   |
//!      |   |    give_back(o)   v               pop 1, before all  |          |   |
//!      |   |               [VOID l]                               |          |   |
//!      |   |    skip           |            [RETURNED l] ---------+          |   |
//!      |  [FREE l + 1] <-------+                 ^        give_back(o)       |   |
//!      |   ^                                     +---------------------------+   |
//!      |   +--------------------------------------------------------- pop 4 -----+
//!      +--> [END l]   closed, and everything before it was taken
//! ```
//!
//! A ring of slots with a lap in each, as in Vyukov's bounded MPMC queue, with one change that
//! everything else follows from. There a producer takes a ticket by moving the tail, and then
//! has the slot; one that dies in between leaves a hole that nobody can tell from a slow
//! producer. Here **the claim is in the slot, with its owner, and comes first**; the tail and
//! the head only say where to look, and are moved on by whoever finds that they lag behind.
//!
//! # Push, step by step
//! 1. Find the tail's slot FREE in the tail's lap, and claim it: WRITING.
//! 2. Move the tail on.
//! 3. Write the item.
//! 4. Publish it: FULL. *Now, and not before, the item is in the queue.*
//! 5. Ring for consumers.
//!
//! # Pop, step by step
//! 1. Find the head's slot FULL in the head's lap, and claim it: READING.
//! 2. Move the head on, so that others pop the next item meanwhile.
//! 3. Copy the item.
//! 4. Take it: FREE, in the next lap. *Now, and not before, the item is the consumer's.*
//! 5. Ring for producers.
//!
//! # A death between two steps
//! * Push, after 1, 2 or 3: WRITING with the dead one's number. Void: the item never was.
//!   Others move the tail on, and a consumer that comes to the slot skips it.
//! * Push after 4: the item is in.
//! * Pop, after 1, 2 or 3: READING with the dead one's number. The item is still in the slot,
//!   whole, because reading does not change it. RETURNED: it is *offered again*, to the next
//!   consumer, before all that is queued. The head may be past it, so consumers look for it in
//!   all slots, when `returned` says that there is one. (Alternatives: to move the head after
//!   the take makes consumers wait for each other; to hand the item to the supervisor to be
//!   pushed again can find the queue full.)
//! * Pop after 4: the item was the dead consumer's. What it did with it, only it could tell.
//! * Before a ring: whoever sleeps is woken by `give_back`, ring or no ring.
//!
//! So no item is ever lost but with the consumer that took it, none is doubled, and no slot
//! is. A producer's items come in the order in which it pushed them, but for one returned,
//! which comes late.
//!
//! # Why a claim cannot go wrong
//! A slot is FREE in lap *l* once: it leaves that state by a claim (or END) and is next FREE in
//! lap *l* + 1. The tail moves past a position only when its slot is seen to have left FREE,
//! so whoever claims with an old tail in hand finds the slot claimed already. The same for the
//! head, FULL and VOID.
//!
//! # Full, empty, closed
//! Full: the tail's slot is not yet FREE in its lap. Empty: the head's slot is FREE in its lap,
//! or WRITING, by a producer whose item comes next: items are not overtaken by later ones. So a
//! producer that is stopped (not dead) in the middle of a push holds up what comes after it.
//!
//! Closing marks both bells, and whoever finds the queue closed and nothing in it makes END out
//! of the FREE slot there. END is the one place where the queue ends: a push that was on its
//! way finds it, or has claimed the slot before, and then its item is still popped. If a
//! consumer dies after others were told that the queue is at its end, its item is returned,
//! and the next pop gets it: who wants to be sure pops once more after the last death.

mod ops;
mod recover;
mod word;

use core::fmt;
use core::time::Duration;

use bytemuck::Pod;
use serde::{Deserialize, Serialize};

use super::bell::Bell;
use super::deadline::Deadline;
use super::place::{InPlace, Place, PlaceError, check_count};
use crate::OwnerIndex;
use crate::sync::{AtomicU32, AtomicU64, Ordering, UnsafeCell};
use crate::wait::Park;

pub use recover::Recovered;
pub use word::MAX_CAPACITY;
use word::Position;

/// One value on a cache line of its own.
#[derive(Debug, Default)]
#[repr(C, align(64))]
struct Line<T>(T);

/// What stands before the slots. All zero is an empty queue.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct Head {
    tail: Line<AtomicU64>,
    head: Line<AtomicU64>,
    signals: Line<Signals>,
}

#[derive(Debug, Default)]
#[repr(C)]
struct Signals {
    /// Rung when there is something to pop. Consumers sleep here.
    items: Bell,
    /// Rung when there is room to push. Producers sleep here.
    space: Bell,
    /// See `recover`.
    returned: AtomicU32,
    zero: AtomicU32,
}

/// A place for an item. All zero is free in lap 0.
#[repr(C)]
pub(crate) struct Slot<T> {
    state: AtomicU64,
    item: UnsafeCell<T>,
}

#[cfg(not(loom))]
const _: () = {
    use core::mem::offset_of;
    assert!(size_of::<Head>() == 192 && align_of::<Head>() == 64);
    assert!(offset_of!(Head, tail) == 0 && offset_of!(Head, head) == 64);
    assert!(offset_of!(Head, signals) == 128);
    assert!(offset_of!(Signals, items) == 0 && offset_of!(Signals, space) == 4);
    assert!(offset_of!(Signals, returned) == 8 && offset_of!(Signals, zero) == 12);
    assert!(size_of::<Slot<u64>>() == 16 && offset_of!(Slot<u64>, item) == 8);
    assert!(size_of::<Slot<u8>>() == 16 && size_of::<Slot<[u64; 7]>>() == 64);
};

#[cfg(not(loom))]
crate::packed::packed!(Head { tail, head, signals } then 0 unused);
#[cfg(not(loom))]
crate::packed::packed!(Signals { items, space, returned, zero } then 0 unused);

// SAFETY: `item` is written by the one who claimed the slot WRITING, and read by the one who
// claimed it READING, which `state` orders.
unsafe impl<T: Send> Sync for Slot<T> {}
// SAFETY: repr(C), of atomics alone; zero is empty. The positions are checked against the
// capacity before they lead to a slot.
unsafe impl InPlace for Head {}
// SAFETY: repr(C); zero is free; every state means something, if only corruption; any bytes
// are a T, which is plain data. What changes is an atomic or in the cell.
unsafe impl<T: Pod + Send> InPlace for Slot<T> {}

#[cfg(all(test, loom))]
impl<T: Pod> Slot<T> {
    pub(crate) fn new() -> Self {
        Self {
            state: AtomicU64::new(0),
            item: UnsafeCell::new(T::zeroed()),
        }
    }
}

/// What a process wrote past this interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum QueueFault {
    /// A slot's state is one that no process writes there.
    #[error(
        "slot {index} of the queue has the state {found:#x}, which cannot be; a process of this pool wrote over it: end the pool"
    )]
    Slot {
        /// Which slot.
        index: usize,
        /// The state word.
        found: u64,
    },
    /// The head or the tail is outside of the ring.
    #[error(
        "the queue is at slot {index} of {capacity}, which cannot be; do all processes name the same capacity?"
    )]
    Position {
        /// Where it is.
        index: usize,
        /// How many slots there are.
        capacity: usize,
    },
}

/// Why nothing was pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum PushError {
    /// There is no room, or was none in time.
    #[error("the queue is full; pop, push again later, or make it larger")]
    Full,
    /// Nothing is taken in any more.
    #[error("the queue is closed; push before close(), or make a new one")]
    Closed,
    /// It is not to be believed.
    #[error(transparent)]
    Fault(#[from] QueueFault),
}

/// Why nothing was popped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum PopError {
    /// There is nothing, or was nothing in time.
    #[error("the queue is empty; pop again later, or wait longer")]
    Empty,
    /// There is nothing, and will be nothing, unless a consumer that has not taken its item
    /// yet dies.
    #[error("the queue is closed and empty")]
    Closed,
    /// It is not to be believed.
    #[error(transparent)]
    Fault(#[from] QueueFault),
}

/// A bounded queue. See the module for what it promises when processes die.
pub struct Queue<'m, T> {
    head: &'m Head,
    slots: &'m [Slot<T>],
}

impl<T> Clone for Queue<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Queue<'_, T> {}

impl<'m, T: Pod + Send> Queue<'m, T> {
    /// The bytes that a queue for so many items takes, at an address that is a multiple of 64.
    #[must_use]
    pub const fn bytes(capacity: usize) -> usize {
        let pad = align_of::<Slot<T>>().saturating_sub(64);
        let slots = size_of::<Slot<T>>().saturating_mul(capacity);
        slots.saturating_add(size_of::<Head>() + pad)
    }

    /// The queue for so many items that stands, or is to stand, at `place`.
    ///
    /// # Errors
    /// [`PlaceError`]; there can be 1 to [`MAX_CAPACITY`] items.
    #[inline]
    pub fn in_place(place: &mut Place<'m>, capacity: usize) -> Result<Self, PlaceError> {
        check_count(capacity, MAX_CAPACITY)?;
        let head = place.take()?;
        let slots = place.take_slice(capacity)?;
        Ok(Self { head, slots })
    }

    /// Over memory of a model's own.
    #[cfg(all(test, loom))]
    pub(crate) fn over(head: &'m Head, slots: &'m [Slot<T>]) -> Self {
        Self { head, slots }
    }

    /// How many items fit.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// How many places were taken a moment ago, half pushed ones included, returned ones not.
    #[must_use]
    pub fn len(&self) -> usize {
        let head = Position(self.head.head.0.load(Ordering::Relaxed));
        let tail = Position(self.head.tail.0.load(Ordering::Relaxed));
        tail.since(head, self.capacity())
    }

    /// Whether [`len`](Self::len) was 0.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Pushes an item, sleeping while the queue is full.
    ///
    /// # Errors
    /// [`PushError`], but not `Full`.
    pub fn push(&self, owner: OwnerIndex, item: T, park: &impl Park) -> Result<(), PushError> {
        self.push_before(owner, item, Deadline::never(), park)
    }

    /// Pushes an item, sleeping while the queue is full, for `timeout` at most.
    ///
    /// # Errors
    /// [`PushError`].
    pub fn push_timeout(
        &self,
        owner: OwnerIndex,
        item: T,
        timeout: Duration,
        park: &impl Park,
    ) -> Result<(), PushError> {
        self.push_before(owner, item, Deadline::after(timeout), park)
    }

    fn push_before(
        &self,
        owner: OwnerIndex,
        item: T,
        deadline: Deadline,
        park: &impl Park,
    ) -> Result<(), PushError> {
        let space = &self.head.signals.0.space;
        let pushed = space.wait(deadline, park, |heard| {
            match self.push_once(owner, item, heard, park) {
                Err(PushError::Full) => None,
                other => Some(other),
            }
        });
        pushed.unwrap_or(Err(PushError::Full))
    }

    /// Pushes an item if there is room.
    ///
    /// # Errors
    /// [`PushError`].
    pub fn try_push(&self, owner: OwnerIndex, item: T, park: &impl Park) -> Result<(), PushError> {
        self.push_once(owner, item, self.head.signals.0.space.listen(), park)
    }

    /// Pops the oldest item, sleeping while there is none.
    ///
    /// # Errors
    /// [`PopError`], but not `Empty`.
    pub fn pop(&self, owner: OwnerIndex, park: &impl Park) -> Result<T, PopError> {
        self.pop_before(owner, Deadline::never(), park)
    }

    /// Pops the oldest item, sleeping while there is none, for `timeout` at most.
    ///
    /// # Errors
    /// [`PopError`].
    pub fn pop_timeout(
        &self,
        owner: OwnerIndex,
        timeout: Duration,
        park: &impl Park,
    ) -> Result<T, PopError> {
        self.pop_before(owner, Deadline::after(timeout), park)
    }

    fn pop_before(
        &self,
        owner: OwnerIndex,
        deadline: Deadline,
        park: &impl Park,
    ) -> Result<T, PopError> {
        let items = &self.head.signals.0.items;
        let popped = items.wait(deadline, park, |heard| {
            match self.pop_once(owner, heard, park) {
                Err(PopError::Empty) => None,
                other => Some(other),
            }
        });
        popped.unwrap_or(Err(PopError::Empty))
    }

    /// Pops the oldest item if there is one.
    ///
    /// # Errors
    /// [`PopError`].
    pub fn try_pop(&self, owner: OwnerIndex, park: &impl Park) -> Result<T, PopError> {
        self.pop_once(owner, self.head.signals.0.items.listen(), park)
    }

    /// Takes nothing in any more; what is in it can still be popped. Wakes all who wait.
    pub fn close(&self, park: &impl Park) {
        let signals = &self.head.signals.0;
        // In this order: who finds `items` closed knows that `space` is. See `pop_once`.
        signals.space.close(park);
        signals.items.close(park);
    }

    /// Whether it was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.head.signals.0.space.listen().closed()
    }
}

impl<T> fmt::Debug for Queue<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("capacity", &self.slots.len())
            .field("head", self.head)
            .finish_non_exhaustive()
    }
}
