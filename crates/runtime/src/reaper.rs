//! The pool's one background thread: it learns of deaths, keeps deadlines, and starts
//! replacements. It sleeps in one system call until there is something to do.

use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use forkyard_os::control::ControlError;
use forkyard_os::death::{DeathEvents, DeathWaker, DeathWatch};
use forkyard_os::process::{Exit, ExitCause, Pid, Signal, kill, reap, reap_blocking};
use forkyard_shm::layout::Phase;

use crate::driver::{Core, Locked, NO_MORE_STARTS, SeatPhase, StartFailure, never_tell_here};
use crate::start::{Starter, ZygoteMessage};
use crate::trace;

/// Stands for the zygote's line among the watch's tokens.
const ZYGOTE: u64 = u64::MAX;

/// See the module.
#[derive(Debug)]
pub(crate) struct Reaper {
    core: Arc<Core>,
    watch: DeathWatch,
    /// How the zygote ended, once it has.
    zygote_end: Option<ExitCause>,
}

fn token(index: usize, generation: u32) -> u64 {
    (index as u64) << 32 | u64::from(generation)
}

impl Reaper {
    pub(crate) fn new(core: Arc<Core>, watch: DeathWatch) -> Self {
        core.set_waker(watch.waker());
        Self {
            core,
            watch,
            zygote_end: None,
        }
    }

    pub(crate) fn waker(&self) -> DeathWaker {
        self.watch.waker()
    }

    /// Runs until no process is left and none will come; if it panics, ends the pool.
    pub(crate) fn run_to_the_end(self) {
        never_tell_here();
        let core = Arc::clone(&self.core);
        let relay = core.witness.start();
        let panicked = catch_unwind(AssertUnwindSafe(|| self.run())).is_err();
        if panicked {
            // A bug of ours. Nobody watches the workers any more, so they must not stay, and
            // nobody who waits may wait on.
            let mut driver = core.lock();
            driver.abort(&core, Duration::ZERO);
            driver.signal_all(Signal::Kill);
            for seat in &mut driver.seats {
                if let Some(pid) = seat.pid.take() {
                    let _ = reap_blocking(pid);
                }
                seat.phase = SeatPhase::Gone;
            }
            drop(driver);
            core.starter.end();
        }
        // Everything that workers wrote is passed on before the pool's end is told.
        drop(relay);
        // Whoever waits in shared state for a process of this pool would wait for ever.
        core.states.end(&core.arena);
        core.ring();
    }

    fn run(mut self) {
        let core = Arc::clone(&self.core);
        if let Starter::Zygote { socket, .. } = &core.starter
            && let Err(error) = self.watch.watch_fd(socket.as_fd(), ZYGOTE)
        {
            tracing::error!(%error, "the zygote cannot be watched");
            self.lose_zygote();
        }
        loop {
            self.start_missing();
            let (done, next) = self.keep_deadlines();
            if done {
                break;
            }
            let timeout = next.map(|at| at.saturating_duration_since(Instant::now()));
            match self.watch.wait(timeout) {
                Ok(events) => self.handle(&events),
                Err(error) => {
                    tracing::error!(%error, "waiting for deaths failed; workers are killed");
                    self.core.lock().signal_all(Signal::Kill);
                    std::thread::yield_now();
                }
            }
        }
        self.end_zygote();
        self.core.ring();
    }

    fn handle(&mut self, events: &DeathEvents) {
        for died in &events.died {
            self.died((died >> 32) as usize, *died as u32);
        }
        if events.readable.contains(&ZYGOTE) {
            self.hear_zygote();
        }
    }

    /// A process that we watch is gone.
    fn died(&mut self, index: usize, generation: u32) {
        let driver = self.core.lock();
        let seat = &driver.seats[index];
        let Some(pid) = seat.pid.filter(|_| seat.generation == generation) else {
            return;
        };
        let exit = match &self.core.starter {
            Starter::Spawn { .. } => match reap(pid) {
                Ok(Some(exit)) => exit,
                // Reaped by somebody else (a SIGCHLD handler of the program): all that is
                // known is that it is gone.
                Ok(None) | Err(_) => unknown_exit(pid),
            },
            // Only watched after the zygote was lost, and killed then.
            Starter::Zygote { .. } => unknown_exit(pid),
        };
        self.exited(driver, index, &exit);
    }

