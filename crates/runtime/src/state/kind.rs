//! The primitives as kinds of what can lie in a block: how large, how laid out, and what a
//! death or the end of the pool means to them. The algorithms are those of
//! `forkyard_shm::state`.

use std::marker::PhantomData;
use std::ops::RangeInclusive;

use bytemuck::Pod;
use forkyard_shm::OwnerIndex;
use forkyard_shm::state::{
    self, GiveBack, MAX_CAPACITY, MAX_PARTIES, MAX_PERMITS, Place, PlaceError, Shareable, Stamp,
};

use super::wait::StatePark;

/// A primitive that can lie in a block of shared memory.
pub(crate) trait Kind: 'static {
    /// The primitive over memory that lasts for `'m`.
    type In<'m>;
    /// As the user knows it.
    const NAME: &'static str;
    /// Its number in the stamp; not zero.
    const NUMBER: u32;
    /// Alignment of what it holds, in bytes.
    const ITEM_ALIGN: usize = 1;
    /// Size of what it holds, in bytes.
    const ITEM_BYTES: usize = 0;
    /// How many there can be of what is counted.
    const COUNTS: RangeInclusive<usize> = 1..=1;
    /// Whether a task may wait here for what another task is to do.
    const IS_WAITED_FOR: bool = false;

    /// The bytes it takes from an address that is a multiple of 64 on.
    fn bytes(count: usize) -> usize;

    /// Takes it from the place where it stands, or is to stand.
    ///
    /// # Errors
    /// As the primitive's own `in_place`.
    fn lay<'m>(place: &mut Place<'m>, count: usize) -> Result<Self::In<'m>, PlaceError>;

    /// Takes back what a dead process had.
    fn give_back(at: &Self::In<'_>, dead: OwnerIndex);

    /// The pool has ended: whoever waits for one of its processes waits in vain.
    fn end(at: &Self::In<'_>) {
        let _ = at;
    }

    /// What a block of this kind is marked with.
    fn stamp(count: usize) -> Stamp {
        const {
            // A block is aligned to its page at most, and so is what lies in it everywhere.
            assert!(
                Self::ITEM_ALIGN <= 4096,
                "shared state is aligned to 4096 bytes at most"
            );
        }
        Stamp {
            kind: Self::NUMBER,
            item_align: Self::ITEM_ALIGN as u32,
            item_bytes: Self::ITEM_BYTES as u64,
            count: count as u64,
        }
    }
}

/// The bytes of one `S` from an address that is a multiple of 64 on.
const fn bytes_of<S>() -> usize {
    align_of::<S>().saturating_sub(64) + size_of::<S>()
}

/// [`SharedCell`](super::SharedCell).
pub(crate) struct CellKind<T>(PhantomData<T>);

impl<T: Shareable> Kind for CellKind<T> {
    type In<'m> = &'m state::SharedCell<T>;
    const NAME: &'static str = "SharedCell";
    const NUMBER: u32 = 1;
    const ITEM_ALIGN: usize = align_of::<state::SharedCell<T>>();
    const ITEM_BYTES: usize = size_of::<state::SharedCell<T>>();

    fn bytes(_: usize) -> usize {
        bytes_of::<state::SharedCell<T>>()
    }

    #[inline]
    fn lay<'m>(place: &mut Place<'m>, _: usize) -> Result<Self::In<'m>, PlaceError> {
        place.take()
    }

    fn give_back(_: &Self::In<'_>, _: OwnerIndex) {}
}

/// [`SharedArray`](super::SharedArray).
pub(crate) struct ArrayKind<T>(PhantomData<T>);

impl<T: Shareable> Kind for ArrayKind<T> {
    type In<'m> = state::SharedArray<'m, T>;
    const NAME: &'static str = "SharedArray";
    const NUMBER: u32 = 2;
    const ITEM_ALIGN: usize = align_of::<state::SharedCell<T>>();
    const ITEM_BYTES: usize = size_of::<state::SharedCell<T>>();
    const COUNTS: RangeInclusive<usize> = 0..=usize::MAX;

    fn bytes(count: usize) -> usize {
        state::SharedArray::<T>::bytes(count)
    }

    #[inline]
    fn lay<'m>(place: &mut Place<'m>, count: usize) -> Result<Self::In<'m>, PlaceError> {
        state::SharedArray::in_place(place, count)
    }

    fn give_back(_: &Self::In<'_>, _: OwnerIndex) {}
}

