//! Waiting for a message and for the end of a child at once.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout};

use super::{ChildEvents, ControlSocket};
use crate::OsError;

/// What came first.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Either {
    /// A message can be received.
    Message,
    /// Children may have ended: call [`crate::process::reap_any`] until it gives no more.
    ChildChanged,
    /// The other side of the line is gone, and nothing it sent is unread.
    PeerGone,
}

/// Waits until a message lies on `socket`, or a child has ended, or the other side is gone. Ended children come first.
///
/// # Errors
/// When the system cannot wait.
pub fn wait_either(socket: &ControlSocket, children: &ChildEvents) -> Result<Either, OsError> {
    loop {
        let mut fds = [
            PollFd::new(children.as_fd(), PollFlags::POLLIN),
            PollFd::new(socket.as_fd(), PollFlags::POLLIN),
        ];
        poll(&mut fds, None)?;
        let [child_news, line_news] = fds.map(|fd| fd.any() != Some(false));
        if child_news {
            children.drain();
            return Ok(Either::ChildChanged);
        }
        if line_news {
            return Ok(if socket.is_at_end() {
                Either::PeerGone
            } else {
                Either::Message
            });
        }
    }
}

/// poll(2) without interruptions: true when something is ready, false when the timeout ran out.
pub(super) fn poll(fds: &mut [PollFd<'_>], timeout: Option<Duration>) -> Result<bool, OsError> {
    let deadline = timeout.and_then(|limit| Instant::now().checked_add(limit));
    loop {
        let left = deadline.map_or(PollTimeout::NONE, |end| {
            let left = end.saturating_duration_since(Instant::now());
            let millis = left.as_nanos().div_ceil(1_000_000);
            i32::try_from(millis)
                .ok()
                .and_then(|millis| PollTimeout::try_from(millis).ok())
                .unwrap_or(PollTimeout::MAX)
        });
        match nix::poll::poll(fds, left) {
            Ok(0) if deadline.is_some_and(|end| Instant::now() >= end) => return Ok(false),
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(true),
            Err(errno) => return Err(OsError::new("wait for descriptors", errno)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::MESSAGE_BYTES;

    #[test]
    fn each_of_the_three_is_told() {
        let children = ChildEvents::install().unwrap();
        assert!(ChildEvents::install().is_err(), "one at a time");
        let (near, far) = ControlSocket::pair().unwrap();
        far.send(&[1; MESSAGE_BYTES]).unwrap();
        let settled = || loop {
            // Other tests of this process may have children that end.
            match wait_either(&near, &children).unwrap() {
                Either::ChildChanged => {}
                other => return other,
            }
        };
        assert_eq!(settled(), Either::Message);
        let mut child = std::process::Command::new("true").spawn().unwrap();
        while wait_either(&near, &children).unwrap() != Either::ChildChanged {}
        child.wait().unwrap();
        drop(far);
        assert_eq!(settled(), Either::Message, "what was sent is still there");
        near.recv(None).unwrap();
        assert_eq!(settled(), Either::PeerGone);
    }
}
