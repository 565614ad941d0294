//! The handles: a block of one's own, a block shared for reading, a block lent in parts.
//!
//! ```text
//!   alloc ---> BlockMut ---- freeze ----> Block --- descriptor ---> resolve: Block
//!               ^  |  ^ \                  |
//!               |  |  |  +--- lend ---> Lent -- descriptor_of ---> borrow: Chunk
//!               |  |  +---------------- regain, when nobody else has it
//!               |  +-- into_common ---> Common -- descriptor -----> meet: Common  (see `common`)
//!               |  +-- offer ---> Offer -- descriptor
//!               +---- take <-----------------+    (in any process)
//! ```

use core::ops::{Deref, DerefMut, Range};
use std::sync::Arc;

use super::descriptor::{Descriptor, Fault};
use super::hold::{Hold, View, joined};
use super::mapping::Mapping;
use super::offer::Offer;
use super::state::Kind;
use super::warm::ArenaId;

/// A block that this process alone has, to write into. Drop frees it.
pub struct BlockMut {
    /// `None` only while it is being dropped or turned into something else.
    mapping: Option<Arc<Mapping>>,
    block: u32,
    generation: u32,
    view: View,
}

// SAFETY: the handle is the only way to its bytes, as an owned buffer is.
unsafe impl Send for BlockMut {}
// SAFETY: a shared handle only reads.
unsafe impl Sync for BlockMut {}

impl BlockMut {
    /// Wraps a block that this process owns; `len` is cut to what the block has.
    #[inline]
    pub(super) fn new(mapping: Arc<Mapping>, block: u32, generation: u32, len: u64) -> Self {
        let view = View {
            ptr: mapping.payload(block),
            offset: 0,
            len: len.min(mapping.geometry.block_bytes()) as usize,
        };
        Self {
            mapping: Some(mapping),
            block,
            generation,
            view,
        }
    }

    /// The first byte, aligned to 64, and from 16 KiB on to 4096.
    #[inline]
    #[must_use]
    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        self.view.ptr.as_ptr()
    }

    /// Forgets the bytes behind the first `len`.
    pub fn truncate(&mut self, len: usize) {
        self.view.len = self.view.len.min(len);
    }

    pub(super) fn publish(mut self, kind: Kind) -> (Hold, View) {
        let Some(mapping) = self.mapping.take() else {
            unreachable!("a block without its mapping is not reachable by anybody");
        };
        mapping.publish(self.block, self.generation, kind);
        let hold = Hold::new(mapping, self.block, self.generation);
        (hold, self.view)
    }

    /// Ends the writing: from now on the bytes are read, by any number of processes.
    #[must_use]
    pub fn freeze(self) -> Block {
        let (hold, view) = self.publish(Kind::Shared);
        Block::new(hold, view)
    }

    /// Lends the bytes out: parts of them may be written by several processes at a time.
    #[must_use]
    pub fn lend(self) -> Lent {
        let (hold, view) = self.publish(Kind::Lent);
        Lent { hold, view }
    }

    /// What an [`offer`](Self::offer) of this block will say.
    #[must_use]
    pub fn descriptor(&self) -> Descriptor {
        let Some(mapping) = &self.mapping else {
            unreachable!("a block without its mapping is not reachable by anybody");
        };
        self.view.describe(mapping, self.block, self.generation)
    }

    /// Whether it is a block of this very arena: its descriptor means nothing in another.
    #[must_use]
    pub fn is_of(&self, arena: ArenaId) -> bool {
        let mapping = self.mapping.as_ref();
        mapping.is_some_and(|mapping| mapping.core.id() == arena)
    }

    /// Gives the block up to whoever [takes](super::Arena::take) the descriptor first, this
    /// process included. Until then it counts as this owner's, and is freed with the offer.
    pub fn offer(mut self) -> Offer {
        let Some(mapping) = self.mapping.take() else {
            unreachable!("a block without its mapping is not reachable by anybody");
        };
        Offer::new(mapping, self.block, self.generation, self.view)
    }

    /// Checks that the bytes start where a type of this alignment may.
    ///
    /// # Errors
    /// [`Fault::Misaligned`].
    pub fn require_alignment(&self, align: usize) -> Result<(), Fault> {
        self.view.require_alignment(align)
    }
}

impl Drop for BlockMut {
    fn drop(&mut self) {
        let Some(mapping) = self.mapping.take() else {
            return;
        };
        if mapping.abandon(self.block, self.generation) {
            let core = Arc::clone(&mapping.core);
            core.freed(mapping, self.block);
        }
    }
}

/// A handle on bytes that are shared for reading, or on a slice of them. Cloning it counts
/// within this process; the last handle of the last process frees the block.
#[derive(Clone)]
pub struct Block {
    pub(super) hold: Hold,
    pub(super) view: View,
    /// Whether these bytes were found to be UTF-8; set in `text` alone.
    pub(super) is_text: bool,
}

// SAFETY: the bytes are only read while any handle exists, from whatever thread.
unsafe impl Send for Block {}
// SAFETY: as for Send.
unsafe impl Sync for Block {}

