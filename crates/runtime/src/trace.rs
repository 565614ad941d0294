//! What the crate tells through `tracing`, in one place, so that names are the same everywhere.
//!
//! Every event carries `pool` (the name of its control segment); those about a worker also
//! `worker`, `generation` and, where it is known, `pid`. `lib.rs` lists them for users.
//!
//! What is told of single messages is told out of line, behind [`tasks`]: while nobody listens
//! that is one load and a branch.

use std::sync::OnceLock;
use std::time::Duration;

use forkyard_os::process::{ExitCause, Signal};
use forkyard_os::segment::SegmentName;
use tracing::field::display;
use tracing::{Level, Span, debug, enabled, error, info_span, trace, warn};

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
