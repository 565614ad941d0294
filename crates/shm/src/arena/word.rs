//! The state word of a directory entry, as a value.
//!
//! ```text
//!   63              43 42     35 34  32 31                             0
//!  +------------------+---------+------+--------------------------------+
//!  | generation       | owner   | kind | pages of 4096 bytes            |
//!  +------------------+---------+------+--------------------------------+
//! ```
//!
//! The size stands in the word, so that claiming an entry and reserving its bytes are one
//! step, and the sum over all entries is right whoever dies when.

use super::ExtentId;
use super::geometry::PAGE_BYTES;
use crate::OwnerIndex;

const KIND_SHIFT: u32 = 32;
const OWNER_SHIFT: u32 = 35;
const GENERATION_SHIFT: u32 = 43;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum EntryKind {
    /// No extent. Zero, so that a fresh directory is empty.
    Empty = 0,
    /// The owner makes the extent.
    Creating = 1,
    /// Anybody may map and use the extent.
    Ready = 2,
    /// As Ready, while the owner claims all its blocks, to retire it.
    Draining = 3,
    /// The owner has claimed all blocks and takes the name away.
    Retired = 4,
    /// What no correct process writes.
    Corrupt = 5,
}

/// The whole word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Word(pub(crate) u64);

impl Word {
    pub(crate) fn kind(self) -> EntryKind {
        match (self.0 >> KIND_SHIFT) & 0b111 {
            0 => EntryKind::Empty,
            1 => EntryKind::Creating,
            2 => EntryKind::Ready,
            3 => EntryKind::Draining,
            4 => EntryKind::Retired,
            _ => EntryKind::Corrupt,
        }
    }

    /// Bytes that the extent takes, or is about to.
    pub(crate) fn bytes(self) -> u64 {
        (self.0 & u64::from(u32::MAX)) * PAGE_BYTES
    }

    pub(crate) fn generation(self) -> u32 {
        (self.0 >> GENERATION_SHIFT) as u32
    }

    pub(crate) fn id(self, index: u16) -> ExtentId {
        ExtentId {
            index,
            generation: self.generation(),
        }
    }

    /// Whether the extent may be mapped.
    pub(crate) fn is_open(self) -> bool {
        matches!(self.kind(), EntryKind::Ready | EntryKind::Draining)
    }

    /// Whether nobody will use the extent any more.
    pub(crate) fn is_over(self) -> bool {
        matches!(self.kind(), EntryKind::Empty | EntryKind::Retired)
    }

    pub(crate) fn is_of(self, kind: EntryKind, owner: OwnerIndex) -> bool {
        self.kind() == kind && (self.0 >> OWNER_SHIFT) & 0xff == u64::from(owner.get())
    }

    /// The same extent in another state, in the hands of `owner`.
    pub(crate) fn with(self, kind: EntryKind, owner: OwnerIndex) -> Self {
        let rest = self.0 & !(0b111 << KIND_SHIFT | 0xff << OWNER_SHIFT);
        Self(rest | (kind as u64) << KIND_SHIFT | u64::from(owner.get()) << OWNER_SHIFT)
    }

    /// The claim on this entry, which is empty, for a new extent.
    pub(crate) fn creating(self, owner: OwnerIndex, bytes: u64) -> Self {
        // The generation stands on top: it wraps without touching the rest.
        let generation = u64::from(self.generation()).wrapping_add(1) << GENERATION_SHIFT;
        Self(generation | (bytes / PAGE_BYTES)).with(EntryKind::Creating, owner)
    }

    /// The entry without its extent. The generation stays, so that the next one differs.
    pub(crate) fn emptied(self) -> Self {
        Self(u64::from(self.generation()) << GENERATION_SHIFT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_do_not_overlap() {
        let owner = OwnerIndex::new(255);
        let most = u64::from(u32::MAX) * PAGE_BYTES;
        let word = Word(u64::MAX << GENERATION_SHIFT).creating(owner, most);
        assert_eq!(word.generation(), 0, "wrapped");
        let word = word.emptied().creating(owner, most);
        assert!(word.is_of(EntryKind::Creating, owner));
        assert_eq!((word.generation(), word.bytes()), (1, most));
        let ready = word.with(EntryKind::Ready, OwnerIndex::SUPERVISOR);
        assert!(ready.is_open() && ready.is_of(EntryKind::Ready, OwnerIndex::SUPERVISOR));
        assert_eq!((ready.generation(), ready.bytes()), (1, most));
        assert_eq!(Word(0).emptied(), Word(0));
    }
}
