//! What crosses between processes in place of a payload, and how it may be wrong.

use bytemuck::{Pod, Zeroable};

use super::state::{Kind, State};
use super::{ExtentError, ExtentId, Geometry};

/// Names a range of bytes in a block, under one generation of it. Plain data: it proves
/// nothing, and whoever receives one has it checked by the arena.
///
/// ```text
///  0         8         16        20           24                  28       30     32
///  +---------+---------+---------+------------+-------------------+--------+------+
///  | offset  | len     | block   | generation | extent_generation | extent | zero |
///  +---------+---------+---------+------------+-------------------+--------+------+
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Descriptor {
    /// First byte, counted from the start of the block.
    pub offset: u64,
    /// Number of bytes.
    pub len: u64,
    /// The block within the extent.
    pub block: u32,
    /// The use of the block that is meant.
    pub generation: u32,
    /// The use of the directory entry that is meant.
    pub extent_generation: u32,
    /// The directory entry.
    pub extent: u16,
    /// Always zero.
    pub zero: u16,
}

const _: () = {
    use core::mem::{align_of, offset_of, size_of};
    assert!(size_of::<Descriptor>() == 32 && align_of::<Descriptor>() == 8);
    assert!(offset_of!(Descriptor, offset) == 0);
    assert!(offset_of!(Descriptor, len) == 8);
    assert!(offset_of!(Descriptor, block) == 16);
    assert!(offset_of!(Descriptor, generation) == 20);
    assert!(offset_of!(Descriptor, extent_generation) == 24);
    assert!(offset_of!(Descriptor, extent) == 28);
    assert!(offset_of!(Descriptor, zero) == 30);
};

impl Descriptor {
    /// The extent that is meant.
    #[must_use]
    pub fn extent_id(&self) -> ExtentId {
        ExtentId {
            index: self.extent,
            generation: self.extent_generation,
        }
    }

    /// Checks block and range against an extent that was mapped.
    pub(super) fn check(&self, geometry: Geometry) -> Result<(), Fault> {
        if self.block >= geometry.blocks() {
            return Err(Fault::NoSuchBlock {
                extent: self.extent_id(),
                block: self.block,
                blocks: geometry.blocks(),
            });
        }
        self.check_range(geometry.block_bytes())
    }

    /// Checks the range against the bytes that there are.
    pub(super) fn check_range(&self, available: u64) -> Result<(), Fault> {
        match self.offset.checked_add(self.len) {
            Some(end) if end <= available => Ok(()),
            _ => Err(Fault::OutOfBounds {
                offset: self.offset,
                len: self.len,
                available,
            }),
        }
    }

    /// What is wrong with a block that is `seen` where it should be of this kind.
    pub(super) fn fault(&self, wanted: Kind, seen: State) -> Fault {
        let (extent, block) = (self.extent_id(), self.block);
        if seen.kind() == Kind::Corrupt {
            return Fault::CorruptBlock { extent, block };
        }
        if seen.generation() != self.generation || seen.kind() == Kind::Free {
            return Fault::Stale {
                extent,
                block,
                named: self.generation,
                found: seen.generation(),
            };
        }
        let name = |kind| match kind {
            Kind::Free | Kind::Corrupt => "free",
            Kind::Owned => "one owner's alone",
            Kind::Offered => "on offer to one taker",
            Kind::Shared => "shared for reading",
            Kind::Lent => "lent out in parts",
            Kind::Common => "shared state",
        };
        Fault::WrongUse {
            extent,
            block,
            wanted: name(wanted),
            found: name(seen.kind()),
        }
    }
}

/// Why a descriptor does not lead to a payload. It came from a peer, so none of this is a
/// bug of the process that finds it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Bytes that no descriptor has.
    #[error(
        "not a descriptor: its reserved bytes are {found:#06x}, not zero; the peer is of another build or wrote over it"
    )]
    Malformed {
        /// What stands in the reserved bytes.
        found: u16,
    },
    /// The directory has no such entry.
    #[error("the descriptor names extent {extent}, but there are {max}; the peer wrote it wrong", max = super::MAX_EXTENTS)]
    NoSuchExtent {
        /// The entry named.
        extent: u16,
    },
    /// The entry is empty or holds another extent by now.
    #[error(
        "extent {extent} is not there any more; its blocks were all given back, so the sender let go of this one too early or died"
    )]
    StaleExtent {
        /// The extent named.
        extent: ExtentId,
    },
    /// The directory contradicts itself.
    #[error(
        "the directory says of extent {extent} what cannot be; a process of this pool wrote over it: end the pool"
    )]
    CorruptExtent {
        /// The extent named.
        extent: ExtentId,
    },
    /// The extent could not be mapped.
    #[error("the extent of the descriptor cannot be mapped")]
    Extent(#[from] ExtentError),
    /// The extent has no such block.
    #[error(
        "the descriptor names block {block} of extent {extent}, which has {blocks}; the peer wrote it wrong"
    )]
    NoSuchBlock {
        /// The extent named.
        extent: ExtentId,
        /// The block named.
        block: u32,
        /// How many it has.
        blocks: u32,
    },
    /// A block's state word is one that no process writes.
    #[error(
        "the header of block {block} of extent {extent} is corrupt; a process of this pool wrote over it: end the pool"
    )]
    CorruptBlock {
        /// The extent named.
        extent: ExtentId,
        /// The block named.
        block: u32,
    },
    /// The block was freed, and perhaps used anew, since.
    #[error(
        "block {block} of extent {extent} is in use {found}, the descriptor means use {named}; the sender let go of it too early or died"
    )]
    Stale {
        /// The extent named.
        extent: ExtentId,
        /// The block named.
        block: u32,
        /// The generation in the descriptor.
        named: u32,
        /// The generation in the block.
        found: u32,
    },
    /// The block is there, but not for this.
    #[error(
        "block {block} of extent {extent} is {found}, and was to be {wanted}; sender and receiver disagree on how the value is passed"
    )]
    WrongUse {
        /// The extent named.
        extent: ExtentId,
        /// The block named.
        block: u32,
        /// What the receiver wants it for.
        wanted: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// The range does not lie within the block.
    #[error(
        "the descriptor means {len} bytes at {offset} of a block of {available}; the peer wrote it wrong"
    )]
    OutOfBounds {
        /// First byte.
        offset: u64,
        /// Number of bytes.
        len: u64,
        /// Bytes that there are.
        available: u64,
    },
    /// The range does not start where the caller's type has to.
    #[error(
        "the payload starts at byte {offset} of its block, where a type aligned to {align} cannot; share a slice that starts at an item"
    )]
    Misaligned {
        /// First byte.
        offset: u64,
        /// What the type needs.
        align: usize,
    },
    /// The arena was inherited through fork and belongs to the parent.
    #[error("this arena belongs to the parent process; attach a new one after fork")]
    Disowned,
}
