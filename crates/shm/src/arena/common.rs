//! Blocks that every holder writes, at any time: for what lies in shared memory and changes
//! there, such as locks and queues.
//!
//! Neither of the other kinds would do. The bytes of a SHARED block are lent out as `&[u8]` by
//! a safe method, and must not change under it. Of a LENT block disjoint parts are written as
//! `&mut [u8]`, so a descriptor of one that named what others reach through atomics would
//! break that promise. A kind of its own, in the header, keeps the two apart whatever
//! descriptors are sent: a block of one kind is never joined as another.
//!
//! A COMMON block shows its bytes to nobody by itself: there is a pointer, and it takes
//! `unsafe` to use it.

use core::ptr::NonNull;

use super::descriptor::{Descriptor, Fault};
use super::handle::{Block, BlockMut};
use super::hold::{Hold, View, joined};
use super::process::Arena;
use super::state::Kind;
use super::warm::ArenaId;
use crate::OwnerIndex;

/// A handle on a block that all its holders write. Cloning it counts within this process; the
/// last handle of the last process frees the block.
#[derive(Clone)]
pub struct Common {
    hold: Hold,
    view: View,
}

// SAFETY: the handle itself gives no access to the bytes.
unsafe impl Send for Common {}
// SAFETY: as for Send.
unsafe impl Sync for Common {}

impl BlockMut {
    /// Ends the writing by one: from now on all holders write, through what they lay over it.
    #[must_use]
    pub fn into_common(self) -> Common {
        let (hold, view) = self.publish(Kind::Common);
        Common { hold, view }
    }
}

impl Arena {
    /// Takes part in what a peer has made [common](BlockMut::into_common).
    ///
    /// # Errors
    /// [`Fault`] by name, for any bytes that a peer may have put into the descriptor.
    pub fn meet(&self, named: &Descriptor) -> Result<Common, Fault> {
        let mapping = self.checked(named)?;
        mapping.join(named, Kind::Common)?;
        let (hold, view) = joined(mapping, named);
        Ok(Common { hold, view })
    }

    /// Whether the common block that is meant is still held by anybody, as far as one can see:
    /// also when its extent cannot be mapped.
    #[must_use]
    pub fn is_common(&self, named: &Descriptor) -> bool {
        match self.checked(named) {
            Ok(mapping) => {
                let header = mapping.header(named.block);
                header.look().is(Kind::Common, named.generation)
            }
            Err(fault) => matches!(fault, Fault::Extent(_)),
        }
    }
}

impl Common {
    /// The first byte, aligned to 64, and from 16 KiB on to 4096. It is mapped, with
    /// [`len`](Self::len) bytes, as long as any handle on the block lives in this process.
    #[inline]
    #[must_use]
    pub fn as_ptr(&self) -> NonNull<u8> {
        self.view.ptr
    }

    /// How many bytes there are.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.view.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.view.len == 0
    }

    /// What to send. The receiver [meets](Arena::meet) it while this handle, a clone or what
    /// [`keep`](Self::keep) returned still lives.
    #[must_use]
    pub fn descriptor(&self) -> Descriptor {
        self.hold.describe(self.view)
    }

    /// A handle that keeps the block, and shows none of its bytes, for what keeps blocks
    /// without looking into them: an empty slice may be of anything.
    #[must_use]
    pub fn keep(&self) -> Block {
        Block {
            hold: self.hold.clone(),
            view: View {
                len: 0,
                ..self.view
            },
            is_text: false,
        }
    }

    /// Whether it is a block of this very arena: its descriptor means nothing in another.
    #[must_use]
    pub fn is_of(&self, arena: ArenaId) -> bool {
        self.hold.mapping().core.id() == arena
    }

    /// Who this process is in the arena of the block.
    #[inline]
    #[must_use]
    pub fn owner(&self) -> OwnerIndex {
        self.hold.mapping().owner()
    }
}

impl core::fmt::Debug for Common {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Common({} bytes)", self.view.len)
    }
}
