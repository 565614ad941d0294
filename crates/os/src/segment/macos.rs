//! Sizing, reserving and random numbers on macOS.
//!
//! Shared memory there is backed by the pager, can be sized once only, and knows no reservation (`F_PREALLOCATE` is
//! refused for it). A machine out of memory and swap kills processes instead; there is no small limit as of `/dev/shm`.

use std::io::ErrorKind;
use std::num::NonZeroUsize;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::ptr::NonNull;

use nix::errno::Errno;

use super::SegmentName;
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

/// There are none for shared memory.
pub(super) fn ask_for_huge_pages(_base: NonNull<u8>, _len: NonZeroUsize) -> nix::Result<()> {
    Err(Errno::ENOTSUP)
}

/// There is no such call: the caller touches the pages.
pub(super) fn populate(_base: NonNull<u8>, _len: NonZeroUsize) -> nix::Result<()> {
    Err(Errno::ENOTSUP)
}

/// Shared memory is part of the kernel.
pub(super) fn has_shared_memory() -> bool {
    true
}

/// Where the names of this user's segments are noted, because the system does not list them.
fn registry() -> PathBuf {
    let user = nix::unistd::getuid();
    std::env::temp_dir().join(format!("forkyard-segments-{user}"))
}

/// Every segment that was noted; sizes are not known.
pub(super) fn list() -> Result<Vec<(String, u64)>, OsError> {
    let entries = match std::fs::read_dir(registry()) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(OsError::new("list the registry of segments", error)),
    };
    Ok(entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .map(|name| (name, 0))
        .collect())
}

/// Notes a segment. One that cannot be noted cannot be swept after a crash, and is used all the same.
pub(super) fn register(name: &SegmentName) {
    let noted = std::fs::create_dir_all(registry())
        .and_then(|()| std::fs::write(registry().join(&name.as_str()[1..]), []));
    if let Err(error) = noted {
        tracing::warn!(%name, %error, "a segment could not be noted for sweeping");
    }
}

/// Strikes a segment out.
pub(super) fn unregister(name: &SegmentName) {
    let _ = std::fs::remove_file(registry().join(&name.as_str()[1..]));
}

/// Fills `bytes` from the kernel's generator.
pub(super) fn random(bytes: &mut [u8; 8]) -> Result<(), OsError> {
    // SAFETY: the buffer is live and 8 bytes long; up to 256 are given in one call.
    match unsafe { libc::getentropy(bytes.as_mut_ptr().cast(), bytes.len()) } {
        0 => Ok(()),
        _ => Err(OsError::new("get random numbers", Errno::last())),
    }
}
