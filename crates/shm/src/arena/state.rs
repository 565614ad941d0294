//! The state word of a block, as a value.
//!
//! ```text
//!   63                              35 34  32 31                             0
//!  +----------------------------------+------+--------------------------------+
//!  | owner, or count of changes       | kind | generation                     |
//!  +----------------------------------+------+--------------------------------+
//! ```
//!
//! The count of changes stands on top so that it wraps without touching the rest.

use crate::OwnerIndex;

const KIND_SHIFT: u32 = 32;
const NOTE_SHIFT: u32 = 35;

/// What a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// Nobody's. Zero, so that a fresh extent is full of free blocks.
    Free = 0,
    /// One owner's, for it alone to write. The upper bits name the owner.
    Owned = 1,
    /// Given up by the owner in the upper bits, for the first to take it.
    Offered = 2,
    /// Read by every owner whose holder bit is set. The upper bits count changes.
    Shared = 3,
    /// Lent out by one holder to the others, who write disjoint parts of it. As `Shared`.
    Lent = 4,
    /// Written through atomics alone, by every holder at any time. As `Shared`.
    Common = 5,
    /// What no correct process writes.
    Corrupt = 6,
}

/// The whole word.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct State(pub(crate) u64);

impl State {
    pub(crate) const ONE_CHANGE: u64 = 1 << NOTE_SHIFT;

    pub(crate) fn free(generation: u32) -> Self {
        Self(u64::from(generation))
    }

    pub(crate) fn of_owner(kind: Kind, generation: u32, owner: OwnerIndex) -> Self {
        Self::pack(kind, generation, u64::from(owner.get()))
    }

    /// Shared or lent, freshly so.
    pub(crate) fn held(kind: Kind, generation: u32) -> Self {
        Self::pack(kind, generation, 0)
    }

    fn pack(kind: Kind, generation: u32, note: u64) -> Self {
        Self(note << NOTE_SHIFT | (kind as u64) << KIND_SHIFT | u64::from(generation))
    }

    pub(crate) fn generation(self) -> u32 {
        self.0 as u32
    }

    pub(crate) fn kind(self) -> Kind {
        match (self.0 >> KIND_SHIFT) & 0b111 {
            0 => Kind::Free,
            1 => Kind::Owned,
            2 => Kind::Offered,
            3 => Kind::Shared,
            4 => Kind::Lent,
            5 => Kind::Common,
            _ => Kind::Corrupt,
        }
    }

    pub(crate) fn is_held(self) -> bool {
        matches!(self.kind(), Kind::Shared | Kind::Lent | Kind::Common)
    }

    pub(crate) fn is(self, kind: Kind, generation: u32) -> bool {
        self.kind() == kind && self.generation() == generation
    }

    /// Whether it is `kind` of this owner, for the kinds that name one.
    pub(crate) fn is_of(self, kind: Kind, owner: OwnerIndex) -> bool {
        self.kind() == kind && self.0 >> NOTE_SHIFT == u64::from(owner.get())
    }

    /// The same with one change more.
    pub(crate) fn changed(self) -> Self {
        Self(self.0.wrapping_add(Self::ONE_CHANGE))
    }
}

impl core::fmt::Debug for State {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let (kind, note) = (self.kind(), self.0 >> NOTE_SHIFT);
        write!(f, "{kind:?}({note})@{}", self.generation())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_do_not_overlap() {
        let state = State::of_owner(Kind::Offered, u32::MAX, OwnerIndex::new(255));
        assert!(state.is(Kind::Offered, u32::MAX));
        assert!(state.is_of(Kind::Offered, OwnerIndex::new(255)));
        let wrapped = State(u64::MAX << NOTE_SHIFT | State::held(Kind::Lent, 7).0).changed();
        assert_eq!(wrapped, State::held(Kind::Lent, 7));
        assert_eq!(State::free(0).0, 0);
    }
}
