//! The directory: which extents the arena has. It lies in the control segment.
//!
//! ```text
//!      0              8              16             24     28     32     64
//!      +--------------+--------------+--------------+------+------+------+
//!      | limit_bytes  | retirements  | peak_bytes   |wanted|advice| zero |
//!   64 +--------------+--------------+------+-------+------+------+------+
//!      | word         | block_bytes  |blocks| zero                       |  entry 0
//!  128 +--------------+--------------+------+----------------------------+
//!      |                          ...                                    |  entries 1 to 255
//!16448 +-----------------------------------------------------------------+
//!
//!                 claim (CAS)                ready (CAS)            drain (CAS)
//!   [EMPTY g] ------------> [CREATING g+1] ------------> [READY] <------------> [DRAINING]
//!      ^ ^                      |  failed, or the owner died     (back: in use,     |
//!      | +----------------------+                                 or owner died)    |
//!      |                                                                            |
//!      +------------------------------- [RETIRED] <---------------------------------+
//!           the name is taken away                  the owner has every block
//! ```
//!
//! Every arrow is one compare-and-swap. CREATING, DRAINING and RETIRED name their owner, so
//! that its death can be cleaned up after: the object of a CREATING or RETIRED entry is
//! unlinked and the entry emptied, a DRAINING one goes back to READY.
//!
//! An extent is retired by claiming each of its blocks as one claims a block to use it. So
//! no process needs to be asked: one that has the extent mapped finds nothing to claim in
//! it, and unmaps it when it notices that `retirements` has moved.

use super::geometry::Geometry;
use super::wanted::Wanted;
use super::word::{EntryKind, Word};
use super::{Advice, ExtentId};
use crate::OwnerIndex;
use crate::steps::step;
use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// The most extents that an arena has at a time.
pub const MAX_EXTENTS: usize = 256;

/// What an arena's processes share besides the extents. All zero is an empty arena.
#[repr(C, align(64))]
pub struct Directory {
    /// Most bytes that all extents together may have; 0 for no limit.
    limit_bytes: AtomicU64,
    /// Counts the extents that were retired.
    retirements: AtomicU64,
    /// Most bytes that all extents together ever had.
    peak_bytes: AtomicU64,
    /// Whether somebody waits for memory. On the line that every allocation reads and no
    /// free writes.
    wanted: Wanted,
    /// How extents are to be mapped; an [`Advice`].
    advice: AtomicU32,
    zero: [AtomicU64; 4],
    entries: [Entry; MAX_EXTENTS],
}

/// One extent of the directory.
#[repr(C, align(64))]
pub(crate) struct Entry {
    word: AtomicU64,
    block_bytes: AtomicU64,
    blocks: AtomicU32,
    zero: [AtomicU32; 11],
}

#[cfg(not(loom))]
const _: () = {
    use core::mem::{align_of, offset_of, size_of};
    assert!(size_of::<Entry>() == 64 && align_of::<Entry>() == 64);
    assert!(offset_of!(Entry, word) == 0);
    assert!(offset_of!(Entry, block_bytes) == 8);
    assert!(offset_of!(Entry, blocks) == 16);
    assert!(offset_of!(Entry, zero) == 20);
    assert!(size_of::<Entry>() == 8 + 8 + 4 + 11 * 4, "no padding");
    assert!(size_of::<Directory>() == 64 + 64 * MAX_EXTENTS && align_of::<Directory>() == 64);
    assert!(offset_of!(Directory, limit_bytes) == 0);
    assert!(offset_of!(Directory, retirements) == 8);
    assert!(offset_of!(Directory, peak_bytes) == 16);
    assert!(offset_of!(Directory, wanted) == 24 && size_of::<Wanted>() == 4);
    assert!(offset_of!(Directory, advice) == 28);
    assert!(offset_of!(Directory, zero) == 32);
    assert!(offset_of!(Directory, entries) == 64, "no padding");
};

impl Directory {
    /// The entries with their indices.
    pub(super) fn entries(&self) -> impl DoubleEndedIterator<Item = (u16, &Entry)> {
        (0u16..MAX_EXTENTS as u16).zip(&self.entries)
    }

    /// The extents that are there, in whatever state: whose names to take away when all ends.
    pub fn extents(&self) -> impl Iterator<Item = ExtentId> {
        self.entries()
            .map(|(index, entry)| (index, entry.look()))
            .filter(|(_, word)| word.kind() != EntryKind::Empty)
            .map(|(index, word)| word.id(index))
    }

    /// The entry that a peer named, if there is one.
    pub(super) fn entry(&self, index: u16) -> Option<&Entry> {
        self.entries.get(usize::from(index))
    }

    /// Most bytes that all extents together may have; 0 for no limit.
    pub fn limit_bytes(&self) -> u64 {
        // Relaxed: a number that stands for itself.
        self.limit_bytes.load(Ordering::Relaxed)
    }

    /// Sets the limit for extents made from now on; 0 for none. Who waits for memory hears of
    /// it by [`Arena::set_limit_bytes`](super::Arena::set_limit_bytes) only.
    pub fn set_limit_bytes(&self, bytes: u64) {
        step();
        self.limit_bytes.store(bytes, Ordering::Relaxed);
    }

    /// How extents are to be mapped from now on.
    pub fn advice(&self) -> Advice {
        // Relaxed, as for the limit.
        Advice::of_bits(self.advice.load(Ordering::Relaxed))
    }

