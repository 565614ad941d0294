//! A connected pair of sockets that carries messages of [`MESSAGE_BYTES`].

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};

use super::either::poll;
use crate::OsError;

/// Bytes of every message.
pub const MESSAGE_BYTES: usize = 64;

/// Why a message did not get through.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// The other side has closed its end, or died.
    #[error("the other end of the control line is closed: its process has ended")]
    Closed,
    /// No message came in time.
    #[error("no message came on the control line within {} ms", .0.as_millis())]
    TimedOut(Duration),
    /// Anything else that the system said.
    #[error(transparent)]
    Os(#[from] OsError),
}

/// One end of the line. Close-on-exec; sending to a closed end is an error, never SIGPIPE.
///
/// A forked child inherits a copy: it drops it first thing, or the other side will not see the line close.
#[derive(Debug)]
pub struct ControlSocket(UnixStream);

impl ControlSocket {
    /// Two ends of a new line.
    ///
    /// # Errors
    /// When there are no more descriptors to be had.
    pub fn pair() -> Result<(Self, Self), ControlError> {
        let doing = failed("make a control line");
        let (one, other) = UnixStream::pair().map_err(doing)?;
        // A program may have closed its standard streams. What a forked process puts in their places must not close
        // its line; a clone is never put there.
        let off_standard = |end: UnixStream| match end.as_raw_fd() {
            libc::STDIN_FILENO | libc::STDOUT_FILENO | libc::STDERR_FILENO => end.try_clone(),
            _ => Ok(end),
        };
        let one = off_standard(one).map_err(doing)?;
        let other = off_standard(other).map_err(doing)?;
        Ok((Self(one), Self(other)))
    }

    /// The end that [`crate::process::spawn_self_with_control`] put on this process's standard input, which reads
    /// `/dev/null` from here on. Call it once, first thing.
    ///
    /// # Errors
    /// When standard input is no socket, or there are no more descriptors to be had.
    pub fn from_stdin() -> Result<Self, ControlError> {
        let doing = "take the control line from standard input";
        let stdin = io::stdin();
        nix::sys::socket::getsockname::<nix::sys::socket::UnixAddr>(raw(&stdin))
            .map_err(|errno| OsError::new(doing, errno))?;
        let own = stdin.as_fd().try_clone_to_owned().map_err(failed(doing))?;
        let null = std::fs::File::open("/dev/null").map_err(failed(doing))?;
        nix::unistd::dup2_stdin(null).map_err(|errno| OsError::new(doing, errno))?;
        Ok(Self(UnixStream::from(own)))
    }

    /// Sends one message. Waits only when some hundreds lie unread.
    ///
    /// # Errors
    /// [`ControlError::Closed`] when the other side is gone.
    pub fn send(&self, message: &[u8; MESSAGE_BYTES]) -> Result<(), ControlError> {
        (&self.0)
            .write_all(message)
            .map_err(closed_or("send on the control line"))
    }

    /// Receives one message; `timeout` (`None`: for ever) is for its first byte.
    ///
    /// # Errors
    /// [`ControlError::Closed`] when the other side is gone and all that it sent is read, [`ControlError::TimedOut`].
    pub fn recv(&self, timeout: Option<Duration>) -> Result<[u8; MESSAGE_BYTES], ControlError> {
        if timeout.is_some() {
            let mut fds = [PollFd::new(self.as_fd(), PollFlags::POLLIN)];
            if !poll(&mut fds, timeout)? {
                return Err(ControlError::TimedOut(timeout.unwrap_or_default()));
            }
        }
        let mut message = [0; MESSAGE_BYTES];
        (&self.0)
            .read_exact(&mut message)
            .map_err(closed_or("receive on the control line"))?;
        Ok(message)
    }

    pub(super) fn send_rest(&self, rest: &[u8]) -> Result<(), ControlError> {
        (&self.0)
            .write_all(rest)
            .map_err(closed_or("send on the control line"))
    }

    pub(super) fn recv_rest(&self, rest: &mut [u8]) -> Result<(), ControlError> {
        (&self.0)
            .read_exact(rest)
            .map_err(closed_or("receive on the control line"))
    }

    /// Whether the other side is gone and nothing it sent is left to read. For a socket that polls as readable.
    pub(super) fn is_at_end(&self) -> bool {
        let mut byte = [0];
        let peek = nix::sys::socket::MsgFlags::MSG_PEEK | nix::sys::socket::MsgFlags::MSG_DONTWAIT;
        let result = crate::error::retry(|| nix::sys::socket::recv(raw(&self.0), &mut byte, peek));
        !matches!(result, Ok(1..) | Err(Errno::EAGAIN))
    }
}

fn raw(fd: &impl AsFd) -> i32 {
    use std::os::fd::AsRawFd;
    fd.as_fd().as_raw_fd()
}

fn failed(doing: &'static str) -> impl Fn(io::Error) -> ControlError + Copy {
    move |error| OsError::new(doing, error).into()
}

fn closed_or(doing: &'static str) -> impl FnOnce(io::Error) -> ControlError {
    move |error| match error.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::WriteZero => ControlError::Closed,
        _ => OsError::new(doing, error).into(),
    }
}

impl AsFd for ControlSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// An end that came along with a message ([`ControlSocket::recv_with`]).
impl From<OwnedFd> for ControlSocket {
    fn from(end: OwnedFd) -> Self {
        Self(UnixStream::from(end))
    }
}

impl From<ControlSocket> for OwnedFd {
    fn from(socket: ControlSocket) -> Self {
        socket.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_arrive_in_order_and_then_the_end() {
        let (one, other) = ControlSocket::pair().unwrap();
        one.send(&[1; MESSAGE_BYTES]).unwrap();
        one.send(&[2; MESSAGE_BYTES]).unwrap();
        drop(one);
        assert_eq!(other.recv(None).unwrap(), [1; MESSAGE_BYTES]);
        assert_eq!(
            other.recv(Some(Duration::ZERO)).unwrap(),
            [2; MESSAGE_BYTES]
        );
        assert!(matches!(other.recv(None), Err(ControlError::Closed)));
        assert!(matches!(
            other.send(&[3; MESSAGE_BYTES]),
            Err(ControlError::Closed)
        ));
    }

    #[test]
    fn silence_times_out() {
        let (_one, other) = ControlSocket::pair().unwrap();
        let result = other.recv(Some(Duration::from_millis(1)));
        assert!(matches!(result, Err(ControlError::TimedOut(_))));
    }
}
