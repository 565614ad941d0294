//! Sizing, reserving and random numbers on Linux.

use std::num::NonZeroUsize;
use std::os::fd::OwnedFd;
use std::ptr::NonNull;

use nix::errno::Errno;

use super::SegmentName;
use crate::OsError;
use crate::error::retry;

/// Makes a new object `len` bytes long with all its pages reserved.
pub(super) fn grow(fd: &OwnedFd, len: usize) -> nix::Result<()> {
    reserve(fd, len)
}

/// Reserves the pages; a page that is reserved cannot raise SIGBUS.
pub(super) fn reserve(fd: &OwnedFd, len: usize) -> nix::Result<()> {
    let len = i64::try_from(len).map_err(|_| Errno::EFBIG)?;
    retry(|| nix::fcntl::posix_fallocate(fd, 0, len))
}

/// Asks for huge pages, now and whenever the kernel gathers some.
pub(super) fn ask_for_huge_pages(base: NonNull<u8>, len: NonZeroUsize) -> nix::Result<()> {
    advise(base, len, libc::MADV_HUGEPAGE)
}

/// Enters all pages into the page table, writable (Linux 5.14 and later).
pub(super) fn populate(base: NonNull<u8>, len: NonZeroUsize) -> nix::Result<()> {
    advise(base, len, libc::MADV_POPULATE_WRITE)
}

fn advise(base: NonNull<u8>, len: NonZeroUsize, advice: libc::c_int) -> nix::Result<()> {
    // SAFETY: the range is a mapping of the caller's, and neither advice changes what its
    // bytes are.
    let result = unsafe { libc::madvise(base.as_ptr().cast(), len.get(), advice) };
    Errno::result(result).map(drop)
}

/// Whether the place where `shm_open` works is there.
pub(super) fn has_shared_memory() -> bool {
    std::path::Path::new("/dev/shm").is_dir()
}

/// Every shared-memory object with its size.
pub(super) fn list() -> Result<Vec<(String, u64)>, OsError> {
    let failed = |error| OsError::new("list shared memory in /dev/shm", error);
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/dev/shm").map_err(failed)? {
        let entry = entry.map_err(failed)?;
        // Gone meanwhile, or no text: none of ours.
        if let (Ok(meta), Ok(name)) = (entry.metadata(), entry.file_name().into_string()) {
            found.push((name, meta.len()));
        }
    }
    Ok(found)
}

/// The directory knows every name.
pub(super) fn register(_name: &SegmentName) {}

/// As for [`register`].
pub(super) fn unregister(_name: &SegmentName) {}

/// Fills `bytes` from the kernel's generator.
pub(super) fn random(bytes: &mut [u8; 8]) -> Result<(), OsError> {
    // SAFETY: the buffer is live and 8 bytes long. Up to 256 bytes are always given in full.
    retry(
        || match unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) } {
            8 => Ok(()),
            _ => Err(Errno::last()),
        },
    )
    .map_err(|errno| OsError::new("get random numbers", errno))
}
