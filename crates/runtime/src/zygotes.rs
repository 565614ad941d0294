//! The supervisor's side of the zygotes: the one that serves, and what there is when it dies.
//!
//! ```text
//!   Fork:        the program ──fork──> zygote ──fork──> workers
//!                         `───fork──> spare, which takes over when the first one dies
//!   ForkServer:  the program ──exec──> zygote ──fork──> workers; executed again when it dies
//! ```
//!
//! A program with threads cannot be forked again, so with `Fork` there is one spare, forked at
//! the same time, and after it nothing. The spare runs the pool's preload when it takes over, not
//! before: it costs time and memory, and most spares are never needed.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use forkyard_os::control::{ControlSocket, MESSAGE_BYTES};
use forkyard_os::process::{
    Environment, ForkError, Forked, Pid, Signal, fork, kill, reap_blocking, spawn_self_with_control,
};
use forkyard_os::segment::SegmentName;
use forkyard_shm::control::Control;

use crate::bootstrap::Attachment;
use crate::error::BuildError;
use crate::setup::Preparation;
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
    /// What a zygote is told that is the program executed again; `None`: they are forked.
    orders: Option<Orders>,
    /// The first one serves.
    alive: Mutex<VecDeque<Arc<Zygote>>>,
}

#[derive(Debug)]
struct Orders {
    /// The pool's segment, and the offset of the preload.
    words: String,
    environment: Environment,
}

impl Zygotes {
    /// Forks them from this process, which must have one thread.
    pub(crate) fn forked(
        name: &SegmentName,
        control: &Control,
        preparation: &Preparation,
    ) -> Result<Self, BuildError> {
        let zygotes = Self {
            orders: None,
            alive: Mutex::default(),
        };
        for _ in 0..FORKED {
            if let Err(error) = zygotes.fork_one(name, control, preparation) {
                zygotes.end();
                return Err(error);
            }
        }
        Ok(zygotes)
    }

    fn fork_one(
        &self,
        name: &SegmentName,
        control: &Control,
        preparation: &Preparation,
    ) -> Result<(), BuildError> {
        let (ours, theirs) = control_line()?;
        let is_spare = !self.lock().is_empty();
        match fork().map_err(fork_error)? {
            Forked::Child => {
                // Each line must be seen to close when the supervisor is gone.
                drop(ours);
                self.lock().clear();
                let attachment = Attachment {
                    control: *control,
                    name: name.clone(),
                    same_build: OnceLock::new(),
                    _segment: None,
                };
                if is_spare {
                    zygote::run_spare(theirs, attachment, preparation)
                }
                zygote::run(theirs, attachment, preparation)
            }
            Forked::Parent(pid) => {
                let zygote = Zygote { socket: ours, pid };
                self.lock().push_back(Arc::new(zygote));
                Ok(())
            }
        }
    }

    /// Executes the program again.
    pub(crate) fn executed(
        name: &SegmentName,
        preload: u64,
        environment: Environment,
    ) -> Result<Self, BuildError> {
        let zygotes = Self {
            orders: Some(Orders {
                words: format!("{} {preload}", name.as_str()),
                environment,
            }),
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
        let Some(orders) = &self.orders else {
            return Err(BuildError::Os {
                what: "forking a worker",
                source: std::io::Error::other("every zygote has died"),
            });
        };
        let (socket, theirs) = control_line()?;
        let variables = [(ZYGOTE_VARIABLE, orders.words.as_str())];
        let pid = spawn_self_with_control(&variables, &orders.environment, theirs)?;
        let zygote = Arc::new(Zygote { socket, pid });
        self.lock().push_back(Arc::clone(&zygote));
        Ok(zygote)
    }

    /// The one that serves has died. Whether there can be another.
    pub(crate) fn lose(&self) -> bool {
        let mut alive = self.lock();
        alive.pop_front();
        if let Some(next) = alive.front() {
            // A spare waits for a word before it prepares itself. If it has died, that shows
            // when it is to fork.
            let _ = next.socket.send(&[0; MESSAGE_BYTES]);
        }
        self.orders.is_some() || !alive.is_empty()
    }

    /// Who they are.
    pub(crate) fn pids(&self) -> Vec<Pid> {
        self.lock().iter().map(|zygote| zygote.pid).collect()
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
