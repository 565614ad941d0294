//! What a run came to.

use std::time::Duration;

use forkyard::{
    CheckEvery, ChunkSize, ProcessTimings, StartMethod, SupervisorTimings, Transport, WorkerDeath,
};
use forkyard_workloads::Outcome;

use super::Comparison;

/// What a run came to.
#[derive(Debug, Clone)]
pub struct RunReport {
    /// Name of the workload.
    pub workload: String,
    /// How the workers were started.
    pub start_method: StartMethod,
    /// The path on which tasks were handed over.
    pub transport: Transport,
    /// Workers of the pool.
    pub workers: usize,
    /// Cpus that affinity and cgroup allow.
    pub cpus: usize,
    /// Tasks in one message.
    pub chunk_size: ChunkSize,
    /// How often a search or a count looked at the stop flag.
    pub check_every: CheckEvery,
    /// From the start of the first worker until the last was gone.
    pub wall: Duration,
    /// The part of `wall` until all workers were ready.
    pub startup: Duration,
    /// The part of `wall` in which the work was done.
    pub work: Duration,
    /// The answer, and what went wrong.
    pub outcome: Outcome,
    /// How the pool compares, where that was asked for.
    pub against: Option<Comparison>,
    /// Where each worker process spent its time.
    pub processes: Vec<ProcessTimings>,
    /// What the supervisor used.
    pub supervisor: SupervisorTimings,
    /// Workers that ended without being asked to: of very many the first and the last.
    pub deaths: Vec<WorkerDeath>,
    /// How many there were in all.
    pub died: u64,
}