    /// Tells the driver, and everybody who waits.
    fn exited(&self, mut driver: Locked<'_>, index: usize, exit: &Exit) {
        driver.on_exit(&self.core, index, exit);
        // What it had not begun is pending now, and nobody may be waiting.
        Core::ensure_fed(&self.core, &mut driver);
        drop(driver);
        self.core.ring();
    }

    /// Starts a process for every vacant seat.
    fn start_missing(&mut self) {
        loop {
            let mut driver = self.core.lock();
            let Some((index, generation)) = driver.take_vacant(&self.core) else {
                return;
            };
            drop(driver);
            if self.zygote_end.is_some() {
                self.not_forked(index, false);
                continue;
            }
            let core = Arc::clone(&self.core);
            let stderr = core.witness.line(index, generation);
            match core.starter.start(index, generation, stderr) {
                Ok(None) => {}
                Ok(Some(pid)) => self.seated(index, generation, pid),
                // Nobody listens on its line: this seat is among those it leaves empty.
                Err(_) if matches!(core.starter, Starter::Zygote { .. }) => self.lose_zygote(),
                Err(why) => self.not_started(index, StartFailure::NotStarted(why)),
            }
        }
    }

    /// A process exists for the seat.
    fn seated(&mut self, index: usize, generation: u32, pid: Pid) {
        let mut driver = self.core.lock();
        let seat = &mut driver.seats[index];
        seat.pid = Some(pid);
        trace::worker_started(&self.core, index, generation, pid.as_raw());
        let doomed = seat.fault.is_some();
        // A zygote's word may come later than its worker's own: who takes tasks already is asked to
        // end, like all others, and has its grace.
        let page = self.core.control.page(index);
        let is_at_work = matches!(page.vitals.phase(), Phase::Ready | Phase::Leaving);
        let is_late = seat.phase == SeatPhase::Ending && !is_at_work;
        if doomed || is_late && driver.escalation.is_some() {
            let _ = kill(pid, Signal::Kill);
        }
        drop(driver);
        if matches!(self.core.starter, Starter::Spawn { .. })
            && let Err(error) = self.watch.watch(pid, token(index, generation))
        {
            // It cannot be watched, so it cannot be let live.
            tracing::error!(%pid, %error, "worker cannot be watched");
            let _ = kill(pid, Signal::Kill);
            let exit = reap_blocking(pid).unwrap_or_else(|_| unknown_exit(pid));
            self.exited(self.core.lock(), index, &exit);
        }
    }

    fn not_started(&mut self, index: usize, failure: StartFailure) {
        let mut driver = self.core.lock();
        driver.failed_starts += 1;
        if self.zygote_end.is_some() {
            driver.failed_starts = NO_MORE_STARTS;
        }
        driver.start_failed(&self.core, index, failure);
        drop(driver);
        self.core.ring();
    }

    /// The zygote is gone, and with it the process that the seat was to have.
    fn not_forked(&mut self, index: usize, timed_out: bool) {
        let (Starter::Zygote { pid, .. }, Some(cause)) = (&self.core.starter, self.zygote_end)
        else {
            return;
        };
        let pid = pid.as_raw();
        let failure = if timed_out {
            StartFailure::TimedOut {
                worker: index,
                pid,
                within: self.core.options.start_timeout,
                initializing: false,
            }
        } else {
            StartFailure::ZygoteDied {
                worker: index,
                pid,
                cause,
            }
        };
        self.not_started(index, failure);
    }

    /// Reads what the zygote says.
    fn hear_zygote(&mut self) {
        let core = Arc::clone(&self.core);
        let Starter::Zygote { socket, .. } = &core.starter else {
            return;
        };
        loop {
            match socket.recv(Some(Duration::ZERO)) {
                Ok(bytes) => self.zygote_said(&bytes),
                Err(ControlError::TimedOut(_)) => return,
                Err(_) => return self.lose_zygote(),
            }
        }
    }

