//! What is known when a pool has ended.

use std::time::Duration;

use crate::error::WorkerDeath;
use crate::timings::{ProcessTimings, Stages};

/// What is known when a pool has ended.
///
/// It is of bounded size, however many processes a pool has had: the lists have both ends of what
/// there was, [`unlisted`](Self::unlisted) the sums of the rest, and the counts
/// ([`tasks`](Self::tasks), [`starts`](Self::starts), [`died`](Self::died)) count all.
#[derive(Debug, Clone)]
pub struct Report {
    /// From the pool's creation to its end.
    pub wall: Duration,
    /// The worker processes that there were, replacements included, by worker and generation. Of
    /// more than 1,024 the 256 that ended first and the 768 that ended last.
    pub processes: Vec<ProcessTimings>,
    /// The supervisor's own use of the machine, since its process began.
    pub supervisor: SupervisorTimings,
    /// Workers that died without being asked to, in the order in which they did. Of more than 256
    /// the first 16 and the last 240.
    pub deaths: Vec<WorkerDeath>,
    /// What is in neither of these lists, summed up.
    pub unlisted: Unlisted,
    /// What an abort has left undone; `None` when the pool was not aborted.
    pub cut_short: Option<CutShort>,
}

impl Report {
    /// Tasks (items, not chunks) that the workers have finished.
    #[must_use]
    pub fn tasks(&self) -> u64 {
        let listed = self.processes.iter().map(|row| row.tasks);
        listed.fold(self.unlisted.tasks, u64::saturating_add)
    }

    /// Worker processes that there were.
    #[must_use]
    pub fn starts(&self) -> u64 {
        self.unlisted.processes + self.processes.len() as u64
    }

    /// Workers that died without being asked to.
    #[must_use]
    pub fn died(&self) -> u64 {
        self.unlisted.deaths + self.deaths.len() as u64
    }
}

/// The supervisor's own use of the machine.
#[derive(Debug, Clone, Copy)]
pub struct SupervisorTimings {
    /// CPU time in user mode.
    pub cpu_user: Duration,
    /// CPU time in the kernel.
    pub cpu_system: Duration,
    /// Peak resident memory in bytes.
    pub peak_rss_bytes: u64,
}

/// What an abort has left undone, of what had been submitted when it came: each of these tasks
/// has [`TaskError::Aborted`](crate::TaskError::Aborted). (Items that a `map` had not taken in yet
/// are in neither count.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CutShort {
    /// Tasks (items, not chunks) whose message a worker was at.
    pub running: u64,
    /// Tasks that no worker had begun.
    pub waiting: u64,
}

/// Processes and deaths for which there was no place in the lists of a [`Report`], summed up. All
/// zero unless there were very many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unlisted {
    /// Processes that are not in [`Report::processes`]. All sums but `deaths` are of these.
    pub processes: u64,
    /// Deaths that are not in [`Report::deaths`].
    pub deaths: u64,
    /// Tasks they finished (items, not chunks).
    pub tasks: u64,
    /// Encoded bytes of the arguments they took.
    pub bytes_in: u64,
    /// Encoded bytes of the results they returned.
    pub bytes_out: u64,
    /// How often they read the stop flag.
    pub checks: u64,
    /// From their starts to their reaping.
    pub wall: Duration,
    /// The parts of `wall`.
    pub stages: Stages,
    /// CPU time in user mode.
    pub cpu_user: Duration,
    /// CPU time in the kernel on their behalf.
    pub cpu_system: Duration,
    /// The highest of their peaks of resident memory, in bytes.
    pub peak_rss_bytes: u64,
}

impl Unlisted {
    /// One more that is not listed.
    pub(crate) fn add(&mut self, row: &ProcessTimings) {
        self.processes += 1;
        // Workers' words: whatever they say, nothing overflows.
        self.tasks = self.tasks.saturating_add(row.tasks);
        self.bytes_in = self.bytes_in.saturating_add(row.bytes_in);
        self.bytes_out = self.bytes_out.saturating_add(row.bytes_out);
        self.checks = self.checks.saturating_add(row.checks);
        self.wall = self.wall.saturating_add(row.wall);
        self.stages.add(&row.stages);
        self.cpu_user = self.cpu_user.saturating_add(row.cpu_user);
        self.cpu_system = self.cpu_system.saturating_add(row.cpu_system);
        self.peak_rss_bytes = self.peak_rss_bytes.max(row.peak_rss_bytes);
    }
}