    /// Sets how extents are to be mapped from now on, by every process.
    pub fn set_advice(&self, advice: Advice) {
        step();
        self.advice.store(advice.bits(), Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    /// Bytes of all extents, those being made included.
    pub fn reserved_bytes(&self) -> u64 {
        self.entries().fold(0, |sum: u64, (_, entry)| {
            sum.saturating_add(entry.look().bytes())
        })
    }

    /// As [`reserved_bytes`](Self::reserved_bytes), for a process that has the directory mapped
    /// for reading only, where no load but a relaxed one is sure to be allowed.
    #[cfg(not(loom))]
    pub(crate) fn seen_bytes(&self) -> u64 {
        let words = self.entries.iter();
        // Relaxed: numbers that stand for themselves.
        let words = words.map(|entry| Word(entry.word.load(Ordering::Relaxed)));
        words.fold(0, |sum, word| sum.saturating_add(word.bytes()))
    }

    /// Most bytes that all extents together ever had.
    pub fn peak_bytes(&self) -> u64 {
        self.peak_bytes.load(Ordering::Relaxed)
    }

    pub(super) fn note_peak(&self) {
        step();
        self.peak_bytes
            .fetch_max(self.reserved_bytes(), Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn retirements(&self) -> u64 {
        // Acquire: pairs with the Release in `count_retirement`, so that the entry is seen
        // to be empty.
        self.retirements.load(Ordering::Acquire)
    }

    pub(super) fn count_retirement(&self) {
        step();
        self.retirements.fetch_add(1, Ordering::Release);
    }
}

impl core::fmt::Debug for Directory {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let used = self
            .entries()
            .filter(|(_, e)| e.look().kind() != EntryKind::Empty);
        f.debug_struct("Directory")
            .field("limit_bytes", &self.limit_bytes())
            .field("peak_bytes", &self.peak_bytes())
            .field(
                "entries",
                &used.map(|(i, e)| (i, e.look())).collect::<Vec<_>>(),
            )
            .finish_non_exhaustive()
    }
}

impl Entry {
    /// What the entry is now.
    pub(crate) fn look(&self) -> Word {
        // Acquire: pairs with the Release in `step_to`, so that a Ready entry's geometry,
        // and the object's existence, are seen.
        Word(self.word.load(Ordering::Acquire))
    }

    fn step_to(&self, from: Word, to: Word) -> Option<Word> {
        step();
        // Release: what was done in the old state is seen by the Acquire in `look`. Acquire:
        // pairs with the Release in `touch`, so that who uses a new extent sees who waits.
        // Failure changes nothing and reads nothing: Relaxed.
        self.word
            .compare_exchange(from.0, to.0, Ordering::AcqRel, Ordering::Relaxed)
            .ok()
            .map(|_| to)
    }

    /// Orders what the caller did before against whoever changes the entry later.
    pub(crate) fn touch(&self) {
        step();
        // Release: seen by the Acquire in `step_to`. Acquire: pairs with the Release there.
        self.word.fetch_add(0, Ordering::AcqRel);
    }

    /// EMPTY → CREATING. The claim, if the entry was empty and nobody else was faster.
    pub(crate) fn claim(&self, owner: OwnerIndex, geometry: Geometry) -> Option<Word> {
        let seen = self.look();
        if seen.kind() != EntryKind::Empty {
            return None;
        }
        let claim = self.step_to(seen, seen.creating(owner, geometry.bytes()))?;
        step();
        // Relaxed: published by `ready`.
        self.block_bytes
            .store(geometry.block_bytes(), Ordering::Relaxed);
        step();
        self.blocks.store(geometry.blocks(), Ordering::Relaxed);
        Some(claim)
    }

    /// CREATING → READY. `None` when the claim was reclaimed meanwhile.
    pub(crate) fn ready(&self, claim: Word) -> Option<Word> {
        self.step_to(claim, claim.with(EntryKind::Ready, OwnerIndex::SUPERVISOR))
    }

    /// READY → DRAINING. `None` when it is not ready any more.
    pub(crate) fn drain(&self, ready: Word, owner: OwnerIndex) -> Option<Word> {
        self.step_to(ready, ready.with(EntryKind::Draining, owner))
    }

    /// DRAINING → RETIRED. The caller owns every block of the extent.
    pub(crate) fn retire(&self, draining: Word, owner: OwnerIndex) -> Option<Word> {
        self.step_to(draining, draining.with(EntryKind::Retired, owner))
    }

    /// DRAINING → READY.
    pub(crate) fn undrain(&self, draining: Word) -> Option<Word> {
        self.ready(draining)
    }

    /// CREATING or RETIRED → EMPTY, after the object's name was taken away.
    pub(crate) fn empty(&self, seen: Word) -> Option<Word> {
        self.step_to(seen, seen.emptied())
    }

    /// The geometry, if it is one and agrees with the size in `seen`, a word of this entry.
    pub(crate) fn geometry(&self, seen: Word) -> Option<Geometry> {
        // Relaxed: ordered by the Acquire in `look`, which gave `seen`.
        let block_bytes = self.block_bytes.load(Ordering::Relaxed);
        let geometry = Geometry::new(block_bytes, self.blocks.load(Ordering::Relaxed))?;
        (geometry.bytes() == seen.bytes()).then_some(geometry)
    }

    /// Whether the entry still has the extent of this id, open to all.
    pub(super) fn has(&self, id: ExtentId) -> bool {
        let word = self.look();
        word.is_open() && word.generation() == id.generation
    }

    /// A free entry, outside any segment.
    #[cfg(all(test, loom))]
    pub(crate) fn new() -> Self {
        Self {
            word: AtomicU64::new(0),
            block_bytes: AtomicU64::new(0),
            blocks: AtomicU32::new(0),
            zero: core::array::from_fn(|_| AtomicU32::new(0)),
        }
    }
}
