//! What can go wrong: with starting a manager, and with one call.

use std::io;
use std::path::PathBuf;

use forkyard_os::process::ExitCause;
use serde::{Deserialize, Serialize};

use crate::error::{BuildError, TaskError};
use crate::job::ItemError;

/// Why a manager could not be started. Nothing is left behind then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManagerStartError {
    /// Its process could not be had.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The function that makes the value failed, or its process died.
    #[error("the manager's value could not be made: {0}")]
    Value(#[from] TaskError),
    /// No socket could be set up in the folder for temporary files.
    #[error("the manager's socket could not be set up: {0}")]
    Socket(String),
    /// It was started, but could not be called.
    #[error("the manager was started but cannot be called: {0}")]
    FirstCall(ManagerError),
    /// The name of the folder for temporary files is too long to have a socket in it.
    #[error(
        "a socket in {folder} would have a name of {bytes} bytes, which is more than the system \
         takes; set TMPDIR to a folder with a shorter name"
    )]
    PathTooLong {
        /// The folder for temporary files.
        folder: PathBuf,
        /// Bytes of the socket's name there.
        bytes: usize,
    },
}

/// Why a call has no result. The manager, unless it is said to be gone, and every other call
/// go on.
///
/// It can itself be part of a task's result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum ManagerError {
    /// The argument could not be encoded.
    #[error("the argument of a call could not be encoded: {0}")]
    EncodeArgument(String),
    /// The manager could not decode the argument; the function was not called.
    #[error("the manager could not decode the argument of a call: {0}")]
    DecodeArgument(String),
    /// The function panicked. The value lives on, as the function left it.
    #[error(transparent)]
    Panicked(Box<CallPanic>),
    /// The function was called, but what it returned could not be encoded.
    #[error("the manager could not encode the result of a call: {0}")]
    EncodeResult(String),
    /// The function was called, but what it returned could not be decoded here.
    #[error("the result of a call could not be decoded: {0}")]
    DecodeResult(String),
    /// The argument or the result is larger than a message may be.
    #[error("{bytes} bytes are too many for one call; it takes {limit} at most")]
    TooLarge {
        /// How many they are.
        bytes: u64,
        /// How many they may be.
        limit: u64,
    },
    /// The call comes from a function that the manager runs already, and would wait for itself.
    #[error(
        "this call comes from within a call to the same manager, and would wait for itself for \
         ever; the function has the value in its hands already"
    )]
    Nested,
    /// The call was not done in time. The function may have run, or may run yet.
    #[error("the call was not done in time; its function may run all the same")]
    TimedOut,
    /// The manager's owner has let go of it, or has itself ended.
    #[error("the manager has ended: its owner has dropped it, or is gone")]
    Ended,
    /// The manager's process died. Its value is lost.
    #[error("the manager (pid {pid}) died{}; its value is lost", told(.cause))]
    Died {
        /// Its process id.
        pid: i32,
        /// How it ended; known only to the process that owns it.
        #[serde(with = "cause")]
        cause: Option<ExitCause>,
    },
    /// The manager's value is of another type than the handle says.
    #[error("the manager's value is of another type than {expected}")]
    OtherType {
        /// The type that the handle says.
        expected: String,
    },
    /// The manager runs another build of the program: a function of this one means nothing there.
    #[error("the manager runs another build of this program")]
    OtherBuild,
    /// The manager did not understand the message, and has closed the line.
    #[error("the manager refuses what it was sent: {0}")]
    Refused(String),
    /// The manager lives, but cannot be talked to.
    #[error("the manager cannot be reached: {0}")]
    Unreachable(String),
}

/// A panic of a called function, in the manager's process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("the called function panicked: {message}{}", .location.as_ref().map_or_else(String::new, |at| format!(" at {at}")))]
pub struct CallPanic {
    /// The panic's message.
    pub message: String,
    /// `file:line:column` of the panic, where known.
    pub location: Option<String>,
    /// The backtrace, when `RUST_BACKTRACE` asks for one.
    pub backtrace: Option<String>,
}

fn told(cause: &Option<ExitCause>) -> String {
    cause.map_or_else(String::new, |cause| format!(": {cause}"))
}

/// How an exit crosses: its kind and its number.
mod cause {
    use forkyard_os::process::ExitCause;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "serde hands it so")]
    pub(super) fn serialize<S: Serializer>(
        cause: &Option<ExitCause>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let plain = cause.map(|cause| match cause {
            ExitCause::Code(code) => (0_u8, code),
            ExitCause::Signal { signal, core } => (1 + u8::from(core), signal),
            ExitCause::Unknown => (3, 0),
        });
        plain.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<ExitCause>, D::Error> {
        let plain = Option::<(u8, i32)>::deserialize(deserializer)?;
        Ok(plain.map(|(kind, value)| match kind {
            0 => ExitCause::Code(value),
            3 => ExitCause::Unknown,
            _ => ExitCause::Signal {
                signal: value,
                core: kind == 2,
            },
        }))
    }
}

/// Why the manager has no result for a call, as it tells it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Refusal {
    /// With the call itself.
    Item(ItemError),
    /// The value is of another type.
    OtherType,
    /// No more calls are taken.
    Ended,
    /// The message made no sense; the line is closed.
    Garbled(String),
    /// The result is too large.
    TooLarge(u64),
}

impl Refusal {
    /// The same as the caller sees it.
    pub(super) fn at_caller(self, expected: &str) -> ManagerError {
        match self {
            Self::Item(ItemError::Panicked(panic)) => ManagerError::Panicked(Box::new(CallPanic {
                message: panic.message,
                location: panic.location,
                backtrace: panic.backtrace,
            })),
            Self::Item(ItemError::Decode(why)) => ManagerError::DecodeArgument(why),
            Self::Item(ItemError::Encode(why) | ItemError::SharedMemory(why)) => {
                ManagerError::EncodeResult(why)
            }
            Self::Item(ItemError::Aborted) | Self::Ended => ManagerError::Ended,
            Self::OtherType => ManagerError::OtherType {
                expected: expected.to_owned(),
            },
            Self::Garbled(why) => ManagerError::Refused(why),
            Self::TooLarge(bytes) => ManagerError::TooLarge {
                bytes,
                limit: super::frame::MOST_BYTES,
            },
        }
    }
}

/// What the system said, for [`ManagerError::Unreachable`].
pub(super) fn unreachable(what: &str, error: &io::Error) -> ManagerError {
    ManagerError::Unreachable(format!("{what}: {error}"))
}

#[cfg(test)]
mod tests {
    use forkyard_wire::codec;

    use super::*;

    #[test]
    fn an_error_crosses_as_it_is() {
        let causes = [
            None,
            Some(ExitCause::Code(3)),
            Some(ExitCause::Signal {
                signal: 9,
                core: false,
            }),
            Some(ExitCause::Signal {
                signal: 11,
                core: true,
            }),
        ];
        for cause in causes {
            let error = ManagerError::Died { pid: 7, cause };
            let mut bytes = Vec::new();
            codec::encode_to_vec(&error, &mut bytes).expect("encodes");
            assert_eq!(codec::decode::<ManagerError>(&bytes), Ok(error));
        }
    }
}
