//! The supervisor's side of the zygotes: the one that serves, and what there is when it dies.
//!
//! ```text
//!   Fork:        the program ──fork──> zygote ──fork──> workers
//!                         `───fork──> spare, which takes over when the first one dies
//!   ForkServer:  the program ──exec──> zygote ──fork──> workers; executed again when it dies
//! ```
//!
//! A program with threads cannot be forked again, so with `Fork` there is one spare, forked at
//! the same time, and after it nothing.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use forkyard_os::control::ControlSocket;
use forkyard_os::process::{
    ForkError, Forked, Pid, Signal, fork, kill, reap_blocking, spawn_self_with_control,
};
use forkyard_os::segment::SegmentName;
use forkyard_shm::control::Control;

use crate::bootstrap::Attachment;
use crate::error::BuildError;
use crate::start::ZYGOTE_VARIABLE;
use crate::zygote;

/// How many are forked: the one that serves, and the spare.
const FORKED: usize = 2;

/// A zygote, and the line to it. It has no workers of its own to wait for when it is dropped, so
/// nothing happens then: it is ended by [`end`](Self::end).
#[derive(Debug)]
pub(crate) struct Zygote {
    pub(crate) socket: ControlSocket,
    pub(crate) pid: Pid,
}

impl Zygote {
    /// Ends it, if it has not ended. It does nothing but wait for our line to close, which a copy
    /// of our end in some other child could put off.
    pub(crate) fn end(&self) {
        let _ = kill(self.pid, Signal::Kill);
        let _ = reap_blocking(self.pid);
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Zygotes {
    /// The pool's segment, where a zygote is the program executed again.
    segment: Option<String>,
    /// The first one serves.
    alive: Mutex<VecDeque<Arc<Zygote>>>,
}

impl Zygotes {
    /// Forks them from this process, which must have one thread.
    pub(crate) fn forked(name: &SegmentName, control: &Control) -> Result<Self, BuildError> {
        let zygotes = Self {
            segment: None,
            alive: Mutex::default(),
        };
        for _ in 0..FORKED {
            if let Err(error) = zygotes.fork_one(name, control) {
                zygotes.end();
                return Err(error);
            }
        }
        Ok(zygotes)
    }

    fn fork_one(&self, name: &SegmentName, control: &Control) -> Result<(), BuildError> {
        let (ours, theirs) = control_line()?;
        match fork().map_err(fork_error)? {
            Forked::Child => {
                // Each line must be seen to close when the supervisor is gone.
                drop(ours);
                self.lock().clear();
                let attachment = Attachment {
                    control: *control,
                    name: name.clone(),
                    _segment: None,
                };
                zygote::run(theirs, attachment)
            }
            Forked::Parent(pid) => {
                let zygote = Zygote { socket: ours, pid };
                self.lock().push_back(Arc::new(zygote));
                Ok(())
            }
        }
    }

    /// Executes the program again.
    pub(crate) fn executed(name: &SegmentName) -> Result<Self, BuildError> {
        let zygotes = Self {
            segment: Some(name.as_str().to_owned()),
            alive: Mutex::default(),
        };
        zygotes.serving()?;
        Ok(zygotes)
    }

    /// The one that serves; made anew, when that can be, if there is none.
    ///
    /// # Errors
    /// When it cannot.
    pub(crate) fn serving(&self) -> Result<Arc<Zygote>, BuildError> {
        if let Some(zygote) = self.lock().front() {
            return Ok(Arc::clone(zygote));
        }
        let Some(segment) = &self.segment else {
            return Err(BuildError::Os {
                what: "forking a worker",
                source: std::io::Error::other("every zygote has died"),
            });
        };
        let (socket, theirs) = control_line()?;
        let pid = spawn_self_with_control(&[(ZYGOTE_VARIABLE, segment)], theirs)?;
        let zygote = Arc::new(Zygote { socket, pid });
        self.lock().push_back(Arc::clone(&zygote));
        Ok(zygote)
    }

    /// The one that serves has died. Whether there can be another.
    pub(crate) fn lose(&self) -> bool {
        let mut alive = self.lock();
        alive.pop_front();
        self.segment.is_some() || !alive.is_empty()
    }

    /// Ends them all.
    pub(crate) fn end(&self) {
        for zygote in self.lock().drain(..) {
            zygote.end();
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Zygote>>> {
        self.alive.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn control_line() -> Result<(ControlSocket, ControlSocket), BuildError> {
    ControlSocket::pair().map_err(|error| BuildError::Os {
        what: "making the zygote's control line",
        source: std::io::Error::other(error),
    })
}

fn fork_error(error: ForkError) -> BuildError {
    match error {
        ForkError::Threads { count } => BuildError::ForkFromThreads { threads: count },
        other => BuildError::Os {
            what: "forking the zygote",
            source: std::io::Error::other(other),
        },
    }
}