/// [`SharedMutex`](super::SharedMutex).
pub(crate) struct MutexKind<T>(PhantomData<T>);

impl<T: Pod + Send + Sync> Kind for MutexKind<T> {
    type In<'m> = &'m state::SharedMutex<T>;
    const NAME: &'static str = "SharedMutex";
    const NUMBER: u32 = 3;
    const ITEM_ALIGN: usize = align_of::<T>();
    const ITEM_BYTES: usize = size_of::<T>();

    fn bytes(_: usize) -> usize {
        bytes_of::<state::SharedMutex<T>>()
    }

    #[inline]
    fn lay<'m>(place: &mut Place<'m>, _: usize) -> Result<Self::In<'m>, PlaceError> {
        place.take()
    }

    fn give_back(at: &Self::In<'_>, dead: OwnerIndex) {
        at.give_back(dead, &StatePark);
    }
}

/// [`Event`](super::Event).
pub(crate) struct EventKind;

impl Kind for EventKind {
    type In<'m> = &'m state::Event;
    const NAME: &'static str = "Event";
    const NUMBER: u32 = 4;
    const IS_WAITED_FOR: bool = true;

    fn bytes(_: usize) -> usize {
        bytes_of::<state::Event>()
    }

    #[inline]
    fn lay<'m>(place: &mut Place<'m>, _: usize) -> Result<Self::In<'m>, PlaceError> {
        place.take()
    }

    fn give_back(at: &Self::In<'_>, dead: OwnerIndex) {
        at.give_back(dead, &StatePark);
    }

    fn end(at: &Self::In<'_>) {
        at.abandon(&StatePark);
    }
}

/// [`Semaphore`](super::Semaphore).
pub(crate) struct SemaphoreKind;

impl Kind for SemaphoreKind {
    type In<'m> = state::Semaphore<'m>;
    const NAME: &'static str = "Semaphore";
    const NUMBER: u32 = 5;
    const COUNTS: RangeInclusive<usize> = 1..=MAX_PERMITS;
    const IS_WAITED_FOR: bool = true;

    fn bytes(count: usize) -> usize {
        state::Semaphore::bytes(count)
    }

    #[inline]
    fn lay<'m>(place: &mut Place<'m>, count: usize) -> Result<Self::In<'m>, PlaceError> {
        state::Semaphore::in_place(place, count)
    }

    fn give_back(at: &Self::In<'_>, dead: OwnerIndex) {
        at.give_back(dead, &StatePark);
    }
}

/// [`Barrier`](super::Barrier).
pub(crate) struct BarrierKind;

impl Kind for BarrierKind {
    type In<'m> = state::Barrier<'m>;
    const NAME: &'static str = "Barrier";
    const NUMBER: u32 = 6;
    const COUNTS: RangeInclusive<usize> = 1..=MAX_PARTIES;
    const IS_WAITED_FOR: bool = true;

    fn bytes(_: usize) -> usize {
        state::Barrier::bytes()
    }

    #[inline]
    fn lay<'m>(place: &mut Place<'m>, count: usize) -> Result<Self::In<'m>, PlaceError> {
        state::Barrier::in_place(place, count)
    }

    fn give_back(at: &Self::In<'_>, dead: OwnerIndex) {
        at.give_back(dead, &StatePark);
    }

    fn end(at: &Self::In<'_>) {
        at.abort(&StatePark);
    }
}

/// [`Queue`](super::Queue).
pub(crate) struct QueueKind<T>(PhantomData<T>);

impl<T: Pod + Send + Sync> Kind for QueueKind<T> {
    type In<'m> = state::Queue<'m, T>;
    const NAME: &'static str = "Queue";
    const NUMBER: u32 = 7;
    const ITEM_ALIGN: usize = align_of::<T>();
    const ITEM_BYTES: usize = size_of::<T>();
    const COUNTS: RangeInclusive<usize> = 1..=MAX_CAPACITY;
    const IS_WAITED_FOR: bool = true;

    fn bytes(count: usize) -> usize {
        state::Queue::<T>::bytes(count)
    }

    #[inline]
    fn lay<'m>(place: &mut Place<'m>, count: usize) -> Result<Self::In<'m>, PlaceError> {
        state::Queue::in_place(place, count)
    }

    fn give_back(at: &Self::In<'_>, dead: OwnerIndex) {
        at.give_back(dead, &StatePark);
    }

    fn end(at: &Self::In<'_>) {
        at.close(&StatePark);
    }
}
