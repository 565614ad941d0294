//! What says of a piece of memory which primitive lies in it.
//!
//! ```text
//!   0        4             8             16       24          64
//!  +--------+-------------+-------------+--------+-----------+------------ - -
//!  | kind   | item_align  | item_bytes  | count  |   zero    | the primitive
//!  +--------+-------------+-------------+--------+-----------+------------ - -
//! ```
//!
//! Written by the maker before anybody else can know of the memory, and read once by whoever
//! attaches: two processes that read the same stamp lay the same things over the same bytes,
//! and one that was sent the wrong descriptor is told what it has got instead. What a peer
//! writes here later reaches only those who attach after it, who check it against their own
//! types and against the length of the memory.

use super::place::InPlace;
use crate::steps::step;
use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// See the module. All zero is the stamp of nothing.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct StampCell {
    kind: AtomicU32,
    item_align: AtomicU32,
    item_bytes: AtomicU64,
    count: AtomicU64,
    zero: [AtomicU64; 5],
}

#[cfg(not(loom))]
const _: () = {
    use core::mem::offset_of;
    assert!(size_of::<StampCell>() == 64 && align_of::<StampCell>() == 64);
    assert!(offset_of!(StampCell, kind) == 0 && offset_of!(StampCell, item_align) == 4);
    assert!(offset_of!(StampCell, item_bytes) == 8 && offset_of!(StampCell, count) == 16);
    assert!(offset_of!(StampCell, zero) == 24);
};

// SAFETY: repr(C), of atomics alone; zero is the stamp of nothing, and what is read is compared
// and never used to reach memory before it was checked.
unsafe impl InPlace for StampCell {}

/// A stamp, as a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Which primitive: a number of the user's choice, not zero.
    pub kind: u32,
    /// Alignment of what it holds, in bytes.
    pub item_align: u32,
    /// Size of what it holds, in bytes.
    pub item_bytes: u64,
    /// How many there are.
    pub count: u64,
}

impl StampCell {
    /// Writes it. To be published, with all else that stands in the memory, by whatever
    /// publishes the memory.
    pub fn write(&self, stamp: Stamp) {
        step();
        self.kind.store(stamp.kind, Ordering::Relaxed);
        step();
        self.item_align.store(stamp.item_align, Ordering::Relaxed);
        step();
        self.item_bytes.store(stamp.item_bytes, Ordering::Relaxed);
        step();
        self.count.store(stamp.count, Ordering::Relaxed);
    }

    /// Reads it. Relaxed: whoever knows of the memory came to know it after the writing.
    pub fn read(&self) -> Stamp {
        Stamp {
            kind: self.kind.load(Ordering::Relaxed),
            item_align: self.item_align.load(Ordering::Relaxed),
            item_bytes: self.item_bytes.load(Ordering::Relaxed),
            count: self.count.load(Ordering::Relaxed),
        }
    }
}
