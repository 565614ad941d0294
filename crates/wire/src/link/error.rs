//! What can go wrong on the line.

use std::io;
use std::path::PathBuf;

use ipc_channel::IpcError;

use crate::packets::PacketError;

/// Why a packet did not go through.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The other process has ended or closed its end.
    #[error("the process at the other end of the line is gone")]
    PeerGone,
    /// The system could not do it.
    #[error("could not {doing}: {source}")]
    Os {
        /// What was being done, as the object of "could not".
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// No socket can be put into the folder for temporary files.
    #[error(
        "could not listen for a worker: TMPDIR ({folder:?}) must be a folder that can be written to, with a short UTF-8 \
         path: {source}"
    )]
    TemporaryFolder {
        /// The folder in question.
        folder: PathBuf,
        /// What is wrong with it.
        source: io::Error,
    },
    /// The path of temporary files is too long for a socket.
    #[error(
        "could not listen for a worker: its socket's name {name} is too long; set TMPDIR to a folder with a short path, \
         such as /tmp"
    )]
    NameTooLong {
        /// The name in question.
        name: String,
    },
    /// The other process sent what no end of this line sends.
    #[error("the process at the other end does not keep to the protocol: {0}")]
    Protocol(String),
}

impl LinkError {
    pub(super) fn os(doing: &'static str, source: io::Error) -> Self {
        match source.kind() {
            // NotFound is how ipc-channel tells of a Mach port without a receiver.
            io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::NotConnected
            | io::ErrorKind::NotFound => Self::PeerGone,
            _ => Self::Os { doing, source },
        }
    }

    pub(super) fn ipc(doing: &'static str, error: IpcError) -> Self {
        match error {
            IpcError::Disconnected => Self::PeerGone,
            IpcError::Io(source) => Self::os(doing, source),
            IpcError::SerializationError(error) => Self::Protocol(error.to_string()),
        }
    }
}

impl From<PacketError> for LinkError {
    fn from(error: PacketError) -> Self {
        Self::Protocol(error.to_string())
    }
}

/// Whether a signal interrupted a call, which did nothing then and can be repeated.
pub(super) fn is_interrupted(error: &IpcError) -> bool {
    matches!(error, IpcError::Io(source) if source.kind() == io::ErrorKind::Interrupted)
}

/// Sends one packet, again for as long as signals interrupt.
pub(super) fn send_packet(
    sender: &ipc_channel::ipc::IpcBytesSender,
    packet: &[u8],
) -> Result<(), LinkError> {
    loop {
        match sender.send(packet) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other.map_err(|error| LinkError::os("send a packet", error)),
        }
    }
}
