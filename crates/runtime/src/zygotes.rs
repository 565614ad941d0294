//! The supervisor's side of the zygotes: the one that serves, and what there is when it dies.
//!
//! ```text
//!   Fork:        the program ──fork──> zygote ──fork──> workers
//!                         `───fork──> spare, which takes over when the first one dies, and
//!                                       `──fork──> the next spare before anything else
//!   ForkServer:  the program ──exec──> zygote ──fork──> workers; executed again when it dies
//! ```
//!
//! A program with threads cannot be forked again, so with `Fork` there is one spare, forked at
//! the same time, and each that takes over forks the next. When both are dead at once, there is
//! nothing after them. A spare runs the pool's preload when it takes over, not before: it costs time
//! and memory, and most spares are never needed.

use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use forkyard_os::control::{ControlSocket, MESSAGE_BYTES};
use forkyard_os::process::{
    Environment, ExitCause, ForkError, Forked, Pid, Signal, fork, kill, reap_blocking,
    spawn_self_with_control, start_time,
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
    /// Another zygote forked it, which may have reaped it: when it was started, to know it by.
    adopted_at: Option<u64>,
}

impl Zygote {
    /// Ends it, if it has not ended, and says how it did, if it is ours to know: also what another
    /// zygote has forked is, where this process adopts orphans. It does nothing but wait for our line to close, which a copy of our end in some other child could put off.
    pub(crate) fn end(&self) -> ExitCause {
        if self
            .adopted_at
            .is_some_and(|at| start_time(self.pid) != Some(at))
        {
            return ExitCause::Unknown;
        }
        let _ = kill(self.pid, Signal::Kill);
        reap_blocking(self.pid).map_or(ExitCause::Unknown, |exit| exit.cause)
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Zygotes {
    /// What a zygote is told that is the program executed again; `None`: they are forked.
    orders: Option<Orders>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// The first one serves.
    alive: VecDeque<Arc<Zygote>>,
    /// Our end of the line to the spare that the one that serves was told to fork, until it says
    /// who that is.
    expected: Option<ControlSocket>,
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
            known: Mutex::default(),
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
        let is_spare = !self.lock().alive.is_empty();
        match fork().map_err(fork_error)? {
            Forked::Child => {
                // Each line must be seen to close when the supervisor is gone.
                drop(ours);
                self.lock().alive.clear();
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
                self.add(ours, pid, None);
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
            known: Mutex::default(),
        };
        zygotes.serving()?;
        Ok(zygotes)
    }

    /// The one that serves; made anew, when that can be, if there is none.
    ///
    /// # Errors
    /// When it cannot.
    pub(crate) fn serving(&self) -> Result<Arc<Zygote>, BuildError> {
        if let Some(zygote) = self.lock().alive.front() {
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
        Ok(self.add(socket, pid, None))
    }

    fn add(&self, socket: ControlSocket, pid: Pid, adopted_at: Option<u64>) -> Arc<Zygote> {
        let zygote = Arc::new(Zygote {
            socket,
            pid,
            adopted_at,
        });
        self.lock().alive.push_back(Arc::clone(&zygote));
        zygote
    }

    /// The one that serves has forked a spare. Whether it was to.
    pub(crate) fn adopt(&self, pid: Pid) -> bool {
        let expected = self.lock().expected.take();
        let is_expected = expected.is_some();
        if let Some(line) = expected {
            self.add(line, pid, Some(start_time(pid).unwrap_or(0)));
        }
        is_expected
    }

    /// The one that serves has died. Whether there can be another.
    pub(crate) fn lose(&self) -> bool {
        let mut known = self.lock();
        known.alive.pop_front();
        known.expected = None;
        if let Some(next) = known.alive.front() {
            // A spare waits for a word before it prepares itself. If it has died, that shows
            // when it is to fork.
            let line = ControlSocket::pair().ok();
            let theirs = line.as_ref().map(|(_, theirs)| theirs.as_fd());
            let _ = next.socket.send_with(&[0; MESSAGE_BYTES], theirs);
            known.expected = line.map(|(ours, _)| ours);
        }
        self.orders.is_some() || !known.alive.is_empty()
    }

    /// Who they are.
    pub(crate) fn pids(&self) -> Vec<Pid> {
        let known = self.lock();
        known.alive.iter().map(|zygote| zygote.pid).collect()
    }

    /// Ends them all.
    pub(crate) fn end(&self) {
        let mut known = self.lock();
        known.expected = None;
        for zygote in known.alive.drain(..) {
            zygote.end();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
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
