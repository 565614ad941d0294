//! One run in a pool, from building it to the last worker's end.

use std::time::{Duration, Instant};

use forkyard::{BuildError, Report};
use forkyard_workloads::{Outcome, Setting, Workload};

use super::interrupt::{GRACE, Interrupts, Listener};
use super::options::RunOptions;
use super::progress::{Progress, waited_for};

/// One run in a pool.
pub(crate) struct PoolRun {
    /// What it came to.
    pub(crate) outcome: Outcome,
    /// What the pool measured.
    pub(crate) report: Report,
    /// Building the pool: until all workers were ready.
    pub(crate) startup: Duration,
    /// The work itself.
    pub(crate) work: Duration,
    /// All of it: start, work, and until the last worker was gone.
    pub(crate) wall: Duration,
}

/// What stays the same for all runs of a comparison.
pub(crate) struct Runner<'a> {
    pub(crate) workload: &'a dyn Workload,
    pub(crate) options: &'a RunOptions,
    pub(crate) interrupts: &'a Interrupts,
}

impl<'a> Runner<'a> {
    /// The conditions for the workload.
    pub(crate) fn setting(&self) -> Setting<'a> {
        Setting {
            workers: self.options.workers,
            transport: self.options.transport,
            check_every: self.options.check_every,
            stop: self.interrupts.stop(),
        }
    }

    /// Runs in a pool of its own. No other thread exists while the pool is built.
    pub(crate) fn in_pool(
        &self,
        label: &str,
        listener: &mut dyn Listener,
    ) -> Result<PoolRun, BuildError> {
        let begin = Instant::now();
        let pool = self.options.pool().build()?;
        let startup = begin.elapsed();
        self.interrupts.attach(pool.abort_handle());
        listener.start();
        let progress = Progress {
            enabled: self.options.progress,
            label: &|| label.to_owned(),
            total: self.workload.total_tasks(&self.setting()),
            done: &|| pool.tasks_done(),
        };
        let work_begins = Instant::now();
        let outcome = progress.during(|| self.workload.run_pool(&pool, &self.setting()));
        let work = work_begins.elapsed();
        let watcher = pool.watcher();
        let ending = Progress {
            enabled: self.options.progress,
            label: &|| {
                watcher
                    .stats()
                    .as_ref()
                    .map_or_else(|| "ending".to_owned(), waited_for)
            },
            total: None,
            done: &|| 0,
        };
        let report = ending.during(|| match self.interrupts.is_interrupted() {
            true => pool.abort(GRACE),
            false => pool.close(),
        });
        let wall = begin.elapsed();
        self.interrupts.detach();
        listener.stop();
        Ok(PoolRun {
            outcome,
            report,
            startup,
            work,
            wall,
        })
    }
}
