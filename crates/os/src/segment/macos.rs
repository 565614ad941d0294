//! Sizing, reserving and random numbers on macOS.
//!
//! Shared memory there is backed by the pager, can be sized once only, and knows no reservation (`F_PREALLOCATE` is
//! refused for it). A machine out of memory and swap kills processes instead; there is no small limit as of `/dev/shm`.

use std::os::fd::OwnedFd;

use nix::errno::Errno;

use crate::OsError;
use crate::error::retry;

/// Makes a new object `len` bytes long: the one `ftruncate` that is allowed.
pub(super) fn grow(fd: &OwnedFd, len: usize) -> nix::Result<()> {
    let len = i64::try_from(len).map_err(|_| Errno::EFBIG)?;
    retry(|| nix::unistd::ftruncate(fd, len))
}

/// There is nothing to reserve.
#[expect(
    clippy::unnecessary_wraps,
    reason = "the signature is the one of Linux"
)]
pub(super) fn reserve(_fd: &OwnedFd, _len: usize) -> nix::Result<()> {
    Ok(())
}

/// Shared memory is part of the kernel.
pub(super) fn has_shared_memory() -> bool {
    true
}

/// Fills `bytes` from the kernel's generator.
pub(super) fn random(bytes: &mut [u8; 8]) -> Result<(), OsError> {
    // SAFETY: the buffer is live and 8 bytes long; up to 256 are given in one call.
    match unsafe { libc::getentropy(bytes.as_mut_ptr().cast(), bytes.len()) } {
        0 => Ok(()),
        _ => Err(OsError::new("get random numbers", Errno::last())),
    }
}
