//! What the crate tells through `tracing`, in one place, so that names are the same everywhere.
//!
//! Every event of a pool carries `pool` (the name of its control segment); those about a worker also
//! `worker`, `generation` and, where it is known, `pid`. Without `pool` are the few that are of none:
//! what is swept before there is one, user code that panics, a program's file. `lib.rs` lists them
//! for users. A test holds that no event is told from elsewhere.
//!
//! What is told of single messages is told out of line, behind [`tasks`]: while nobody listens
//! that is one load and a branch.

use std::fmt::Display;
use std::sync::OnceLock;
use std::time::Duration;

use forkyard_os::process::{ExitCause, Pid, Signal};
use forkyard_os::segment::SegmentName;
use forkyard_shm::arena::Reclaimed;
use tracing::field::display;
use tracing::{Level, Span, debug, enabled, error, info, info_span, trace, warn};

use crate::driver::{Core, Seat, StartFailure};
use crate::error::WorkerDeath;
use crate::mapped::PoolMemory;
use crate::parcel::{Ready, Ticket};
use crate::stats;

/// The span of a pool's life: from its making until the last that knows of it is gone.
pub(crate) fn pool(memory: &PoolMemory) -> Span {
    let about = memory.control().look();
    let span = info_span!(
        target: "forkyard::pool", "pool",
        pool = %memory.name(),
        name = about.name,
        workers = memory.control().shape().workers,
        start_method = %stats::method_of(about.start_method),
        transport = if about.copy_path { "copy" } else { "shared" },
    );
    debug!(target: "forkyard::pool", parent: &span, pool = %memory.name(), "pool made");
    span
}

fn id(core: &Core) -> &str {
    core.memory.name().as_str()
}

pub(crate) fn built(core: &Core) {
    let startup = core.created.elapsed();
    debug!(target: "forkyard::pool", parent: &core.span, pool = id(core), ?startup, "pool ready");
}

pub(crate) fn closing(core: &Core) {
    debug!(target: "forkyard::pool", parent: &core.span, pool = id(core), "pool closes");
}

pub(crate) fn aborted(core: &Core, grace: Duration) {
    debug!(target: "forkyard::pool", parent: &core.span, pool = id(core), ?grace, "pool aborted");
}

/// Workers had their grace.
pub(crate) fn escalated(core: &Core, signal: Signal) {
    debug!(target: "forkyard::pool", parent: &core.span, pool = id(core), ?signal, "workers signalled");
}

pub(crate) fn ended(core: &Core, deaths: u64) {
    let wall = core.created.elapsed();
    debug!(target: "forkyard::pool", parent: &core.span, pool = id(core), ?wall, deaths, "pool ended");
}

pub(crate) fn panicked(core: &Core) {
    error!(target: "forkyard::pool", parent: &core.span, pool = id(core),
        "the pool's background thread panicked");
}

pub(crate) fn zygote_started(core: &Core, pid: i32) {
    debug!(target: "forkyard::pool", parent: &core.span, pool = id(core), pid, "zygote started");
}

pub(crate) fn zygote_lost(core: &Core, pid: i32, cause: ExitCause) {
    warn!(target: "forkyard::pool", parent: &core.span, pool = id(core), pid, %cause, "zygote died");
}

pub(crate) fn worker_started(core: &Core, worker: usize, generation: u32, pid: i32) {
    debug!(target: "forkyard::worker", parent: &core.span, pool = id(core), worker, generation, pid,
        "worker started");
}

pub(crate) fn worker_ready(core: &Core, seat: &Seat) {
    let vitals = core.control.look_at(seat.index);
    let startup = Duration::from_nanos(vitals.ready_ns.saturating_sub(vitals.spawned_ns));
    debug!(target: "forkyard::worker", parent: &core.span, pool = id(core), worker = seat.index,
        generation = seat.generation, pid = vitals.pid, ?startup, "worker ready");
}

/// A process was reaped; `asked`: it was told to end.
pub(crate) fn worker_ended(core: &Core, death: &WorkerDeath, asked: bool) {
    let &WorkerDeath {
        worker,
        generation,
        pid,
        cause,
        task,
        ..
    } = death;
    let task = task.map(display);
    if asked {
        debug!(target: "forkyard::worker", parent: &core.span, pool = id(core), worker, generation, pid,
            task, %cause, "worker ended");
    } else {
        warn!(target: "forkyard::worker", parent: &core.span, pool = id(core), worker, generation, pid,
            task, %cause, "worker died");
    }
}

/// A process was not to be had, or did not become ready.
pub(crate) fn start_failed(core: &Core, seat: &Seat, failure: &StartFailure) {
    warn!(target: "forkyard::worker", parent: &core.span, pool = id(core), worker = seat.index,
        generation = seat.generation, %failure, "worker did not start");
}

