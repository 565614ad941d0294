//! What is known of a worker's end beyond how it ended: what it last wrote to standard error, and whether the kernel
//! had run out of memory.
//!
//! ```text
//!   worker ──standard error──> pipe ──> relay's thread ──> the supervisor's standard error
//!                                `──────> tail, 2 KiB ──> WorkerDeath
//! ```
//!
//! A thread of its own, because whoever reads the supervisor's standard error may be slow, or stopped: then workers
//! that write wait, as they would without a pipe, and nobody else does.

mod lines;
mod relay;
mod tail;

use std::fmt;
use std::io::IsTerminal;
use std::os::fd::OwnedFd;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use forkyard_os::oom::OomKills;
use forkyard_os::process::{ExitCause, Signal};
use forkyard_os::segment::SegmentName;
use forkyard_os::stderr::files_left;

use crate::trace;
use relay::Relay;
pub(crate) use relay::Running;

/// What workers' standard error is; see [`PoolBuilder::stderr`](crate::PoolBuilder::stderr).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WorkerStderr {
    /// [`Inherit`](Self::Inherit) when the supervisor's is a terminal, else [`Tail`](Self::Tail): who sits at the
    /// terminal sees what workers write, and programs that colour it go on doing so.
    #[default]
    Auto,
    /// A pipe to the supervisor, which passes everything on to its own standard error at once, and puts the end of it
    /// into the report of a death.
    Tail,
    /// The supervisor's own. Reports of deaths quote nothing.
    Inherit,
}

impl fmt::Display for WorkerStderr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Auto => "auto",
            Self::Tail => "tail",
            Self::Inherit => "inherit",
        })
    }
}

impl FromStr for WorkerStderr {
    type Err = crate::ParseOptionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            "tail" => Ok(Self::Tail),
            "inherit" => Ok(Self::Inherit),
            _ => Err(crate::ParseOptionError::new(
                text,
                "standard error",
                "auto, tail and inherit",
            )),
        }
    }
}

/// Descriptors that a worker may cost its supervisor in all, its line included.
const FILES_PER_WORKER: u64 = 6;
/// Descriptors that lines leave to the program.
const SPARE_FILES: u64 = 16;

/// Watches what workers leave behind when they die.
#[derive(Debug)]
pub(crate) struct Witness {
    relay: Option<Arc<Relay>>,
    oom: Mutex<OomKills>,
}

/// What a witness knows of a death.
#[derive(Debug, Clone)]
pub(crate) struct Testimony {
    /// The last that it wrote to standard error.
    pub(crate) stderr_tail: Arc<str>,
    /// Whether the kernel killed it for want of memory; `None` where that is not told.
    pub(crate) out_of_memory: Option<bool>,
}

impl Witness {
    /// Of the deaths in a pool of so many workers, which are to write to such a standard error.
    pub(crate) fn new(pool: &SegmentName, stderr: WorkerStderr, workers: usize) -> Self {
        let wanted = match stderr {
            WorkerStderr::Auto => !std::io::stderr().is_terminal(),
            WorkerStderr::Tail => true,
            WorkerStderr::Inherit => false,
        };
        let needed = FILES_PER_WORKER * workers as u64 + SPARE_FILES;
        let relay = (wanted && files_left().is_none_or(|left| left >= needed)).then(|| {
            Relay::new(pool.clone())
                .inspect_err(|error| {
                    trace::output_lost(pool, "the pipes cannot be watched", error);
                })
                .ok()
        });
        Self {
            relay: relay.flatten().map(Arc::new),
            oom: Mutex::new(OomKills::from_now_on()),
        }
    }

    /// Starts passing on what workers write; ended when what is returned is dropped, after all was passed on, or
    /// would have to wait for longer than a moment.
    pub(crate) fn start(&self) -> Option<Running> {
        self.relay.as_ref().and_then(Relay::start)
    }

    /// The standard error for a process that is about to be started; `None` for the supervisor's own.
    pub(crate) fn line(&self, index: usize, generation: u32) -> Option<OwnedFd> {
        self.relay.as_ref()?.line(index, generation)
    }

    /// What is known of that process, which is gone.
    pub(crate) fn testimony(&self, index: usize, generation: u32, cause: ExitCause) -> Testimony {
        let mut oom = self.oom.lock().unwrap_or_else(PoisonError::into_inner);
        let out_of_memory = match cause {
            ExitCause::Signal { signal, .. } if signal == Signal::Kill.as_raw() => oom.one_more(),
            ExitCause::Unknown => None,
            _ => oom.is_told().then_some(false),
        };
        let stderr_tail = match &self.relay {
            Some(relay) => relay.last_words(index, generation),
            None => Arc::default(),
        };
        Testimony {
            stderr_tail,
            out_of_memory,
        }
    }
}
