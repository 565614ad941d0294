//! Memory as a mapping would be: zero at first, aligned to a page, as long as it is asked for and
//! not a byte longer, so that the address sanitizer sees whoever goes beyond it.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;

use forkyard_shm::state::Place;

const PAGE_BYTES: usize = 4096;

/// See the module.
#[derive(Debug)]
pub(super) struct PeerMemory {
    base: NonNull<u8>,
    layout: Layout,
}

// SAFETY: plain memory, of no thread in particular; what is laid over it synchronises.
unsafe impl Send for PeerMemory {}
// SAFETY: as for Send.
unsafe impl Sync for PeerMemory {}

impl PeerMemory {
    /// So many zero bytes; at least one.
    pub(super) fn new(bytes: usize) -> Self {
        let layout = Layout::from_size_align(bytes.max(1), PAGE_BYTES).expect("a small size");
        // SAFETY: the layout has a size.
        let base = NonNull::new(unsafe { alloc_zeroed(layout) });
        let base = base.unwrap_or_else(|| handle_alloc_error(layout));
        Self { base, layout }
    }

    /// The first byte. What is laid over it must not outlive this value.
    pub(super) fn base(&self) -> NonNull<u8> {
        self.base
    }

    pub(super) fn len(&self) -> usize {
        self.layout.size()
    }

    /// A peer writes, from `at` on (round the end) byte after byte.
    pub(super) fn scribble(&self, at: usize, bytes: &[u8]) {
        for (offset, byte) in bytes.iter().enumerate() {
            let at = (at + offset) % self.len();
            // SAFETY: in bounds. What is laid over the memory is atomics and cells, and nobody
            // holds a reference into a cell while this thread is here.
            unsafe { self.base.add(at).write_volatile(*byte) };
        }
    }

    /// What stands in the `len` bytes from `at` on.
    pub(super) fn read(&self, at: usize, len: usize) -> Vec<u8> {
        assert!(at + len <= self.len());
        let byte = |offset| {
            // SAFETY: in bounds by the assertion, and initialised.
            unsafe { self.base.add(at + offset).read_volatile() }
        };
        (0..len).map(byte).collect()
    }

    /// For the primitives of [`forkyard_shm::state`].
    pub(super) fn place(&self) -> Place<'_> {
        // SAFETY: mapped as long as the borrow; each target takes the same things once.
        unsafe { Place::attach(self.base, self.len()) }
    }
}

impl Drop for PeerMemory {
    fn drop(&mut self) {
        // SAFETY: from `alloc_zeroed` with this layout.
        unsafe { dealloc(self.base.as_ptr(), self.layout) };
    }
}

/// A few bytes that a peer writes somewhere.
#[derive(Debug, Clone, arbitrary::Arbitrary)]
pub(super) struct Scribble {
    at: u16,
    how: How,
}

#[derive(Debug, Clone, arbitrary::Arbitrary)]
enum How {
    Byte(u8),
    Small(u8),
    Word(u32),
    Long(u64),
    Many([u8; 32]),
}

impl Scribble {
    /// Anywhere in `memory`.
    pub(super) fn over(&self, memory: &PeerMemory) {
        self.within(memory, 0, memory.len());
    }

    /// Somewhere in the `len` bytes from `start` on; words where words are.
    pub(super) fn within(&self, memory: &PeerMemory, start: usize, len: usize) {
        let at = usize::from(self.at) % len.max(1);
        match &self.how {
            How::Byte(byte) => memory.scribble(start + at, &[*byte]),
            How::Small(word) => memory.scribble(start + (at & !3), &u32::from(*word).to_le_bytes()),
            How::Word(word) => memory.scribble(start + (at & !3), &word.to_le_bytes()),
            How::Long(long) => memory.scribble(start + (at & !7), &long.to_le_bytes()),
            How::Many(bytes) => memory.scribble(start + (at & !31), bytes),
        }
    }
}
