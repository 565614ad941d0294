//! Advice to the kernel.

use std::mem::MaybeUninit;

/// The sizes of pages on all systems we know divide it.
const ALIGNMENT: usize = 64 << 10;

pub(super) fn prefer_huge_pages<T>(room: &mut [MaybeUninit<T>]) {
    let bytes = room.as_mut_ptr_range();
    let start = bytes.start.addr().next_multiple_of(ALIGNMENT);
    let end = bytes.end.addr() / ALIGNMENT * ALIGNMENT;
    let Some(len) = end.checked_sub(start) else {
        return;
    };
    let start = bytes.start.with_addr(start);
    // SAFETY: whole pages within memory that is lent to us alone, and advice does not change what they hold.
    let advised = unsafe { libc::madvise(start.cast(), len, libc::MADV_HUGEPAGE) };
    if advised != 0 {
        tracing::debug!(errno = %nix::errno::Errno::last(), len, "no huge pages");
    }
}
