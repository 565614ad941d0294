//! One run without processes.

use std::time::{Duration, Instant};

use forkyard_workloads::Outcome;

use super::interrupt::Listener;
use super::once::Runner;
use super::options::Against;
use super::progress::Progress;

impl Runner<'_> {
    /// Runs the same work without a pool and returns how long that took.
    pub(crate) fn without_pool(
        &self,
        against: Against,
        label: &str,
        listener: &mut dyn Listener,
    ) -> (Outcome, Duration) {
        listener.start();
        let progress = Progress {
            enabled: self.options.progress,
            label: &|| label.to_owned(),
            total: None,
            done: &|| 0,
        };
        let begin = Instant::now();
        let outcome = progress.during(|| match against {
            Against::Sequential => self.workload.run_sequential(&self.setting()),
            Against::Threads => self.workload.run_threads(&self.setting()),
        });
        let wall = begin.elapsed();
        listener.stop();
        (outcome, wall)
    }
}
