//! State that tasks share, from cheap to costly.
//!
//! | primitive | what it is | one uncontended operation |
//! |---|---|---|
//! | [`SharedCell`], [`SharedArray`] | a number or a flag, or many | one atomic instruction |
//! | [`Event`] | set, clear, wait until set | one compare-and-swap |
//! | [`SharedMutex`] | plain data, one at a time | two read-modify-writes |
//! | [`Semaphore`] | so many at a time | one compare-and-swap per permit looked at |
//! | [`Barrier`] | all wait for all | two read-modify-writes |
//! | [`Queue`] | items, many producers, many consumers | three compare-and-swaps and a copy |
//!
//! # In memory that is handed in
//! Nothing here allocates. What is shared is `repr(C)`, and zero bytes are its initial state.
//! It is taken from a [`Place`]: the maker zeroes the bytes, the others attach to them. What
//! only the handle needs to know (how many parties a barrier has, how many items fit into a
//! queue) is in the handle, and not in shared memory, where it would have to be checked each
//! time. A [`Stamp`] in front tells those who attach, and they check it once.
//!
//! # Who dies
//! The supervisor calls [`GiveBack::give_back`] on each primitive with the owner of each
//! process that it has reaped, and *before* another process gets the same number. That is what
//! makes a number enough to name an owner, without a generation.
//!
//! | | the dead process had | the others |
//! |---|---|---|
//! | [`SharedMutex`] | locked it | each next holder gets [`OwnerDied`] with the data, until one repairs |
//! | [`Event`] | promised to set it | [`EventBroken`] to all who wait, until it is set or cleared |
//! | [`Semaphore`] | permits | get them |
//! | [`Barrier`] | waited at it at least once | [`BarrierBroken`] to all who wait and to come, until it is reset |
//! | [`Queue`] | half pushed an item | never see it |
//! | [`Queue`] | half popped an item | are offered it before all others |
//!
//! Each operation is a sequence of steps, each one access to one word. A process that dies
//! between two of them has left its number in a word, or nothing, or it has done everything
//! but wake who waits. The last cannot be seen, so every `give_back` wakes everybody, once:
//! the wake costs them a look, and a missing one would cost them for ever. A `give_back` that
//! was itself cut short is done again from the start.
//!
//! Nobody waits for a dead process longer than until it is reaped. It does wait for one that
//! is stopped: that is not dead. For work that nobody has promised (an event to be set by
//! somebody, an item to be pushed by anybody), wait with a timeout, or have whoever knows that
//! it will not come [close](Queue::close) the queue.
//!
//! Threads of one process share its owner: they exclude each other, and die together.
//!
//! Start reading in `bell`, the way to wait; then `raw_mutex`; then `queue`, the largest.

mod array;
mod barrier;
mod bell;
mod cell;
mod deadline;
mod event;
mod mutex;
mod place;
mod queue;
mod raw_mutex;
mod semaphore;
mod stamp;
#[cfg(all(test, not(loom)))]
mod tests;

pub use array::SharedArray;
pub use barrier::{Barrier, BarrierBroken, BarrierCore, MAX_PARTIES, Passed, WaitError};
pub use cell::{Number, Shareable, SharedCell};
pub use event::{Event, EventBroken, EventWaitError};
pub use mutex::{MutexGuard, NotLocked, OwnerDied, SharedMutex};
pub use place::{InPlace, Place, PlaceError};
pub use queue::{MAX_CAPACITY, PopError, PushError, Queue, QueueFault, Recovered};
pub use raw_mutex::{RawMutex, Taken};
pub use semaphore::{MAX_PERMITS, NoPermit, Permit, Semaphore};
pub use stamp::{Stamp, StampCell};

#[cfg(all(test, loom))]
pub(crate) use queue::{Head, Slot};
#[cfg(all(test, loom))]
pub(crate) use semaphore::{Cell as SemaphoreCell, Core as SemaphoreCore};

use crate::{OwnerIndex, Park};

/// What the supervisor does to a primitive after a death.
pub trait GiveBack {
    /// What there was to give back.
    type Report;

    /// Takes back what `dead` had, and wakes all who wait. Never waits itself, and may be
    /// called again, or for one that had nothing.
    ///
    /// `dead` was reaped: none of its threads runs any more, and no other process has the same
    /// number yet. For a process that lives, this breaks what the primitive promises.
    fn give_back(&self, dead: OwnerIndex, park: &impl Park) -> Self::Report;
}
