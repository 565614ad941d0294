//! The thread that passes on what workers write to standard error.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use forkyard_os::death::{DeathEvents, DeathWatch};
use forkyard_os::segment::SegmentName;
use forkyard_os::{OsError, stderr};

use super::lines::Lines;
use crate::trace;

/// How long the end of a pool waits for whoever reads the supervisor's standard error. After that the thread is left
/// to itself; it goes on for as long as the program does.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// A pool's lines, and the thread that reads them once it is [started](Relay::start).
#[derive(Debug)]
pub(super) struct Relay {
    /// Whose workers these are, for traces.
    pool: SegmentName,
    watch: DeathWatch,
    /// Never held while standard error is written to, which may take any time.
    lines: Mutex<Lines>,
    runs: AtomicBool,
    ends: AtomicBool,
}

/// Ends the thread when it is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    relay: Arc<Relay>,
    thread: Option<JoinHandle<()>>,
    /// Says that the thread has done everything, by being closed.
    done: Receiver<()>,
}

impl Relay {
    pub(super) fn new(pool: SegmentName) -> Result<Self, OsError> {
        Ok(Self {
            pool,
            watch: DeathWatch::new()?,
            lines: Mutex::default(),
            runs: AtomicBool::new(false),
            ends: AtomicBool::new(false),
        })
    }

    /// Starts the thread. Without one there are no lines.
    pub(super) fn start(self: &Arc<Self>) -> Option<Running> {
        let (sender, done) = channel();
        let relay = Arc::clone(self);
        let thread = std::thread::Builder::new()
            .name("forkyard-stderr".to_owned())
            .spawn(move || relay.run(&sender))
            .inspect_err(|error| trace::output_lost(&self.pool, "no thread", error))
            .ok()?;
        // Relaxed: by the thread that goes on to ask for lines.
        self.runs.store(true, Ordering::Relaxed);
        Some(Running {
            relay: Arc::clone(self),
            thread: Some(thread),
            done,
        })
    }

    pub(super) fn line(&self, index: usize, generation: u32) -> Option<OwnedFd> {
        if !self.runs.load(Ordering::Relaxed) {
            return None;
        }
        match self.lock().open(&self.watch, index, generation) {
            Ok(end) => end,
            Err(error) => {
                trace::output_inherited(&self.pool, index, generation, &error);
                None
            }
        }
    }

    pub(super) fn last_words(&self, index: usize, generation: u32) -> Arc<str> {
        let text = self.lock().bury(&self.watch, index, generation);
        self.watch.waker().wake();
        text
    }

    fn run(&self, _done: &Sender<()>) {
        stderr::survive_broken_pipes();
        // Relaxed: the waker orders it, and a wake too many does no harm.
        let mut patience = None;
        while !self.ends.load(Ordering::Relaxed) {
            let events = self.watch.wait(patience).unwrap_or_else(|error| {
                trace::output_lost(&self.pool, "the pipes cannot be watched", &error);
                self.ends.store(true, Ordering::Relaxed);
                DeathEvents::default()
            });
            // The rest of what the dead have written comes before what others write since they heard of it.
            let mut now = Instant::now();
            let (rest, mut next) = self.lock().due(now);
            stderr::write_all(&rest);
            for token in &events.readable {
                now = Instant::now();
                let (piece, left) = self.lock().read(&self.watch, *token, now);
                stderr::write_all(&piece);
                next = next.into_iter().chain(left).min();
            }
            patience = next;
        }
        let rest = self.lock().close(&self.watch);
        stderr::write_all(&rest);
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        // Each step leaves the lines whole.
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.relay.ends.store(true, Ordering::Relaxed);
        self.relay.watch.waker().wake();
        if self.done.recv_timeout(LAST_WAIT) == Err(RecvTimeoutError::Timeout) {
            trace::output_late(&self.relay.pool);
            return;
        }
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
