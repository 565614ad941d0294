//! Where each process spent its time.

use std::sync::atomic::Ordering;
use std::time::Duration;

use forkyard_os::clock::{TickScale, now_ns};
use forkyard_os::process::{Exit, ExitCause, Pid};
use forkyard_os::usage::live_usage;
use forkyard_shm::look::WorkerLook;

use crate::driver::{Core, Seat};

/// One worker process, from the moment it was started to the moment it was reaped.
///
/// `wall` equals [`Stages::sum`] plus [`residual_ns`](Self::residual_ns), which is what the
/// measurement could not attribute.
#[derive(Debug, Clone)]
pub struct ProcessTimings {
    /// Index of the worker in the pool.
    pub worker: usize,
    /// Which incarnation of that worker: 0 for the first, one more for each replacement.
    pub generation: u32,
    /// Process id.
    pub pid: i32,
    /// Tasks it finished (items, not chunks).
    pub tasks: u64,
    /// Encoded bytes of the arguments it took.
    pub bytes_in: u64,
    /// Encoded bytes of the results it returned.
    pub bytes_out: u64,
    /// How often it read the stop flag.
    pub checks: u64,
    /// From start to reaping (or to now, while it lives).
    pub wall: Duration,
    /// The parts of `wall`.
    pub stages: Stages,
    /// CPU time in user mode. While the process lives the system tells it in steps of a hundredth of
    /// a second or so; on macOS it is zero until then.
    pub cpu_user: Duration,
    /// CPU time in the kernel on its behalf; while it lives as for `cpu_user`.
    pub cpu_system: Duration,
    /// Peak resident memory in bytes; on macOS zero while the process lives. Also zero where nobody
    /// could say: see [`WorkerDeath::peak_rss_bytes`](crate::WorkerDeath::peak_rss_bytes).
    pub peak_rss_bytes: u64,
    /// How it ended; `None` while it lives.
    pub exit: Option<ExitCause>,
}

impl ProcessTimings {
    /// `wall` minus the sum of the stages, in nanoseconds; negative where stages overlap.
    pub fn residual_ns(&self) -> i64 {
        let wall = i64::try_from(self.wall.as_nanos()).unwrap_or(i64::MAX);
        let sum = i64::try_from(self.stages.sum().as_nanos()).unwrap_or(i64::MAX);
        wall.saturating_sub(sum)
    }

    /// Of a process that lives: asks the system what it has used so far. Takes a while, so not
    /// under the driver's lock.
    pub(crate) fn with_live_usage(mut self) -> Self {
        if let Some(used) = Pid::from_raw(self.pid).and_then(live_usage) {
            self.cpu_user = used.cpu_user;
            self.cpu_system = used.cpu_system;
            self.peak_rss_bytes = self.peak_rss_bytes.max(used.peak_rss_bytes);
        }
        self
    }
}

/// Time by stage. Each moment of a worker's life belongs to exactly one stage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stages {
    /// From the supervisor's call that starts the process until the worker is ready.
    pub startup: Duration,
    /// Waiting for a task.
    pub wait: Duration,
    /// Taking a task in: receiving the rest of its message and decoding its argument.
    pub decode: Duration,
    /// In the task itself, less `check` and `lock`.
    pub compute: Duration,
    /// Reading the stop flag: checks counted × the cost of one, calibrated at start-up.
    pub check: Duration,
    /// Encoding results.
    pub encode: Duration,
    /// Handing results over: publishing the slot, or writing to the pipe.
    pub send: Duration,
    /// Waiting in shared state (mutexes, semaphores, events, barriers, queues), and waiting for
    /// and holding locks of the claim protocol.
    pub lock: Duration,
    /// From the order to end until the process was reaped.
    pub exit: Duration,
}

impl Stages {
    /// The sum of all stages.
    pub fn sum(&self) -> Duration {
        self.named().iter().map(|(_, d)| *d).sum()
    }

    /// Adds those of another process. What workers say can be anything: nothing overflows.
    pub(crate) fn add(&mut self, other: &Self) {
        let Self {
            startup,
            wait,
            decode,
            compute,
            check,
            encode,
            send,
            lock,
            exit,
        } = self;
        let mine = [
            startup, wait, decode, compute, check, encode, send, lock, exit,
        ];
        for (sum, (_, more)) in mine.into_iter().zip(other.named()) {
            *sum = sum.saturating_add(more);
        }
    }

