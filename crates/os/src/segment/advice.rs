//! How a large mapping is to be backed: wishes, which a system that cannot does without.

use std::num::NonZeroUsize;
use std::ptr::NonNull;

use super::platform;

/// What to ask the system for when a piece of arena is mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Advice {
    /// Back it with huge pages, where the system lets shared memory have them: on Linux as
    /// /sys/kernel/mm/transparent_hugepage/shmem_enabled says, on macOS never.
    pub huge_pages: bool,
    /// Enter all its pages into the page table now, so that no first touch is a fault.
    pub prefault: bool,
}

/// Asks for it. What is refused is traced, and the mapping is as good as without.
pub(super) fn advise(base: NonNull<u8>, len: NonZeroUsize, advice: Advice) {
    if advice.huge_pages
        && let Err(errno) = platform::ask_for_huge_pages(base, len)
    {
        tracing::debug!(%errno, len, "no huge pages for shared memory");
    }
    if advice.prefault
        && let Err(errno) = platform::populate(base, len)
    {
        tracing::debug!(%errno, len, "shared memory is touched page by page");
        touch(base, len);
    }
}

/// The smallest page there is: touching more often than needed is harmless.
const PAGE_BYTES: usize = 4096;

/// Reads a byte of every page. Reads, because another process may be writing there.
pub(super) fn touch(base: NonNull<u8>, len: NonZeroUsize) {
    for offset in (0..len.get()).step_by(PAGE_BYTES) {
        // SAFETY: `offset` is within the `len` mapped bytes, and every byte is readable. The
        // read is volatile, so that it happens; what it finds is not used.
        let _ = unsafe { base.add(offset).read_volatile() };
    }
}
