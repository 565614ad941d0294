//! What every workload can do.

use forkyard::{CheckEvery, Pool, StopFlag, Transport};

use crate::Outcome;

/// Under which conditions a workload runs.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    /// Workers of the pool, and threads of the thread baseline.
    pub workers: usize,
    /// The path on which the pool hands tasks over.
    pub transport: Transport,
    /// How often a search or a count looks at the stop flag.
    pub check_every: CheckEvery,
    /// The stop flag of the baselines, which have no pool to stop them. Raising it for ever
    /// (as an interrupt does) ends a baseline at its next task or check.
    pub stop: &'a StopFlag,
}

/// Work that can be run in a pool, one task after another, or on threads.
///
/// All three do the same work and verify it in the same way. None of them fails as a whole: what
/// went wrong is in the [`Outcome`], beside what went right.
pub trait Workload {
    /// The name by which the command runs it.
    fn name(&self) -> &'static str;

    /// How many tasks a full run has, where that says how far a run has come. `None` for a
    /// search, which may end at any time.
    fn total_tasks(&self, setting: &Setting<'_>) -> Option<u64>;

    /// Runs it in the pool's worker processes.
    fn run_pool(&self, pool: &Pool, setting: &Setting<'_>) -> Outcome;

    /// Runs it in this process, one task after another.
    fn run_sequential(&self, setting: &Setting<'_>) -> Outcome;

    /// Runs it on as many threads of this process as the pool has workers.
    fn run_threads(&self, setting: &Setting<'_>) -> Outcome;
}