    /// Every stage with its name, in the order of a worker's life.
    pub fn named(&self) -> [(&'static str, Duration); 9] {
        [
            ("startup", self.startup),
            ("wait", self.wait),
            ("decode", self.decode),
            ("compute", self.compute),
            ("check", self.check),
            ("encode", self.encode),
            ("send", self.send),
            ("lock", self.lock),
            ("exit", self.exit),
        ]
    }
}

/// The timings of a process that was reaped at `reaped_ns`; `running`: it died in the middle
/// of a task.
pub(crate) fn of_reaped(
    core: &Core,
    seat: &Seat,
    exit: &Exit,
    reaped_ns: u64,
    running: bool,
) -> ProcessTimings {
    let mut timings = of_page(core, seat, reaped_ns, running);
    timings.pid = exit.pid.as_raw();
    timings.cpu_user = exit.cpu_user;
    timings.cpu_system = exit.cpu_system;
    if timings.peak_rss_bytes == 0 {
        timings.peak_rss_bytes = exit.peak_rss_bytes;
    }
    timings.exit = Some(exit.cause);
    timings
}

/// The timings so far of a process that lives, or is about to.
pub(crate) fn of_live(core: &Core, seat: &Seat) -> ProcessTimings {
    let mut timings = of_page(core, seat, now_ns(), !seat.in_flight.is_empty());
    // A forked worker may be at work before the zygote's word of it is heard.
    let vitals = &core.control.page(seat.index).vitals;
    timings.pid = seat.pid.map_or_else(
        || vitals.pid.load(Ordering::Relaxed).cast_signed(),
        Pid::as_raw,
    );
    timings
}

fn of_page(core: &Core, seat: &Seat, until_ns: u64, running: bool) -> ProcessTimings {
    let look = core.control.look_at(seat.index);
    ProcessTimings {
        worker: seat.index,
        generation: seat.generation,
        pid: 0,
        tasks: look.tasks,
        bytes_in: look.bytes_in,
        bytes_out: look.bytes_out,
        checks: look.checks,
        wall: Duration::from_nanos(until_ns.saturating_sub(look.spawned_ns)),
        stages: stages_of(&look, core.scale, until_ns, running),
        cpu_user: Duration::ZERO,
        cpu_system: Duration::ZERO,
        peak_rss_bytes: look.peak_rss_bytes,
        exit: None,
    }
}

/// The stages of a worker until a moment, of which the last is still under way; `running`: it is
/// in the middle of a task. Any numbers will do.
pub(crate) fn stages_of(
    look: &WorkerLook,
    scale: &TickScale,
    until_ns: u64,
    running: bool,
) -> Stages {
    let ns = Duration::from_nanos;
    let ticks = |ticks: u64| ns(scale.ticks_to_ns(ticks));
    let mut stages = Stages {
        wait: ticks(look.ticks.wait),
        decode: ticks(look.ticks.decode),
        compute: ticks(look.ticks.compute),
        encode: ticks(look.ticks.encode),
        send: ticks(look.ticks.send),
        lock: ticks(look.ticks.lock),
        ..Stages::default()
    };
    if look.ready_ns == 0 {
        stages.startup = ns(until_ns.saturating_sub(look.spawned_ns));
    } else {
        stages.startup = ns(look.ready_ns.saturating_sub(look.spawned_ns));
        // The worker's last note of the time, on the clock of nanoseconds.
        let mark = look.mark.saturating_sub(look.ready_ticks);
        let mark = look.ready_ns.saturating_add(scale.ticks_to_ns(mark));
        if look.leaving_ns > 0 {
            stages.exit = ns(until_ns.saturating_sub(look.leaving_ns));
            stages.wait += ns(look.leaving_ns.saturating_sub(mark));
        } else if running {
            stages.compute += ns(until_ns.saturating_sub(mark));
        } else {
            stages.wait += ns(until_ns.saturating_sub(mark));
        }
    }
    let check = ns(look.checks.saturating_mul(look.check_ps) / 1000).min(stages.compute);
    stages.check = check;
    stages.compute -= check;
    stages
}
