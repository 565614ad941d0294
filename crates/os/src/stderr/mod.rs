//! A process's standard error, as a pipe that somebody else reads.
//!
//! The reading end never blocks; the writing end does, as a terminal does. Start at [`pipe`].

use std::io::{self, PipeReader};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::signal::{SigSet, Signal};

use crate::OsError;
use crate::error::retry;

/// A new pipe: the end to read from, which says [`io::ErrorKind::WouldBlock`] when nothing lies in it, and the end to
/// hand to a child. Both are close-on-exec.
///
/// # Errors
/// When there are no more descriptors to be had (it takes two).
pub fn pipe() -> Result<(PipeReader, OwnedFd), OsError> {
    let doing = "make a pipe for a worker's standard error";
    let (reader, writer) = io::pipe().map_err(|error| OsError::new(doing, error))?;
    let flags = fcntl(&reader, FcntlArg::F_GETFL).map_err(|errno| OsError::new(doing, errno))?;
    let flags = OFlag::from_bits_retain(flags) | OFlag::O_NONBLOCK;
    fcntl(&reader, FcntlArg::F_SETFL(flags)).map_err(|errno| OsError::new(doing, errno))?;
    Ok((reader, OwnedFd::from(writer)))
}

/// Makes `end` the calling process's standard error.
///
/// # Errors
/// When the system refuses; standard error is then what it was.
pub fn become_stderr(end: OwnedFd) -> Result<(), OsError> {
    let put = retry(|| nix::unistd::dup2_stderr(&end))
        .map_err(|errno| OsError::new("put a pipe in the place of standard error", errno));
    // Else the pipe would not end when this process closes its standard error.
    drop(end);
    put
}

/// Writes all of `bytes` to standard error, and waits for as long as whoever reads it does not; without the lock of
/// [`io::stderr`], which a thread that waits for this one may hold. What cannot be written is lost.
pub fn write_all(mut bytes: &[u8]) {
    let stderr = io::stderr();
    while !bytes.is_empty() {
        match retry(|| nix::unistd::write(&stderr, bytes)) {
            Ok(written @ 1..) => bytes = bytes.get(written..).unwrap_or_default(),
            // Somebody has made it non-blocking.
            Err(Errno::EAGAIN) => {
                let mut fds = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
                if retry(|| nix::poll::poll(&mut fds, PollTimeout::NONE)).is_err() {
                    return;
                }
            }
            Ok(_) | Err(_) => return,
        }
    }
}

/// Has [`write_all`] find a broken pipe by its error, and never by SIGPIPE, in the calling thread: a program may have put
/// the signal back to killing.
pub fn survive_broken_pipes() {
    let mut pipe = SigSet::empty();
    pipe.add(Signal::SIGPIPE);
    // It can only fail for a number that is no signal.
    let _ = pipe.thread_block();
}

/// How many more files this process can open, as far as the lowest free number tells; `None` when the system does not
/// say what the limit is.
#[must_use]
pub fn files_left() -> Option<u64> {
    let limit = crate::limits::open_files()?;
    let lowest = std::fs::File::open("/dev/null").ok()?.as_raw_fd();
    Some(limit.saturating_sub(u64::from(lowest.unsigned_abs())))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn the_reader_never_waits_and_sees_the_end() {
        let (mut reader, writer) = pipe().unwrap();
        let mut bytes = [0; 16];
        let empty = reader.read(&mut bytes).unwrap_err();
        assert_eq!(empty.kind(), io::ErrorKind::WouldBlock);
        let mut writer = std::fs::File::from(writer);
        writer.write_all(b"last words").unwrap();
        drop(writer);
        assert_eq!(reader.read(&mut bytes).unwrap(), 10);
        assert_eq!(&bytes[..10], b"last words");
        assert_eq!(reader.read(&mut bytes).unwrap(), 0);
    }

    #[test]
    fn some_files_are_left() {
        assert!(files_left().unwrap() > 0);
    }
}
