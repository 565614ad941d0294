//! Why there are no workers, in words for whoever builds or uses the pool.

use std::fmt;
use std::time::Duration;

use forkyard_os::process::ExitCause;
use forkyard_shm::layout::{Phase, WorkerPage};

use crate::error::BuildError;
use crate::start::EXIT_SKIPPED_INIT;

/// What a worker's page says of it after its end. Written by the worker: a text, and nothing
/// that anything depends on.
#[derive(Debug, Clone)]
pub(crate) struct LastWords {
    phase: Phase,
    note: String,
}

impl LastWords {
    pub(crate) fn of(page: &WorkerPage) -> Self {
        Self {
            phase: page.vitals.phase(),
            note: page.note.get().unwrap_or_default(),
        }
    }

    /// Whether it was in the pool's initializer.
    pub(crate) fn is_initializing(&self) -> bool {
        self.phase == Phase::Initializing
    }
}

/// Why the pool stopped starting workers.
#[derive(Debug, Clone)]
pub(crate) enum StartFailure {
    /// A worker ended before it was ready.
    Died {
        worker: usize,
        pid: i32,
        cause: ExitCause,
        phase: LastWords,
    },
    /// A worker became ready, and was ended because it could not be taken.
    Refused {
        worker: usize,
        pid: i32,
        why: String,
    },
    /// A worker did not become ready in time.
    TimedOut {
        worker: usize,
        pid: i32,
        within: Duration,
        /// It was in the pool's initializer.
        initializing: bool,
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
            Self::Died { pid, .. }
            | Self::Refused { pid, .. }
            | Self::TimedOut { pid, .. }
            | Self::ZygoteDied { pid, .. } => *pid,
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
            } => died(worker, pid, cause, phase),
            Self::Refused { worker, why, .. } => BuildError::WorkerSetup { worker, why },
            Self::TimedOut {
                worker,
                within,
                initializing: true,
                ..
            } => BuildError::Initializer {
                worker,
                why: format!("it did not end within {within:?}; raise start_timeout()"),
            },
            Self::TimedOut {
                worker,
                pid,
                within,
                initializing: false,
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

/// A worker that ended before it was ready, in the words of its last phase.
fn died(worker: usize, pid: i32, cause: ExitCause, last: LastWords) -> BuildError {
    let hint = match last.phase {
        Phase::NotSetUp => {
            return BuildError::WorkerSetup {
                worker,
                why: last.note,
            };
        }
        Phase::NotPreloaded => return BuildError::Preload { why: last.note },
        Phase::NotInitialized => {
            return BuildError::Initializer {
                worker,
                why: last.note,
            };
        }
        Phase::Initializing => {
            return BuildError::Initializer {
                worker,
                why: format!("its process (pid {pid}) ended in it: {cause}"),
            };
        }
        Phase::OtherBuild => {
            "; it is another build than this process: the program's file was replaced while it \
             ran, start it again"
        }
        Phase::NoLink => "; it could not connect its pipe: is TMPDIR writable and short?",
        Phase::Empty | Phase::Ready | Phase::Leaving => "",
    };
    BuildError::DiedAtStart {
        worker,
        pid,
        cause,
        hint: hint.to_owned(),
    }
}
