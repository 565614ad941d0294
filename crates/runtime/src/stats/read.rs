//! From the numbers in the control segment to a picture of the pool.
//!
//! Any process of the pool can write over them, so nothing here takes one for true: whatever they
//! are, there is a picture.

use std::time::Duration;

use forkyard_os::clock::{TickScale, TickSource, now_ns, tick_source, ticks};
use forkyard_os::process::{Pid, is_alive};
use forkyard_os::usage::rss_bytes;
use forkyard_shm::control::Identity;
use forkyard_shm::layout::{Phase, Stage};
use forkyard_shm::look::{Onlooker, PoolLook, WorkerLook};

use super::{ArenaUse, PoolStage, PoolStats, TaskProgress, WorkerState, WorkerStats};
use crate::driver::{Core, SeatPhase};
use crate::timings::stages_of;
use crate::{Stages, StartMethod, Transport};

/// As it stands in the segment.
pub(super) fn number_of(method: StartMethod) -> u32 {
    match method {
        StartMethod::Spawn => 0,
        StartMethod::Fork => 1,
        StartMethod::ForkServer => 2,
    }
}

/// The start method with this number; anything else reads as the default.
pub(crate) fn method_of(number: u32) -> StartMethod {
    match number {
        1 => StartMethod::Fork,
        2 => StartMethod::ForkServer,
        _ => StartMethod::Spawn,
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a rate is told to three digits or so"
)]
pub(super) fn per_second(tasks: u64, time: Duration) -> f64 {
    let seconds = time.as_secs_f64();
    if seconds > 0.0 {
        tasks as f64 / seconds
    } else {
        0.0
    }
}

/// The clock that a pool's ticks are of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    scale: TickScale,
    now: fn() -> u64,
}

impl Clock {
    /// This process's own.
    fn own() -> Self {
        Self {
            scale: *TickScale::of_this_process(),
            now: ticks,
        }
    }

    /// That of the pool with this identity; `None` when this process cannot read it.
    pub(crate) fn of(identity: Identity) -> Option<Self> {
        let own = match tick_source() {
            TickSource::Nanoseconds => 0,
            TickSource::Counter => 1,
        };
        match identity.clock {
            clock if clock == own => Some(Self::own()),
            0 => Some(Self {
                scale: TickScale::of_nanoseconds(),
                now: now_ns,
            }),
            _ => None,
        }
    }
}

/// A pool of this process, with what its driver knows.
pub(crate) fn now(core: &Core) -> PoolStats {
    let mut stats = of_core(core);
    stats.correct(core);
    stats
}

/// The same without asking the driver: takes no lock.
pub(crate) fn of_core(core: &Core) -> PoolStats {
    let control = &core.control;
    let workers = (0..control.shape().workers as usize).map(|index| control.look_at(index));
    // What runs by then has its name by now.
    let workers = workers.collect();
    let look = (control.look(), workers);
    picture(
        core.memory.name().as_str(),
        control.identity(),
        look,
        &Clock::own(),
    )
}

/// A pool of whatever process.
pub(crate) fn of_onlooker(segment: &str, onlooker: &Onlooker, clock: &Clock) -> PoolStats {
    let workers = (0..onlooker.shape().workers as usize).map(|index| onlooker.look_at(index));
    // As above.
    let workers = workers.collect();
    let look = (onlooker.look(), workers);
    picture(segment, onlooker.identity(), look, clock)
}

fn picture(
    segment: &str,
    identity: Identity,
    (pool, workers): (PoolLook, Vec<WorkerLook>),
    clock: &Clock,
) -> PoolStats {
    let now = now_ns();
    let transport = transport_of(&pool);
    let looks = workers.iter().enumerate();
    let workers: Vec<WorkerStats> = looks
        .map(|(index, look)| worker(index, look, &pool, now, clock))
        .collect();
    let mut name = pool.name.unwrap_or_default();
    name.retain(|c| !c.is_control());
    PoolStats {
        segment: segment.to_owned(),
        name,
        pid: identity.supervisor_pid.cast_signed(),
        start_method: method_of(pool.start_method),
        transport,
        stage: match pool.stage {
            Stage::Open => PoolStage::Open,
            Stage::Closing => PoolStage::Closing,
            Stage::Aborted => PoolStage::Aborted,
        },
        uptime: Duration::from_nanos(now.saturating_sub(pool.created_ns)),
        tasks: workers
            .iter()
            .map(|worker| worker.tasks)
            .fold(pool.tasks_gone, u64::saturating_add),
        pending: pool.pending,
        starts: pool.starts,
        deaths: pool.deaths,
        arena: ArenaUse {
            reserved_bytes: pool.arena_bytes,
            peak_bytes: pool.arena_peak_bytes,
            limit_bytes: pool.arena_limit_bytes,
        },
        workers,
    }
}

