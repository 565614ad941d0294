//! The pool's one background thread: it learns of deaths, keeps deadlines, and starts
//! replacements. It sleeps in one system call until there is something to do.

use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use forkyard_os::control::ControlError;
use forkyard_os::death::{DeathEvents, DeathWaker, DeathWatch};
use forkyard_os::process::{Exit, ExitCause, Pid, Signal, kill, reap, reap_blocking, start_time};
use forkyard_os::usage::peak_rss_bytes;

use crate::driver::{Core, Locked, PoolPhase, Seat, StartFailure, TERM_TO_KILL, never_tell_here};
use crate::error::BuildError;
use crate::start::{Starter, ZygoteMessage, spawn};
use crate::time::after;
use crate::trace;
use crate::zygotes::{Zygote, Zygotes};

/// Stands for the zygote's line among the watch's tokens.
const ZYGOTE: u64 = u64::MAX;

/// See the module.
#[derive(Debug)]
pub(crate) struct Reaper {
    core: Arc<Core>,
    watch: DeathWatch,
    /// The zygote that serves, once one was needed.
    zygote: Option<Arc<Zygote>>,
    /// When the zygote is to have said how a worker has ended that is known to be gone.
    owed_by: Option<Instant>,
}

fn token(index: usize, generation: u32) -> u64 {
    (index as u64) << 32 | u64::from(generation)
}

impl Reaper {
    pub(crate) fn new(core: Arc<Core>, watch: DeathWatch) -> Self {
        Self {
            core,
            watch,
            zygote: None,
            owed_by: None,
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
            driver.signal_all(&core, Signal::Kill);
            for seat in &mut driver.seats {
                if let Some(pid) = seat.pid.take() {
                    let _ = reap_blocking(pid);
                }
            }
            driver.nobody_is_left();
            drop(driver);
            core.starter.end();
        }
        // Everything that workers wrote is passed on before the pool's end is told.
        drop(relay);
        // Whoever waits in shared state for a process of this pool would wait for ever.
        for why in core.states.end(&core.arena) {
            trace::state_untold(&core, &why);
        }
        core.ring();
    }

