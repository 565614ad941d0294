//! Shared state laid over a block of the arena.
//!
//! ```text
//!   the block, aligned to 64
//!   0           64
//!  +-----------+----------------------------+- - -
//!  | StampCell | the primitive, of kind K   |
//!  +-----------+----------------------------+- - -
//! ```
//!
//! Why this is sound. The block is of the kind *common*: in no process is there a slice of its
//! bytes, whatever descriptors are sent, and it is not used for anything else as long as a
//! handle on it lives anywhere (the arena's promise). So all who touch the bytes do so
//! through this file. They lay the same over them, because the stamp says which primitive,
//! what size and alignment its items have, and how many there are, and whoever expects
//! something else is refused, as is a descriptor that does not begin where the block does. (Two items of one size and alignment may differ in their type:
//! they are plain data, and any bytes are a value of either.) A process that writes over the
//! stamp, past this interface, can make those who attach later lay something else: still
//! within the block, of types for which any bytes are a value.
//!
//! The primitive is taken from the block anew for each operation, which costs a few
//! additions, rather than kept beside it as a reference that would outlive it by a moment.

use std::marker::PhantomData;
use std::ptr::NonNull;

use forkyard_shm::OwnerIndex;
use forkyard_shm::arena::{Common, Fault};
use forkyard_shm::state::{Place, PlaceError, StampCell};

use crate::arena::{ArenaId, Block, BlockMut, Descriptor, RawArena};
use crate::state::Kind;

/// A handle on shared state: the block that it lies in, held.
pub(crate) struct Laid<K> {
    block: Common,
    count: usize,
    of: PhantomData<fn() -> K>,
}

/// Why a descriptor does not lead to what was expected.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MeetError {
    /// There is no such block.
    #[error(transparent)]
    Block(#[from] Fault),
    /// It names what lies within.
    #[error("what was sent names byte {0} of a block of shared state, which begins at byte 0")]
    Part(u64),
    /// There is something else in it.
    #[error(
        "what was sent is no {expected} of this type: its block is marked as of kind {kind}, with items of {item_bytes} bytes"
    )]
    Other {
        expected: &'static str,
        kind: u32,
        item_bytes: u64,
    },
    /// The block is too small for what its mark says, or there can be no such number.
    #[error("what was sent does not fit its block: {0}; a process of this pool wrote over it")]
    Place(#[from] PlaceError),
}

/// The bytes that `count` of a kind take, with the stamp in front.
pub(crate) fn bytes<K: Kind>(count: usize) -> usize {
    K::bytes(count).saturating_add(size_of::<StampCell>())
}

impl<K: Kind> Laid<K> {
    /// Makes it in a block of [`bytes`], in its initial state.
    ///
    /// # Errors
    /// [`PlaceError`], when there can be no such number or the block is too small.
    pub(crate) fn make(mut block: BlockMut, count: usize) -> Result<Self, PlaceError> {
        let len = block.len();
        let bytes = NonNull::from(&mut block[..]).cast();
        // SAFETY: the only handle on the block, which is mapped as long as it lives; nobody
        // else knows of it. From here on its bytes are reached as the module says.
        let mut place = unsafe { Place::zeroed(bytes, len) };
        place.take::<StampCell>()?.write(K::stamp(count));
        K::lay(&mut place, count)?;
        Ok(Self {
            block: block.into_common(),
            count,
            of: PhantomData,
        })
    }

    /// Takes part in what a peer of the pool has sent, after checking that it is that.
    ///
    /// # Errors
    /// [`MeetError`], for any bytes that a peer may have sent.
    pub(crate) fn meet(arena: &RawArena, descriptor: &Descriptor) -> Result<Self, MeetError> {
        if descriptor.offset != 0 {
            return Err(MeetError::Part(descriptor.offset));
        }
        let mut laid = Self {
            block: arena.meet(descriptor)?,
            count: 0,
            of: PhantomData,
        };
        let found = laid.place().take::<StampCell>()?.read();
        laid.count = usize::try_from(found.count).unwrap_or(usize::MAX);
        if found != K::stamp(laid.count) {
            return Err(MeetError::Other {
                expected: K::NAME,
                kind: found.kind,
                item_bytes: found.item_bytes,
            });
        }
        laid.take_all()?;
        Ok(laid)
    }

    /// As [`meet`](Self::meet), of what this process itself has made with that count.
    ///
    /// # Errors
    /// [`MeetError`], when nobody holds it any more.
    pub(crate) fn meet_again(
        arena: &RawArena,
        descriptor: &Descriptor,
        count: usize,
    ) -> Result<Self, MeetError> {
        let laid = Self {
            block: arena.meet(descriptor)?,
            count,
            of: PhantomData,
        };
        laid.take_all()?;
        Ok(laid)
    }

    #[inline]
    fn place(&self) -> Place<'_> {
        // SAFETY: the block is mapped, with `len` bytes, as long as `self` lives, and its bytes
        // are reached as the module says: the stamp first, then what it names.
        unsafe { Place::attach(self.block.as_ptr(), self.block.len()) }
    }

    /// The stamp, and the primitive behind it, from a block that may not be what it should.
    fn take_all(&self) -> Result<K::In<'_>, PlaceError> {
        let mut place = self.place();
        place.take::<StampCell>()?;
        K::lay(&mut place, self.count)
    }

    /// The primitive.
    #[inline]
    pub(crate) fn get(&self) -> K::In<'_> {
        // SAFETY: the stamp was taken from the front of this block when the handle was made, so
        // this stays within the block or at its end; otherwise as in `place`.
        let mut behind_stamp = unsafe {
            let bytes = self.block.as_ptr().add(size_of::<StampCell>());
            Place::attach(bytes, self.block.len() - size_of::<StampCell>())
        };
        match K::lay(&mut behind_stamp, self.count) {
            Ok(primitive) => primitive,
            Err(_) => unreachable!("it was laid over this block before, of this length"),
        }
    }

    /// How many there are of what its kind counts.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Who this process is among those that share it.
    #[inline]
    pub(crate) fn owner(&self) -> OwnerIndex {
        self.block.owner()
    }

    /// What to send.
    pub(crate) fn descriptor(&self) -> Descriptor {
        self.block.descriptor()
    }

    /// Whether it is a place of that arena.
    pub(crate) fn is_of(&self, arena: ArenaId) -> bool {
        self.block.is_of(arena)
    }

    /// What keeps the block while a message that speaks of it is on its way.
    pub(crate) fn keep(&self) -> Block {
        self.block.keep()
    }
}

impl<K> Clone for Laid<K> {
    fn clone(&self) -> Self {
        Self {
            block: self.block.clone(),
            count: self.count,
            of: PhantomData,
        }
    }
}