fn transport_of(pool: &PoolLook) -> Transport {
    if pool.copy_path {
        Transport::Copy
    } else {
        Transport::Shared
    }
}

fn worker(
    index: usize,
    look: &WorkerLook,
    pool: &PoolLook,
    now: u64,
    clock: &Clock,
) -> WorkerStats {
    if look.spawned_ns == 0 {
        // What is left on the page is of the last process, and counted among the pool's.
        return WorkerStats::gone(index, look.generation);
    }
    let pid = Pid::from_raw(look.pid.cast_signed());
    let state = state(look, pid, transport_of(pool));
    let gone = state == WorkerState::Gone;
    let running = state == WorkerState::Running;
    let since_ready = match look.ready_ns {
        0 => 0,
        ready => now.saturating_sub(ready),
    };
    let age = if gone {
        0
    } else {
        now.saturating_sub(look.spawned_ns)
    };
    let task_age = || {
        let ticks = (clock.now)().saturating_sub(look.started);
        Duration::from_nanos(clock.scale.ticks_to_ns(ticks))
    };
    WorkerStats {
        worker: index,
        generation: look.generation,
        pid: pid.filter(|_| !gone).map(Pid::as_raw),
        state,
        task: if running {
            name_of(pool, look.entry)
        } else {
            None
        },
        progress: (running && look.progress.message == look.begun).then_some(TaskProgress {
            done: look.progress.done,
            total: look.progress.total,
        }),
        task_age: running.then(task_age),
        queued: if gone {
            0
        } else {
            look.sent.saturating_sub(look.begun)
        },
        tasks: look.tasks,
        tasks_per_second: per_second(look.tasks, Duration::from_nanos(since_ready)),
        bytes_in: look.bytes_in,
        bytes_out: look.bytes_out,
        age: Duration::from_nanos(age),
        stages: if gone {
            Stages::default()
        } else {
            stages_of(look, &clock.scale, now, running)
        },
        rss_bytes: pid.filter(|_| !gone).and_then(rss_bytes),
    }
}

/// What people call the function that messages name so.
fn name_of(pool: &PoolLook, entry: u64) -> Option<String> {
    let mut functions = pool.functions.iter();
    let (_, name) = functions.find(|(known, _)| *known == entry)?;
    let mut name = name.clone();
    name.retain(|c| !c.is_control());
    Some(name)
}

fn state(look: &WorkerLook, pid: Option<Pid>, transport: Transport) -> WorkerState {
    // A supervisor that was killed notes nothing any more, so the process itself is asked for, too.
    if pid.is_some_and(|pid| !is_alive(pid)) {
        return WorkerState::Gone;
    }
    match look.phase {
        Phase::Empty | Phase::Initializing => WorkerState::Starting,
        Phase::Leaving
        | Phase::OtherBuild
        | Phase::NoLink
        | Phase::NotSetUp
        | Phase::NotInitialized
        | Phase::NotPreloaded => WorkerState::Ending,
        Phase::Ready if look.begun > look.finished => WorkerState::Running,
        // On the copy path it waits in the kernel, and says nothing of it.
        Phase::Ready if look.parked || transport == Transport::Copy => WorkerState::Idle,
        Phase::Ready => WorkerState::Spinning,
    }
}

impl WorkerStats {
    /// An empty seat.
    fn gone(worker: usize, generation: u32) -> Self {
        Self {
            worker,
            generation,
            pid: None,
            state: WorkerState::Gone,
            task: None,
            progress: None,
            task_age: None,
            queued: 0,
            tasks: 0,
            tasks_per_second: 0.0,
            bytes_in: 0,
            bytes_out: 0,
            age: Duration::ZERO,
            stages: Stages::default(),
            rss_bytes: None,
        }
    }
}

impl PoolStats {
    /// Puts what the supervisor itself knows in the place of what stands in the segment.
    fn correct(&mut self, core: &Core) {
        let driver = core.lock();
        self.pending = driver.pending.len() as u64;
        self.deaths = driver.past.died();
        for (seat, worker) in driver.seats.iter().zip(&mut self.workers) {
            if !seat.is_occupied() {
                continue;
            }
            worker.generation = seat.generation;
            if let Some(pid) = seat.pid {
                worker.pid = Some(pid.as_raw());
            }
            if seat.phase == SeatPhase::Ending && worker.state != WorkerState::Running {
                worker.state = WorkerState::Ending;
            }
            let running = u64::from(worker.state == WorkerState::Running);
            let most = (seat.in_flight.len() as u64).saturating_sub(running);
            worker.queued = worker.queued.min(most);
        }
    }
}