    fn run(mut self) {
        let core = Arc::clone(&self.core);
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
                    trace::deaths_unheard(&core, &error);
                    core.lock().signal_all(&core, Signal::Kill);
                    std::thread::yield_now();
                }
            }
        }
        if let Some(zygote) = self.zygote.take() {
            self.watch.unwatch_fd(zygote.socket.as_fd());
        }
        core.starter.end();
        core.ring();
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
        let mut driver = self.core.lock();
        let seat = &mut driver.seats[index];
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
            Starter::Zygote(_) if seat.orphaned_at.is_some() => {
                orphans_exit(pid, seat.orphaned_at, |pid| reap(pid).ok().flatten())
            }
            // The zygote knows how, and is about to say so. If it does not, it is ended.
            Starter::Zygote(_) => {
                seat.is_unheard = true;
                self.owed_by
                    .get_or_insert(after(self.core.options.start_timeout));
                return;
            }
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
        let core = Arc::clone(&self.core);
        loop {
            let mut driver = core.lock();
            let Some((index, generation)) = driver.next_start(&core) else {
                Core::ensure_fed(&core, &mut driver);
                return;
            };
            drop(driver);
            let stderr = core.witness.line(index, generation);
            match &core.starter {
                Starter::Spawn {
                    segment,
                    environment,
                } => match spawn(segment, environment, (index, generation), stderr) {
                    Ok(pid) => {
                        let peak = peak_rss_bytes();
                        core.lock().seats[index].image_peak_bytes = peak;
                        self.born(index, generation, pid);
                    }
                    Err(why) => self.not_started(index, StartFailure::NotStarted(why)),
                },
                Starter::Zygote(zygotes) => match self.serving(zygotes) {
                    Ok(zygote) => {
                        let order = ZygoteMessage::Fork { index, generation }.encode();
                        let stderr = stderr.as_ref().map(AsFd::as_fd);
                        if zygote.socket.send_with(&order, stderr).is_err() {
                            self.lose_zygote();
                        }
                    }
                    Err(error) => {
                        let why = error.to_string();
                        self.not_started(index, StartFailure::NotStarted(why));
                    }
                },
            }
        }
    }

    /// The zygote that serves, its line watched.
    fn serving(&mut self, zygotes: &Zygotes) -> Result<Arc<Zygote>, BuildError> {
        if let Some(zygote) = &self.zygote {
            return Ok(Arc::clone(zygote));
        }
        let known = zygotes.pids();
        let zygote = zygotes.serving()?;
        if !known.contains(&zygote.pid) {
            trace::zygote_started(&self.core, zygote.pid.as_raw());
        }
        self.watch
            .watch_fd(zygote.socket.as_fd(), ZYGOTE)
            .map_err(|error| BuildError::Os {
                what: "watching the zygote",
                source: std::io::Error::other(error),
            })?;
        self.zygote = Some(Arc::clone(&zygote));
        Ok(zygote)
    }

    /// A process exists for the seat.
    fn born(&mut self, index: usize, generation: u32, pid: Pid) {
        let core = Arc::clone(&self.core);
        let mut driver = core.lock();
        if !driver.born(&core, index, generation, pid) {
            trace::not_asked_for(&core, index, generation, pid);
            return;
        }
        trace::worker_started(&core, index, generation, pid.as_raw());
        match self.watch.watch(pid, token(index, generation)) {
            Ok(()) => driver.seats[index].is_watched = true,
            // It cannot be watched, so it cannot be let live.
            Err(error) if matches!(core.starter, Starter::Spawn { .. }) => {
                trace::not_watched(&core, &driver.seats[index], pid, &error, true);
                let _ = kill(pid, Signal::Kill);
                let exit = reap_blocking(pid).unwrap_or_else(|_| unknown_exit(pid));
                self.exited(driver, index, &exit);
            }
            // The zygote tells of its end, as long as there is one.
            Err(error) => trace::not_watched(&core, &driver.seats[index], pid, &error, false),
        }
    }

    fn not_started(&mut self, index: usize, failure: StartFailure) {
        let mut driver = self.core.lock();
        driver.not_started(&self.core, index, failure);
        // What was sent ahead may be pending now, and nobody may be waiting.
        Core::ensure_fed(&self.core, &mut driver);
    }

    /// Reads what the zygote says.
    fn hear_zygote(&mut self) {
        let Some(zygote) = self.zygote.clone() else {
            return;
        };
        loop {
            match zygote.socket.recv(Some(Duration::ZERO)) {
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
                    self.born(index, generation, pid);
                }
            }
            Some(ZygoteMessage::NotForked { index, why, .. }) if index < workers => {
                self.not_started(index, StartFailure::NotStarted(why.text().to_owned()));
            }
            Some(ZygoteMessage::Exited(exit)) => {
                let driver = self.core.lock();
                let is_its = |seat: &Seat| seat.pid == Some(exit.pid);
                match driver.seats.iter().position(is_its) {
                    Some(index) => self.exited(driver, index, &exit),
                    // A child of something that was preloaded.
                    None => drop(driver),
                }
                let is_owed = self.core.lock().seats.iter().any(|seat| seat.is_unheard);
                if !is_owed {
                    self.owed_by = None;
                }
            }
            Some(ZygoteMessage::Spare { pid }) => {
                if let (Some(pid), Starter::Zygote(zygotes)) =
                    (Pid::from_raw(pid), &self.core.starter)
                    && zygotes.adopt(pid)
                {
                    trace::zygote_started(&self.core, pid.as_raw());
                }
            }
            Some(_) | None => {
                trace::zygote_nonsense(&self.core);
            }
        }
    }

    /// The zygote is gone, or of no use. The workers that it had forked live on; how they end
    /// will not be known, only that they do.
    fn lose_zygote(&mut self) {
        let core = Arc::clone(&self.core);
        let (Some(zygote), Starter::Zygote(zygotes)) = (self.zygote.take(), &core.starter) else {
            return;
        };
        self.watch.unwatch_fd(zygote.socket.as_fd());
        self.owed_by = None;
        // Should it live without its line, it has no use; if it is ending, its cause stays.
        let cause = zygote.end();
        // What it had said before counts: of these workers we know.
        while let Ok(bytes) = zygote.socket.recv(Some(Duration::ZERO)) {
            self.zygote_said(&bytes);
        }
        let another = zygotes.lose();
        trace::zygote_lost(&core, zygote.pid.as_raw(), cause);
        let mut driver = core.lock();
        driver.starter_lost(&core, another, |worker| StartFailure::ZygoteDied {
            worker,
            pid: zygote.pid.as_raw(),
            cause,
        });
        let mut unwatched = Vec::new();
        for seat in &mut driver.seats {
            let Some(pid) = seat.pid.filter(|_| seat.orphaned_at.is_none()) else {
                continue;
            };
            seat.orphaned_at = Some(start_time(pid).unwrap_or(0));
            if seat.is_unheard || !seat.is_watched {
                unwatched.push((seat.index, pid, seat.orphaned_at, seat.is_unheard));
            }
        }
        drop(driver);
        for (index, pid, orphaned_at, is_gone) in unwatched {
            if !is_gone {
                let _ = kill(pid, Signal::Kill);
            }
            let exit = orphans_exit(pid, orphaned_at, |pid| reap_blocking(pid).ok());
            self.exited(core.lock(), index, &exit);
        }
        Core::ensure_fed(&core, &mut core.lock());
        core.ring();
    }

    /// Does what is due; says whether all is over, and when the next thing is due.
    fn keep_deadlines(&mut self) -> (bool, Option<Instant>) {
        let now = Instant::now();
        let core = Arc::clone(&self.core);
        let mut driver = core.lock();
        // A worker that is ready is not late, although nobody may have looked.
        core.glance(&mut driver);
        Core::stand_in(&core, &mut driver, now);
        // What one that is replaced had not begun may be pending now.
        Core::ensure_fed(&core, &mut driver);
        driver.keep_time(&core, now);
        let limits = Core::keep_limits(&core, &mut driver, now);
        if driver.phase == PoolPhase::Aborted {
            // An end that was to be soon does not wait for a zygote that does not speak.
            let soon = after(TERM_TO_KILL);
            self.owed_by = self.owed_by.map(|due| due.min(soon));
        }
        let is_owed_too_long = self.owed_by.is_some_and(|due| due <= now);
        let is_to_die = std::mem::take(&mut driver.starter_is_to_die) || is_owed_too_long;
        drop(driver);
        if is_to_die {
            self.lose_zygote();
        }
        let driver = core.lock();
        let next = driver.next_look().into_iter().chain(self.owed_by);
        let next = next.chain(limits).chain(driver.next_stand_in()).min();
        (driver.all_gone() && !driver.has_notices(), next)
    }
}

/// How a worker has ended whose zygote is gone. Mostly nobody knows; but where this process adopts
/// orphans, as process 1 does, it is the one to reap it.
fn orphans_exit(
    pid: Pid,
    orphaned_at: Option<u64>,
    reap: impl FnOnce(Pid) -> Option<Exit>,
) -> Exit {
    // Reaped by another, its pid may be that of a child of the program's.
    let is_there = start_time(pid).is_some_and(|at| orphaned_at == Some(at));
    let exit = is_there.then(|| reap(pid)).flatten();
    exit.unwrap_or_else(|| unknown_exit(pid))
}

fn unknown_exit(pid: Pid) -> Exit {
    Exit {
        pid,
        cause: ExitCause::Unknown,
        cpu_user: Duration::ZERO,
        cpu_system: Duration::ZERO,
        peak_rss_bytes: 0,
    }
}
