//! Why there are no workers, in words for whoever builds or uses the pool.

use std::fmt;
use std::time::Duration;

use forkyard_os::process::ExitCause;
use forkyard_shm::layout::Phase;

use crate::error::BuildError;
use crate::start::EXIT_SKIPPED_INIT;

/// Why the pool stopped starting workers.
#[derive(Debug, Clone)]
pub(crate) enum StartFailure {
    /// A worker ended before it was ready.
    Died {
        worker: usize,
        pid: i32,
        cause: ExitCause,
        phase: Phase,
    },
    /// A worker did not become ready in time.
    TimedOut {
        worker: usize,
        pid: i32,
        within: Duration,
    },
    /// The process from which workers are forked has ended.
    ZygoteDied {
        worker: usize,
        pid: i32,
        cause: ExitCause,
    },
    /// No process could be started.
    NotStarted(String),
}

impl fmt::Display for StartFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotStarted(why) => write!(f, "no worker process could be started: {why}"),
            other => other.clone().into_build_error().fmt(f),
        }
    }
}

impl StartFailure {
    /// The process that it is about, if there was one.
    pub(crate) fn pid(&self) -> i32 {
        match self {
            Self::Died { pid, .. } | Self::TimedOut { pid, .. } | Self::ZygoteDied { pid, .. } => {
                *pid
            }
            Self::NotStarted(_) => 0,
        }
    }

    pub(crate) fn into_build_error(self) -> BuildError {
        match self {
            Self::Died {
                worker,
                cause: ExitCause::Code(EXIT_SKIPPED_INIT),
                ..
            }
            | Self::ZygoteDied {
                worker,
                cause: ExitCause::Code(EXIT_SKIPPED_INIT),
                ..
            } => BuildError::WorkerSkippedInit { worker },
            Self::ZygoteDied { worker, pid, cause } => BuildError::DiedAtStart {
                worker,
                pid,
                cause,
                hint: "; it was the zygote, from which the pool's workers are forked".to_owned(),
            },
            Self::Died {
                worker,
                pid,
                cause,
                phase,
            } => BuildError::DiedAtStart {
                worker,
                pid,
                cause,
                hint: match phase {
                    Phase::OtherBuild => "; it is another build than this process: the program's \
                                          file was replaced while it ran, start it again"
                        .to_owned(),
                    Phase::NoLink => {
                        "; it could not connect its pipe: is TMPDIR writable and short?".to_owned()
                    }
                    _ => String::new(),
                },
            },
            Self::TimedOut {
                worker,
                pid,
                within,
            } => BuildError::HandshakeTimeout {
                worker,
                pid,
                within,
            },
            Self::NotStarted(why) => BuildError::Os {
                what: "starting a worker",
                source: std::io::Error::other(why),
            },
        }
    }
}