    fn zygote_said(&mut self, bytes: &[u8; forkyard_os::control::MESSAGE_BYTES]) {
        let workers = self.core.control.shape().workers as usize;
        match ZygoteMessage::decode(bytes) {
            Some(ZygoteMessage::Forked {
                index,
                generation,
                pid,
            }) if index < workers => {
                if let Some(pid) = Pid::from_raw(pid) {
                    self.seated(index, generation, pid);
                }
            }
            Some(ZygoteMessage::NotForked { index, why, .. }) if index < workers => {
                self.not_started(index, StartFailure::NotStarted(why.text().to_owned()));
            }
            Some(ZygoteMessage::Exited(exit)) => {
                let driver = self.core.lock();
                let seat = driver
                    .seats
                    .iter()
                    .position(|seat| seat.pid == Some(exit.pid));
                if let Some(index) = seat {
                    self.exited(driver, index, &exit);
                }
            }
            Some(_) | None => {
                tracing::error!("the zygote said what it must not");
            }
        }
    }

    /// The zygote is gone: nobody will tell how its workers end, so they are ended now.
    fn lose_zygote(&mut self) {
        let core = Arc::clone(&self.core);
        let Starter::Zygote { socket, pid } = &core.starter else {
            return;
        };
        if self.zygote_end.is_some() {
            return;
        }
        self.watch.unwatch_fd(socket.as_fd());
        // Should it live without its line, it has no use; if it is ending, its cause stays.
        let _ = kill(*pid, Signal::Kill);
        let exit = reap_blocking(*pid).unwrap_or_else(|_| unknown_exit(*pid));
        self.zygote_end = Some(exit.cause);
        trace::zygote_lost(&core, pid.as_raw(), exit.cause);
        let driver = self.core.lock();
        let orphans: Vec<(usize, u32, Option<Pid>, bool)> = driver
            .seats
            .iter()
            .filter(|seat| seat.is_occupied())
            .map(|seat| (seat.index, seat.generation, seat.pid, seat.start_timed_out))
            .collect();
        drop(driver);
        for (index, generation, pid, timed_out) in orphans {
            match pid {
                Some(pid) => {
                    let _ = kill(pid, Signal::Kill);
                    if self.watch.watch(pid, token(index, generation)).is_err() {
                        self.core
                            .lock()
                            .on_exit(&self.core, index, &unknown_exit(pid));
                    }
                }
                None => self.not_forked(index, timed_out),
            }
        }
        self.core.ring();
    }

    /// Does what is due; says whether all is over, and when the next thing is due.
    fn keep_deadlines(&mut self) -> (bool, Option<Instant>) {
        let now = Instant::now();
        let core = Arc::clone(&self.core);
        let mut driver = core.lock();
        // A worker that is ready is not late, although nobody may have looked.
        core.glance(&mut driver);
        let escalation = driver.escalate(&core, now);
        let (handshake, mut unanswered) = driver.overdue(now);
        unanswered |= driver.kills_the_unseen();
        let limits = Core::keep_limits(&core, &mut driver, now);
        let next = [escalation, handshake, limits].into_iter().flatten().min();
        let done = driver.all_gone();
        drop(driver);
        if unanswered && let Starter::Zygote { pid, .. } = &core.starter {
            // Its line closes with it, and the seats that wait for it learn why.
            let _ = kill(*pid, Signal::Kill);
        }
        (done, next)
    }

    fn end_zygote(&mut self) {
        if let Starter::Zygote { socket, .. } = &self.core.starter
            && self.zygote_end.is_none()
        {
            self.watch.unwatch_fd(socket.as_fd());
            self.core.starter.end();
        }
    }
}

fn unknown_exit(pid: Pid) -> Exit {
    Exit {
        pid,
        cause: ExitCause::Signal {
            signal: Signal::Kill.as_raw(),
            core: false,
        },
        cpu_user: Duration::ZERO,
        cpu_system: Duration::ZERO,
        peak_rss_bytes: 0,
    }
}