/// A signal did not reach a worker.
pub(crate) fn not_signalled(core: &Core, seat: &Seat, signal: Signal, error: &dyn Display) {
    warn!(target: "forkyard::worker", parent: &core.span, pool = id(core), worker = seat.index,
        generation = seat.generation, pid = seat.pid.map(Pid::as_raw), ?signal, %error,
        "signal not delivered");
}

/// A worker wrote what it must not.
pub(crate) fn condemned(core: &Core, seat: &Seat, fault: &str) {
    error!(target: "forkyard::worker", parent: &core.span, pool = id(core), worker = seat.index,
        generation = seat.generation, pid = seat.pid.map(Pid::as_raw), fault,
        "worker broke the protocol; killed");
}

/// A worker is up and does not begin what it was sent.
pub(crate) fn begins_nothing(core: &Core, seat: &Seat, ticket: &Ticket) {
    warn!(target: "forkyard::worker", parent: &core.span, pool = id(core), worker = seat.index,
        generation = seat.generation, pid = seat.pid.map(Pid::as_raw), batch = ticket.batch,
        first = ticket.first, items = ticket.items, "worker begins nothing; killed");
}

/// A worker's end cannot be watched; `killed`: nobody else would tell of it.
pub(crate) fn not_watched(core: &Core, seat: &Seat, pid: Pid, error: &dyn Display, killed: bool) {
    let pid = pid.as_raw();
    if killed {
        error!(target: "forkyard::worker", parent: &core.span, pool = id(core), worker = seat.index,
            generation = seat.generation, pid, %error, "worker cannot be watched; killed");
    } else {
        warn!(target: "forkyard::worker", parent: &core.span, pool = id(core), worker = seat.index,
            generation = seat.generation, pid, %error, "worker cannot be watched");
    }
}

/// The zygote forked what it was not asked for.
pub(crate) fn not_asked_for(core: &Core, worker: usize, generation: u32, pid: Pid) {
    let pid = pid.as_raw();
    error!(target: "forkyard::worker", parent: &core.span, pool = id(core), worker, generation, pid,
        "a process was started that nobody asked for");
}

/// What a dead worker had in the arena is given back.
pub(crate) fn reclaimed(core: &Core, seat: &Seat, what: &Reclaimed) {
    let &Reclaimed {
        blocks_freed,
        bytes_freed,
        holds_released,
        extents_unlinked,
        extents_unreadable,
    } = what;
    debug!(target: "forkyard::worker", parent: &core.span, pool = id(core), worker = seat.index,
        generation = seat.generation, blocks_freed, bytes_freed, holds_released, extents_unlinked,
        extents_unreadable, "shared memory given back");
}

pub(crate) fn zygote_nonsense(core: &Core) {
    error!(target: "forkyard::pool", parent: &core.span, pool = id(core),
        "the zygote said what it must not");
}

pub(crate) fn deaths_unheard(core: &Core, error: &dyn Display) {
    error!(target: "forkyard::pool", parent: &core.span, pool = id(core), %error,
        "waiting for deaths failed; workers are killed");
}

/// Shared state that a death, or the end, cannot be told to.
pub(crate) fn state_untold(core: &Core, error: &str) {
    error!(target: "forkyard::pool", parent: &core.span, pool = id(core), error,
        "shared state cannot be told: whoever waits there waits on");
}

/// A thread was not to be had; what it was for is done by others, later.
pub(crate) fn no_thread(core: &Core, for_what: &str, error: &dyn Display) {
    warn!(target: "forkyard::pool", parent: &core.span, pool = id(core), for_what, %error,
        "no thread to be had");
}

/// What workers write to standard error goes by the pool.
pub(crate) fn output_lost(pool: &SegmentName, why: &str, error: &dyn Display) {
    warn!(target: "forkyard::pool", pool = pool.as_str(), why, %error,
        "workers' output is not passed on");
}

/// The pool ends before all that workers wrote was read.
pub(crate) fn output_late(pool: &SegmentName) {
    warn!(target: "forkyard::pool", pool = pool.as_str(),
        "nobody reads standard error; what workers wrote last is passed on later");
}

/// A worker writes to the supervisor's standard error itself.
pub(crate) fn output_inherited(
    pool: &SegmentName,
    worker: usize,
    generation: u32,
    error: &dyn Display,
) {
    debug!(target: "forkyard::worker", pool = pool.as_str(), worker, generation, %error,
        "worker inherits standard error");
}

