//! A message with a descriptor, which becomes the receiver's own.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, UnixAddr, recvmsg, sendmsg};

use super::{ControlError, ControlSocket, MESSAGE_BYTES};
use crate::OsError;
use crate::error::retry;

impl ControlSocket {
    /// As [`ControlSocket::send`], with a descriptor for [`ControlSocket::recv_with`] on the other side.
    ///
    /// # Errors
    /// [`ControlError::Closed`] when the other side is gone.
    pub fn send_with(
        &self,
        message: &[u8; MESSAGE_BYTES],
        handed: Option<BorrowedFd<'_>>,
    ) -> Result<(), ControlError> {
        let Some(handed) = handed else {
            return self.send(message);
        };
        let raw = [handed.as_raw_fd()];
        let control = [ControlMessage::ScmRights(&raw)];
        let socket = self.as_fd().as_raw_fd();
        let sent = retry(|| {
            let bytes = [IoSlice::new(message)];
            sendmsg::<UnixAddr>(socket, &bytes, &control, MsgFlags::empty(), None)
        })
        .map_err(|errno| closed_or("send on the control line", errno))?;
        // The descriptor went with the first byte.
        self.send_rest(&message[sent.min(MESSAGE_BYTES)..])
    }

    /// As [`ControlSocket::recv`] without a timeout, with the descriptor that came along. It is close-on-exec. One that
    /// this process had no room for is missing.
    ///
    /// # Errors
    /// [`ControlError::Closed`] when the other side is gone and all that it sent is read.
    pub fn recv_with(&self) -> Result<([u8; MESSAGE_BYTES], Option<OwnedFd>), ControlError> {
        let mut message = [0; MESSAGE_BYTES];
        let mut space = nix::cmsg_space!(RawFd);
        let socket = self.as_fd().as_raw_fd();
        #[cfg(target_os = "linux")]
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        #[cfg(not(target_os = "linux"))]
        let flags = MsgFlags::empty();
        let mut handed = None;
        let received = loop {
            let mut bytes = [IoSliceMut::new(&mut message)];
            let result = recvmsg::<UnixAddr>(socket, &mut bytes, Some(&mut space), flags);
            match result {
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(closed_or("receive on the control line", errno)),
                Ok(found) => {
                    // An error here says that the list was cut short: there was no room for the descriptor.
                    for control in found.cmsgs().into_iter().flatten() {
                        if let ControlMessageOwned::ScmRights(descriptors) = control {
                            for raw in descriptors {
                                handed = Some(own(raw));
                            }
                        }
                    }
                    break found.bytes;
                }
            }
        };
        if received == 0 {
            return Err(ControlError::Closed);
        }
        self.recv_rest(&mut message[received.min(MESSAGE_BYTES)..])?;
        Ok((message, handed))
    }
}

fn own(raw: RawFd) -> OwnedFd {
    // SAFETY: the kernel has just made this descriptor in this process for the message, and nobody else knows it.
    let fd = unsafe { OwnedFd::from_raw_fd(raw) };
    #[cfg(not(target_os = "linux"))]
    {
        let flag = nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC);
        let _ = nix::fcntl::fcntl(&fd, flag);
    }
    fd
}

fn closed_or(doing: &'static str, errno: Errno) -> ControlError {
    match errno {
        Errno::EPIPE | Errno::ECONNRESET => ControlError::Closed,
        _ => OsError::new(doing, io::Error::from(errno)).into(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn a_descriptor_goes_with_its_message() {
        let (near, far) = ControlSocket::pair().unwrap();
        let (mut reader, writer) = io::pipe().unwrap();
        near.send(&[1; MESSAGE_BYTES]).unwrap();
        near.send_with(&[2; MESSAGE_BYTES], Some(writer.as_fd()))
            .unwrap();
        near.send_with(&[3; MESSAGE_BYTES], None).unwrap();
        drop(writer);
        let (message, none) = far.recv_with().unwrap();
        assert_eq!((message, none.is_none()), ([1; MESSAGE_BYTES], true));
        let (message, handed) = far.recv_with().unwrap();
        assert_eq!(message, [2; MESSAGE_BYTES]);
        let mut handed = std::fs::File::from(handed.unwrap());
        handed.write_all(b"here").unwrap();
        drop(handed);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "here");
        assert!(far.recv_with().unwrap().1.is_none());
        drop(near);
        assert!(matches!(far.recv_with(), Err(ControlError::Closed)));
    }
}
