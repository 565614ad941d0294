//! Positions, and the slots that they name.

use core::ptr::NonNull;

use super::slot::Slot;
use super::state::{LaneHead, Lap};

/// The slots of one lane, wherever they are mapped.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ring {
    head: NonNull<LaneHead>,
    slots: NonNull<Slot>,
    mask: u64,
    shift: u32,
}

// SAFETY: a ring is a pointer to memory shared between processes anyway; `Slot` is Sync, and
// each end's `&mut self` methods keep the one-producer, one-consumer rule within a process.
unsafe impl Send for Ring {}
// SAFETY: as above; through `&Ring` only the atomic words are reached.
unsafe impl Sync for Ring {}

impl Ring {
    /// # Safety
    /// `head` and `count` slots at `slots` stay mapped as long as the ring is used.
    ///
    /// # Panics
    /// If `count` is not a power of two.
    pub(super) unsafe fn new(head: NonNull<LaneHead>, slots: NonNull<Slot>, count: usize) -> Self {
        assert!(
            count.is_power_of_two(),
            "a lane has a power of two of slots, not {count}"
        );
        Self {
            head,
            slots,
            mask: count as u64 - 1,
            shift: count.trailing_zeros(),
        }
    }

    #[inline]
    pub(super) fn head(&self) -> &LaneHead {
        // SAFETY: the constructor's caller vouches for it; all its fields are atomic.
        unsafe { self.head.as_ref() }
    }

    #[inline]
    pub(super) fn slot(&self, position: u64) -> &Slot {
        // SAFETY: the constructor's caller vouches for `mask + 1` slots at `slots`; the index
        // is masked.
        unsafe { self.slots.add((position & self.mask) as usize).as_ref() }
    }

    /// The lap in which `position` is.
    #[inline]
    pub(super) fn lap(&self, position: u64) -> Lap {
        Lap::nth((position >> self.shift) + 1)
    }

    pub(super) fn count(&self) -> usize {
        self.mask as usize + 1
    }
}