/// A pool that was found is not looked at.
pub(crate) fn not_inspected(pool: &SegmentName, error: &dyn Display) {
    debug!(target: "forkyard::pool", pool = pool.as_str(), %error, "not inspected");
}

/// What pools that were killed had left is gone.
pub(crate) fn swept(what: &'static str, count: usize) {
    info!(target: "forkyard::cleanup", what, count, "leftovers removed");
}

pub(crate) fn not_swept(what: &'static str, error: &dyn Display) {
    warn!(target: "forkyard::cleanup", what, %error, "leftovers were not looked for");
}

/// User code that was told of a task's end has panicked.
pub(crate) fn callback_panicked() {
    error!(target: "forkyard::task", "a task's callback or waker panicked");
}

pub(crate) fn program_unreadable(error: &dyn Display) {
    warn!(target: "forkyard::test_support", %error,
        "this program's file cannot be read, to see whether it is a test");
}

/// A message is being stopped: why.
pub(crate) fn stopping(core: &Core, seat: &Seat, ticket: &Ticket, why: &'static str) {
    debug!(target: "forkyard::task", parent: &core.span, pool = id(core), worker = seat.index,
        generation = seat.generation, pid = seat.pid.map(Pid::as_raw), batch = ticket.batch,
        first = ticket.first, items = ticket.items, why, "task is being stopped");
}

/// A message whose worker died with it runs again.
pub(crate) fn again(core: &Core, ticket: &Ticket) {
    debug!(target: "forkyard::task", parent: &core.span, pool = id(core), batch = ticket.batch,
        first = ticket.first, items = ticket.items, "task runs again");
}

/// Whether anybody listens to what becomes of single messages.
#[inline(always)]
pub(crate) fn tasks() -> bool {
    enabled!(target: "forkyard::task", Level::TRACE)
}

/// A message waits, because no worker has room.
#[cold]
pub(crate) fn queued(core: &Core, ticket: &Ticket) {
    trace!(target: "forkyard::task", parent: &core.span, pool = id(core), batch = ticket.batch,
        first = ticket.first, items = ticket.items, "task queued");
}

/// Messages go to a worker.
#[cold]
pub(crate) fn sent(core: &Core, seat: &Seat, messages: &[Ready]) {
    for Ready { ticket, .. } in messages {
        trace!(target: "forkyard::task", parent: &core.span, pool = id(core), worker = seat.index,
            generation = seat.generation, batch = ticket.batch, first = ticket.first,
            items = ticket.items, "task sent");
    }
}

/// A result was taken.
#[cold]
pub(crate) fn taken(core: &Core, seat: &Seat, ticket: &Ticket) {
    trace!(target: "forkyard::task", parent: &core.span, pool = id(core), worker = seat.index,
        generation = seat.generation, batch = ticket.batch, first = ticket.first,
        items = ticket.items, "task done");
}

/// In a worker: the name of its pool's control segment.
static POOL: OnceLock<SegmentName> = OnceLock::new();

/// This process is a worker of that pool.
pub(crate) fn in_worker(pool: &SegmentName) {
    // A process becomes a worker once.
    let _ = POOL.set(pool.clone());
}

/// In a worker: it has begun its `message`th message, or is done with it.
#[cold]
pub(crate) fn at_work(message: u64, what: &'static str) {
    let context = crate::context();
    let (pool, worker) = (POOL.get(), context.worker());
    let (generation, pid) = (context.generation(), std::process::id());
    trace!(target: "forkyard::task", pool = pool.map(SegmentName::as_str), worker, generation, pid,
        message, "{what}");
}

/// In a manager's process: a caller cannot be served now.
pub(crate) fn no_caller_taken(why: &'static str, error: &dyn Display) {
    let pool = POOL.get().map(SegmentName::as_str);
    let pid = std::process::id();
    warn!(target: "forkyard::manager", pool, pid, why, %error, "a manager takes no caller now");
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// Every call of a macro that tells an event, in the sources below `folder`.
    fn told_in(folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).expect("the sources are there") {
            let path = entry.expect("a source").path();
            if path.is_dir() {
                told_in(&path, found);
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("a source");
            let levels = ["trace", "debug", "info", "warn", "error"];
            let tells = |line: &&str| {
                let mut levels = levels.iter();
                levels.any(|level| line.contains(&format!("tracing::{level}")))
            };
            found.extend(
                text.lines()
                    .filter(tells)
                    .map(|line| format!("{}: {line}", path.display())),
            );
        }
    }

    #[test]
    fn every_event_is_told_here() {
        let mut found = Vec::new();
        told_in(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
            &mut found,
        );
        found.retain(|line| !line.contains("/trace.rs: "));
        assert!(found.is_empty(), "move these to trace.rs: {found:#?}");
    }
}
