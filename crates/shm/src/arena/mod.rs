//! The arena: payloads too large for a lane, in memory that all processes map.
//!
//! ```text
//!   control segment           extents, one OS object each, made on demand
//!  +-----------------+       +-----------------------------------+
//!  | Directory       |  +--> | headers | payload | payload | ... |  64 KiB, blocks of 256
//!  |  entry 0 -------+--+    +-----------------------------------+
//!  |  entry 1 -------+-----> +-----------------------------------+
//!  |  ...            |       | header  | payload                 |  one block of 100 MiB
//!  |  entry 255      |       +-----------------------------------+
//!  +-----------------+
//! ```
//!
//! A process [allocates](Arena::alloc) a [`BlockMut`], writes, and then either
//! [freezes](BlockMut::freeze) it to share it, [offers](BlockMut::offer) it to move it,
//! [lends](BlockMut::lend) parts of it, or makes it [common](BlockMut::into_common) for what
//! all write through atomics. What crosses to another process is a [`Descriptor`], which that
//! process [resolves](Arena::resolve), [takes](Arena::take), [borrows](Arena::borrow) or
//! [meets](Arena::meet), and which is checked there: a wrong one is a [`Fault`] by name.
//!
//! Blocks are recycled, the last one freed first, because first touch of fresh memory costs
//! more than the copy into warm memory.
//!
//! # No lists, no locks
//! Nothing in shared memory is linked. A block is had by one compare-and-swap on its own
//! header, an extent by one on its directory entry; who has it stands in the same word. So
//! a process may die between any two instructions, and [`Arena::reclaim`] finds what it
//! had by walking the headers. What makes allocation fast, the blocks freed lately and the
//! place of the last search, is each process's own knowledge and nobody's loss.
//!
//! # Whose a shared block is
//! References are counted once per process: each owner has one *holder bit* in the header,
//! and counts its own handles privately. A crashed owner's references are then one bit, to
//! be cleared. How the last holder is told over four words of bits is argued in `header`.
//!
//! The sender of a [`Block`]'s descriptor keeps a handle until the receiver has resolved
//! it; a descriptor that comes late is [`Fault::Stale`], never somebody else's payload.
//!
//! # When there is no room
//! Allocation fails with an [`AllocError`] that says how much there is, or
//! [waits](Arena::alloc_within) until a peer gives something back; `wanted` argues why no
//! free is slept through.
//!
//! # What is sound against whom
//! Among processes that use this interface, the bytes behind `&[u8]` are not written while
//! the slice lives: a block is written only while it is OWNED by one process, which has a
//! single `BlockMut` on it, or LENT or COMMON, where access is `unsafe`; and it is recycled only when
//! no holder bit is set. No descriptor, forged ones included, can break this, because what
//! it may be used for stands in the block's header. A process that writes shared memory
//! *past* this interface can change bytes under a slice: that is out of scope, as it is for
//! any shared memory. It still cannot lead another process outside of its mappings: extent
//! geometry is checked and copied when an extent is mapped, everything else against that
//! copy each time.
//!
//! Start reading in `header`, the life of a block; then `directory`, the life of an extent;
//! then [`Arena`].

#[cfg(not(loom))]
mod alloc_error;
mod bury;
#[cfg_attr(loom, expect(dead_code, reason = "the models use the protocols alone"))]
mod class;
#[cfg(not(loom))]
mod common;
#[cfg_attr(loom, expect(dead_code, reason = "the models use the protocols alone"))]
mod descriptor;
#[cfg_attr(loom, expect(dead_code, reason = "the models use the protocols alone"))]
pub(crate) mod directory;
mod extents;
#[cfg_attr(loom, expect(dead_code, reason = "the models use the protocols alone"))]
mod geometry;
#[cfg(not(loom))]
mod growth;
#[cfg(not(loom))]
mod handle;
#[cfg_attr(loom, expect(dead_code, reason = "the models use the protocols alone"))]
pub(crate) mod header;
#[cfg(not(loom))]
mod hold;
#[cfg(not(loom))]
mod mapping;
#[cfg(not(loom))]
mod offer;
#[cfg(not(loom))]
mod process;
#[cfg(not(loom))]
mod reclaim;
pub(crate) mod state;
#[cfg(not(loom))]
mod stats;
#[cfg(all(test, not(loom)))]
mod tests;
#[cfg(not(loom))]
mod text;
#[cfg(not(loom))]
mod wait;
pub(crate) mod wanted;
#[cfg(not(loom))]
mod warm;
#[cfg_attr(loom, expect(dead_code, reason = "the models use the protocols alone"))]
pub(crate) mod word;

#[cfg(not(loom))]
pub use alloc_error::AllocError;
pub use class::{LARGEST_BLOCK, SMALLEST_BLOCK};
#[cfg(not(loom))]
pub use common::Common;
pub use descriptor::{Descriptor, Fault};
pub use directory::{Directory, MAX_EXTENTS};
pub use extents::{Advice, ExtentError, ExtentId, Extents, Mapped};
pub use geometry::{Geometry, MAX_BLOCKS};
#[cfg(not(loom))]
pub use growth::Trimmed;
#[cfg(not(loom))]
pub use handle::{Block, BlockMut, Chunk, Lent};
#[cfg(not(loom))]
pub use offer::Offer;
#[cfg(not(loom))]
pub use process::Arena;
#[cfg(not(loom))]
pub use reclaim::Reclaimed;
#[cfg(not(loom))]
pub use stats::ArenaStats;
#[cfg(not(loom))]
pub use warm::ArenaId;