impl Block {
    pub(super) fn joined(mapping: Arc<Mapping>, named: &Descriptor) -> Self {
        let (hold, view) = joined(mapping, named);
        Self::new(hold, view)
    }

    fn new(hold: Hold, view: View) -> Self {
        Self {
            hold,
            view,
            is_text: false,
        }
    }

    /// Whether the handle shows all that was written, not a part of it.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.view.offset == 0 && self.hold.written() == self.view.len as u64
    }

    /// The bytes.
    #[inline]
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        // SAFETY: the view lies within a payload that is mapped as long as the handle lives,
        // was zeroed when it was made, and that nobody writes while it is SHARED.
        unsafe { core::slice::from_raw_parts(self.view.ptr.as_ptr(), self.view.len) }
    }

    /// What to send. The receiver resolves it while this handle, or a clone, still lives.
    #[must_use]
    pub fn descriptor(&self) -> Descriptor {
        self.hold.describe(self.view)
    }

    /// Whether it is a block of this very arena: its descriptor means nothing in another.
    #[must_use]
    pub fn is_of(&self, arena: ArenaId) -> bool {
        self.hold.mapping().core.id() == arena
    }

    /// A handle on a part of the bytes; `None` when the range is not within them.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Option<Self> {
        let view = self.view.narrow(&range)?;
        Some(Self::new(self.hold.clone(), view))
    }

    /// What to send for a part of the bytes, without a handle of its own.
    #[must_use]
    pub fn descriptor_of(&self, range: Range<usize>) -> Option<Descriptor> {
        Some(self.hold.describe(self.view.narrow(&range)?))
    }

    /// The whole block to write into, if no other handle on it is left in any process.
    ///
    /// # Errors
    /// The handle, when there is another.
    pub fn try_into_mut(mut self) -> Result<BlockMut, Self> {
        self.hold.regain().ok_or(self)
    }

    /// Checks that the bytes start where a type of this alignment may.
    ///
    /// # Errors
    /// [`Fault::Misaligned`].
    pub fn require_alignment(&self, align: usize) -> Result<(), Fault> {
        self.view.require_alignment(align)
    }
}

/// A block that its owner has lent out in parts, and gets back when all are returned.
pub struct Lent {
    hold: Hold,
    view: View,
}

// SAFETY: the handle itself gives no access to the bytes.
unsafe impl Send for Lent {}
// SAFETY: as for Send.
unsafe impl Sync for Lent {}

impl Lent {
    /// What to send for a part of the bytes; `None` when the range is not within them.
    #[must_use]
    pub fn descriptor_of(&self, range: Range<usize>) -> Option<Descriptor> {
        Some(self.hold.describe(self.view.narrow(&range)?))
    }

    /// Takes the block back.
    ///
    /// # Errors
    /// The handle, while a [`Chunk`] of it is left in any process. To drop it then is safe:
    /// the block is freed with the last chunk.
    pub fn regain(mut self) -> Result<BlockMut, Self> {
        self.hold.regain().ok_or(self)
    }
}

/// A part of a lent block, to write into.
pub struct Chunk {
    /// Dropped with the chunk, which gives the hold back.
    _hold: Hold,
    view: View,
}

// SAFETY: as for BlockMut: whoever made the chunk promised that no other one overlaps it.
unsafe impl Send for Chunk {}
// SAFETY: a shared handle only reads.
unsafe impl Sync for Chunk {}

impl Chunk {
    pub(super) fn joined(mapping: Arc<Mapping>, named: &Descriptor) -> Self {
        let (_hold, view) = joined(mapping, named);
        Self { _hold, view }
    }

    /// Checks that the bytes start where a type of this alignment may.
    ///
    /// # Errors
    /// [`Fault::Misaligned`].
    pub fn require_alignment(&self, align: usize) -> Result<(), Fault> {
        self.view.require_alignment(align)
    }
}

impl Deref for Block {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.as_slice()
    }
}

/// Gives the handles that alone may write their bytes the access to them.
macro_rules! writes_its_bytes {
    ($handle:ty) => {
        impl Deref for $handle {
            type Target = [u8];

            #[inline]
            fn deref(&self) -> &[u8] {
                // SAFETY: the view lies within a payload that is mapped as long as the handle
                // lives and was zeroed when it was made; only this handle may write it.
                unsafe { core::slice::from_raw_parts(self.view.ptr.as_ptr(), self.view.len) }
            }
        }

        impl DerefMut for $handle {
            #[inline]
            fn deref_mut(&mut self) -> &mut [u8] {
                // SAFETY: as above, and `&mut self` makes this the only slice.
                unsafe { core::slice::from_raw_parts_mut(self.view.ptr.as_ptr(), self.view.len) }
            }
        }
    };
}

writes_its_bytes!(BlockMut);
writes_its_bytes!(Chunk);

/// Prints what a handle is, not its bytes, which may be many.
macro_rules! debug_by_view {
    ($($handle:ident)*) => {$(
        impl core::fmt::Debug for $handle {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, "{}({} bytes)", stringify!($handle), self.view.len)
            }
        }
    )*};
}

debug_by_view!(BlockMut Block Lent Chunk);
