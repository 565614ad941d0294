//! Where each process spent its time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use forkyard_os::clock::now_ns;
use forkyard_os::process::{Exit, ExitCause, Pid};

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
    /// CPU time in user mode.
    pub cpu_user: Duration,
    /// CPU time in the kernel on its behalf.
    pub cpu_system: Duration,
    /// Peak resident memory in bytes.
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
    let page = core.control.page(seat.index);
    let (vitals, counters) = (&page.vitals, &page.counters);
    let get = |word: &AtomicU64| word.load(Ordering::Relaxed);
    let spawned = get(&page.orders.spawned_ns);
    let ready = get(&vitals.ready_ns);
    let leaving = get(&vitals.leaving_ns);
    let ticks = |word: &AtomicU64| core.scale.ticks_to_ns(get(word));
    let ns = Duration::from_nanos;

    let mut stages = Stages {
        wait: ns(ticks(&counters.wait)),
        decode: ns(ticks(&counters.decode)),
        compute: ns(ticks(&counters.compute)),
        encode: ns(ticks(&counters.encode)),
        send: ns(ticks(&counters.send)),
        lock: ns(ticks(&counters.lock)),
        ..Stages::default()
    };
    if ready == 0 {
        stages.startup = ns(until_ns.saturating_sub(spawned));
    } else {
        stages.startup = ns(ready.saturating_sub(spawned));
        // The worker's last note of the time, on the clock of nanoseconds.
        let mark = get(&counters.mark).saturating_sub(get(&vitals.ready_ticks));
        let mark = ready.saturating_add(core.scale.ticks_to_ns(mark));
        if leaving > 0 {
            stages.exit = ns(until_ns.saturating_sub(leaving));
            stages.wait += ns(leaving.saturating_sub(mark));
        } else if running {
            stages.compute += ns(until_ns.saturating_sub(mark));
        } else {
            stages.wait += ns(until_ns.saturating_sub(mark));
        }
    }
    let checks = get(&counters.checks);
    let check = ns(checks.saturating_mul(get(&vitals.check_ps)) / 1000).min(stages.compute);
    stages.check = check;
    stages.compute -= check;
    ProcessTimings {
        worker: seat.index,
        generation: seat.generation,
        pid: 0,
        tasks: get(&counters.tasks),
        bytes_in: get(&counters.bytes_in),
        bytes_out: get(&counters.bytes_out),
        checks,
        wall: ns(until_ns.saturating_sub(spawned)),
        stages,
        cpu_user: Duration::ZERO,
        cpu_system: Duration::ZERO,
        peak_rss_bytes: get(&vitals.peak_rss_bytes),
        exit: None,
    }
}
