//! Counting what went wrong, without flooding anyone.

use std::fmt::Display;

use forkyard::TaskError;

use crate::{Status, units};

/// How many complaints are spelled out before the rest is only counted.
const SPELLED_OUT: u64 = 10;

/// The failures of a run.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    status: Status,
    complaints: Vec<String>,
    failed: u64,
    not_run: u64,
}

impl Tally {
    /// Notes that the task called `label` has no result.
    pub(crate) fn task_failed(&mut self, label: impl Display, error: &TaskError) {
        let status = status_of(error);
        if status == Status::Interrupted {
            self.not_run += 1;
            self.worsen(status);
        } else {
            self.complain(status, format_args!("{label}: {error}"));
        }
    }

    /// Notes a failure in words; only the first few are kept.
    pub(crate) fn complain(&mut self, status: Status, words: impl Display) {
        self.failed += 1;
        self.worsen(status);
        if self.failed <= SPELLED_OUT {
            self.complaints.push(words.to_string());
        }
    }

    /// Notes that the run did not come to its end.
    pub(crate) fn worsen(&mut self, status: Status) {
        self.status = self.status.max(status);
    }

    /// Notes tasks that an interrupt left undone.
    pub(crate) fn left_undone(&mut self, tasks: u64) {
        if tasks > 0 {
            self.not_run += tasks;
            self.worsen(Status::Interrupted);
        }
    }

    /// How many failed, not counting those an interrupt left undone.
    pub(crate) fn failed(&self) -> u64 {
        self.failed
    }

    /// The worst status and the complaints.
    pub(crate) fn finish(mut self) -> (Status, Vec<String>) {
        if self.failed > SPELLED_OUT {
            let more = units::count(self.failed - SPELLED_OUT);
            self.complaints
                .push(format!("… and {more} more like these"));
        }
        if self.not_run > 0 {
            let tasks = units::counted(self.not_run, "task", "tasks");
            self.complaints
                .push(format!("interrupted: {tasks} not done"));
        }
        (self.status, self.complaints)
    }
}

/// What a task's error means for the run.
pub(crate) fn status_of(error: &TaskError) -> Status {
    match error {
        TaskError::Aborted => Status::Interrupted,
        TaskError::WorkerDied(_) | TaskError::NoWorkers(_) => Status::WorkerLost,
        TaskError::SharedMemory(_) => Status::Environment,
        _ => Status::TaskFailed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_failures_is_counted_not_printed() {
        let mut tally = Tally::default();
        for task in 0..1_000 {
            tally.task_failed(format_args!("task {task}"), &TaskError::Closed);
        }
        assert_eq!(tally.failed(), 1_000);
        let (status, complaints) = tally.finish();
        assert_eq!(status, Status::TaskFailed);
        assert_eq!(complaints.len(), 11);
        assert_eq!(complaints[10], "… and 990 more like these");
    }

    #[test]
    fn aborted_tasks_are_no_failures() {
        let mut tally = Tally::default();
        tally.task_failed("task 1", &TaskError::Aborted);
        tally.left_undone(2);
        assert_eq!(tally.failed(), 0);
        let (status, complaints) = tally.finish();
        assert_eq!(status, Status::Interrupted);
        assert_eq!(complaints, ["interrupted: 3 tasks not done"]);
    }
}
