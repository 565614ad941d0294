//! A shared-memory object by its name: opening, sizing, mapping, unlinking. Segment and extent are made of these.

use std::ffi::c_void;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, OwnedFd};
use std::ptr::NonNull;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::mman::{MapFlags, ProtFlags};
use nix::sys::stat::Mode;

use super::{SegmentError, SegmentName, platform};
use crate::error::retry;
use crate::{OsError, limits};

/// Opens an object that exists. The descriptor is close-on-exec: `shm_open` sees to that by its specification.
pub(super) fn open(name: &SegmentName) -> Result<OwnedFd, SegmentError> {
    retry(|| nix::sys::mman::shm_open(name.as_str(), OFlag::O_RDWR, Mode::empty()))
        .map_err(|errno| named(name, "open shared memory", errno))
}

/// Makes an object that did not exist, for this user alone.
pub(super) fn create(name: &SegmentName) -> Result<OwnedFd, SegmentError> {
    let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_RDWR;
    let mode = Mode::S_IRUSR | Mode::S_IWUSR;
    retry(|| nix::sys::mman::shm_open(name.as_str(), flags, mode))
        .map_err(|errno| not_created(name, errno))
}

/// The error that `errno` means for an object that was to be made.
pub(super) fn not_created(name: &SegmentName, errno: Errno) -> SegmentError {
    match errno {
        // Nobody has one of that name: it is the place that is closed.
        Errno::EACCES | Errno::EPERM if cfg!(target_os = "linux") => {
            let doing =
                "create shared memory in /dev/shm (everybody must be able to: chmod 1777 /dev/shm)";
            OsError::new(doing, errno).into()
        }
        errno => named(name, "create shared memory", errno),
    }
}

/// The object's length in bytes.
pub(super) fn len(fd: &OwnedFd) -> Result<usize, SegmentError> {
    let stat =
        nix::sys::stat::fstat(fd).map_err(|errno| OsError::new("measure shared memory", errno))?;
    Ok(usize::try_from(stat.st_size).unwrap_or(0))
}

/// Maps `len` bytes from the start for reading and writing, shared.
pub(super) fn map(fd: impl AsFd, len: NonZeroUsize) -> Result<NonNull<u8>, SegmentError> {
    // SAFETY: with no address asked for the kernel takes room that nothing else uses, so no memory of this process is
    // replaced.
    let address: NonNull<c_void> = unsafe {
        nix::sys::mman::mmap(
            None,
            len,
            ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
            MapFlags::MAP_SHARED,
            fd,
            0,
        )
    }
    .map_err(|errno| match errno {
        Errno::ENOMEM => full(len.get()),
        errno => OsError::new("map shared memory", errno).into(),
    })?;
    Ok(address.cast())
}

/// Makes a new, empty object `len` bytes long and reserves them.
pub(super) fn grow(fd: &OwnedFd, len: usize) -> Result<(), SegmentError> {
    platform::grow(fd, len).map_err(|errno| unreserved(len, errno))
}

/// Reserves the `len` bytes that an object already has.
pub(super) fn reserve(fd: &OwnedFd, len: usize) -> Result<(), SegmentError> {
    platform::reserve(fd, len).map_err(|errno| unreserved(len, errno))
}

fn unreserved(len: usize, errno: Errno) -> SegmentError {
    match errno {
        Errno::ENOSPC | Errno::ENOMEM | Errno::EFBIG => full(len),
        errno => OsError::new("reserve shared memory", errno).into(),
    }
}

pub(super) fn full(wanted: usize) -> SegmentError {
    let space = limits::shm_free();
    SegmentError::Full {
        wanted: wanted as u64,
        free: space.map_or(0, |space| space.free),
        limit: space.map_or(0, |space| space.total),
    }
}

/// The error that `errno` means for an object of that name.
pub(super) fn named(name: &SegmentName, doing: &'static str, errno: Errno) -> SegmentError {
    let text = || name.to_string();
    match errno {
        Errno::EEXIST => SegmentError::AlreadyExists { name: text() },
        Errno::ENOENT if !platform::has_shared_memory() => SegmentError::NoSharedMemory,
        Errno::ENOENT => SegmentError::Missing { name: text() },
        Errno::EACCES | Errno::EPERM => SegmentError::Permission { name: text() },
        errno => OsError::new(doing, errno).into(),
    }
}

/// Takes a name away; the memory stays for those who have it mapped. False when there was no such name.
///
/// # Errors
/// [`SegmentError::Permission`] for somebody else's segment, or what else the system says.
pub fn unlink(name: &SegmentName) -> Result<bool, SegmentError> {
    match retry(|| nix::sys::mman::shm_unlink(name.as_str())) {
        Ok(()) => {
            platform::unregister(name);
            Ok(true)
        }
        Err(Errno::ENOENT) => Ok(false),
        Err(errno) => Err(named(name, "unlink shared memory", errno)),
    }
}

/// Unlinks what a failed creation left; there is nothing better to do with a second failure.
pub(super) fn unlink_quietly(name: &SegmentName) {
    if let Err(error) = unlink(name) {
        tracing::warn!(%name, %error, "a segment could not be unlinked");
    }
}
