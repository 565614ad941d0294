//! Positions in a queue and states of its slots, as values.
//!
//! ```text
//!   63                              24   23 ........ 16   15 .... 8   7 .... 0
//!  +----------------------------------+----------------+-----------+----------+
//!  |  lap, wrapping                   |  index of the slot                    |   Position
//!  +----------------------------------+----------------+-----------+----------+
//!  |  lap, wrapping                   |       0        |  owner    |  kind    |   State
//!  +----------------------------------+----------------+-----------+----------+
//! ```
//!
//! A position is a lap of the ring and a slot in it, not a count of items, so that finding the
//! slot takes no division and a queue may have any capacity. Laps wrap after 2^40: a process
//! that stops before a compare-and-swap for exactly so many laps may claim what is not its turn.
//! A queue of one slot, used as fast as a cache line crosses between two cores, takes days.

use crate::OwnerIndex;

const LAP_SHIFT: u32 = 24;
const OWNER_SHIFT: u32 = 8;
const INDEX: u64 = (1 << LAP_SHIFT) - 1;
/// The distance at which a lap counts as earlier rather than later.
const HALF: u64 = 1 << 39;

/// The most items that a queue can hold.
pub const MAX_CAPACITY: usize = INDEX as usize;

/// What a slot is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// Nothing is in it. Zero, so that fresh memory is an empty queue.
    Free = 0,
    /// The owner writes an item.
    Writing = 1,
    /// An item.
    Full = 2,
    /// The owner reads the item.
    Reading = 3,
    /// An item whose reader died; behind the head, and offered before what is there.
    Returned = 4,
    /// Its writer died; skipped.
    Void = 5,
    /// The end of a closed queue.
    End = 6,
    /// What no correct process writes.
    Corrupt = 7,
}

/// The lap of a position or a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lap(u64);

impl Lap {
    pub(super) fn next(self) -> Self {
        Self((self.0 + 1) & (u64::MAX >> LAP_SHIFT))
    }

    /// Whether it comes before `other`, the shorter way round.
    pub(super) fn is_before(self, other: Self) -> bool {
        let ahead = other.0.wrapping_sub(self.0) & (u64::MAX >> LAP_SHIFT);
        (1..HALF).contains(&ahead)
    }
}

/// The whole word of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State(pub(super) u64);

impl State {
    pub(super) fn new(kind: Kind, lap: Lap) -> Self {
        Self(lap.0 << LAP_SHIFT | kind as u64)
    }

    pub(super) fn of_owner(kind: Kind, lap: Lap, owner: OwnerIndex) -> Self {
        Self(Self::new(kind, lap).0 | u64::from(owner.get()) << OWNER_SHIFT)
    }

    /// Bits that the kind leaves at zero are part of it: a word that differs from what processes
    /// write in those alone would be neither taken for corrupt nor ever be equal to a sound one.
    pub(super) fn kind(self) -> Kind {
        match self.0 & ((1 << LAP_SHIFT) - 1) {
            0 => Kind::Free,
            2 => Kind::Full,
            4 => Kind::Returned,
            5 => Kind::Void,
            6 => Kind::End,
            owned if owned & !(0xff << OWNER_SHIFT) == 1 => Kind::Writing,
            owned if owned & !(0xff << OWNER_SHIFT) == 3 => Kind::Reading,
            _ => Kind::Corrupt,
        }
    }

    pub(super) fn lap(self) -> Lap {
        Lap(self.0 >> LAP_SHIFT)
    }

    pub(super) fn is_of(self, kind: Kind, owner: OwnerIndex) -> bool {
        self == Self::of_owner(kind, self.lap(), owner)
    }
}

/// The head or the tail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position(pub(super) u64);

impl Position {
    pub(super) fn lap(self) -> Lap {
        Lap(self.0 >> LAP_SHIFT)
    }

    pub(super) fn index(self) -> usize {
        (self.0 & INDEX) as usize
    }

    /// The one after it in a ring of `capacity` slots.
    pub(super) fn next(self, capacity: usize) -> Self {
        if self.index() + 1 < capacity {
            Self(self.0 + 1)
        } else {
            Self(self.lap().next().0 << LAP_SHIFT)
        }
    }

    /// How many positions after `earlier` in a ring of `capacity`; wrong if they were not
    /// read at one instant, and then at least within the ring.
    pub(super) fn since(self, earlier: Self, capacity: usize) -> usize {
        let laps = usize::from(self.lap() != earlier.lap()) * capacity;
        (laps + self.index())
            .saturating_sub(earlier.index())
            .min(capacity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_do_not_overlap() {
        let (lap, owner) = (Lap(u64::MAX >> LAP_SHIFT), OwnerIndex::new(255));
        let state = State::of_owner(Kind::Reading, lap, owner);
        assert_eq!((state.kind(), state.lap()), (Kind::Reading, lap));
        assert!(state.is_of(Kind::Reading, owner) && !state.is_of(Kind::Full, owner));
        assert!(!State(state.0 | 1 << 16).is_of(Kind::Reading, owner));
        assert_eq!(State(0), State::new(Kind::Free, Lap(0)));
        assert_eq!(State(7).kind(), Kind::Corrupt);
    }

    #[test]
    fn a_kind_with_other_bits_set_is_corrupt() {
        for kind in [
            Kind::Free,
            Kind::Full,
            Kind::Returned,
            Kind::Void,
            Kind::End,
        ] {
            let state = State::of_owner(kind, Lap(3), OwnerIndex::new(9));
            assert_eq!(state.kind(), Kind::Corrupt, "{kind:?} has no owner");
        }
        for kind in [Kind::Free, Kind::Writing, Kind::Reading, Kind::Void] {
            let state = State(State::new(kind, Lap(3)).0 | 1 << 17);
            assert_eq!(state.kind(), Kind::Corrupt, "{kind:?}");
        }
    }

    #[test]
    fn positions_go_round_and_laps_wrap() {
        let last = Position(u64::MAX << LAP_SHIFT | 2);
        assert_eq!(last.next(3), Position(0));
        assert_eq!(last.next(4), Position(last.0 + 1));
        assert!(last.lap().is_before(Position(0).lap()));
        assert!(!Position(0).lap().is_before(last.lap()));
        assert!(!Lap(4).is_before(Lap(4)));
        assert_eq!(Position(0).since(last, 3), 1);
        assert_eq!(Position(2).since(Position(0), 3), 2);
        assert_eq!(Position(0).since(Position(2), 3), 0);
        assert_eq!(Position(1 << LAP_SHIFT).since(Position(0), 3), 3);
    }
}
