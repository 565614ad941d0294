//! The workload.

use std::time::Duration;

use forkyard::{Pool, Shared, TaskError, Transport};
use serde::{Serialize, de::DeserializeOwned};
use serde_bytes::ByteBuf;

use super::bytes::{checksum, filled, filler, reserved};
use super::send::Tasks;
use super::steps;
use super::task::{self, Load, Yield};
use crate::tally::Tally;
use crate::{Findings, Outcome, Setting, Status, Workload};
use crate::{baseline, units};

/// Payloads and results longer than this are handed over and taken back one by one instead of
/// in rounds, so that few of them are in memory.
const LARGE_BYTES: usize = 4 * 1024;

/// Tasks of a given length, with payloads and results of given sizes.
#[derive(Debug, Clone)]
pub struct Spin {
    task_time: Duration,
    steps: u64,
    payload_bytes: usize,
    result_bytes: usize,
    tasks: u64,
}

impl Spin {
    /// Measures, on the calling thread and in a few milliseconds, how much work `task_time` is.
    pub fn new(task_time: Duration, payload_bytes: usize, result_bytes: usize, tasks: u64) -> Self {
        Self {
            task_time,
            steps: steps::in_time(task_time),
            payload_bytes,
            result_bytes,
            tasks,
        }
    }

    fn is_tiny(&self) -> bool {
        self.payload_bytes == 0 && self.result_bytes == 0
    }

    fn load<P>(&self, payload: P) -> Load<P> {
        Load {
            steps: self.steps,
            result_bytes: self.result_bytes as u64,
            payload,
        }
    }

    fn run_tiny(&self, pool: &Pool, book: &mut Book<'_>) -> Result<(), String> {
        let tasks = Tasks {
            count: self.tasks,
            load: |_| Ok(self.steps),
        };
        let bytes = size_of::<u64>() as u64;
        tasks.in_rounds(pool, task::tiny, bytes, |answer| book.tiny(answer))
    }

    fn run_copied(&self, pool: &Pool, book: &mut Book<'_>) -> Result<(), String> {
        let tasks = Tasks {
            count: self.tasks,
            load: |index| {
                let payload = filled(filler(index), self.payload_bytes)?;
                Ok(self.load(ByteBuf::from(payload)))
            },
        };
        let answer = |answer| book.answer(answer, |result: &ByteBuf| result.as_ref());
        self.run_loads(pool, &tasks, task::copied, answer)
    }

    fn run_shared(&self, pool: &Pool, book: &mut Book<'_>) -> Result<(), String> {
        let tasks = Tasks {
            count: self.tasks,
            load: |index| {
                if self.payload_bytes == 0 {
                    return Ok(self.load(None));
                }
                // Each task under way has a block of its own, which comes back warm when the
                // task is done.
                let block = pool.arena().alloc::<u8>(self.payload_bytes);
                let mut block = block.map_err(|error| error.to_string())?;
                block.fill(filler(index));
                Ok(self.load(Some(block.into_shared())))
            },
        };
        let answer = |answer| {
            book.answer(answer, |result: &Option<Shared<[u8]>>| {
                result.as_deref().unwrap_or_default()
            });
        };
        self.run_loads(pool, &tasks, task::shared, answer)
    }

    fn run_loads<In, Out, L>(
        &self,
        pool: &Pool,
        tasks: &Tasks<L>,
        task: impl Fn(In) -> Out + Copy + 'static,
        on_answer: impl FnMut(Result<Out, TaskError>),
    ) -> Result<(), String>
    where
        In: Serialize + DeserializeOwned,
        Out: Serialize + DeserializeOwned,
        L: Fn(u64) -> Result<In, String>,
    {
        if self.payload_bytes.max(self.result_bytes) > LARGE_BYTES {
            tasks.one_by_one(pool, task, on_answer)
        } else {
            let bytes = (self.payload_bytes + self.result_bytes) as u64;
            tasks.in_rounds(pool, task, bytes, on_answer)
        }
    }

    /// Room for the bytes of one task, in the memory of this process.
    fn room(&self) -> Result<(), String> {
        reserved(self.payload_bytes)?;
        reserved(self.result_bytes)?;
        Ok(())
    }

    fn baseline(&self, setting: &Setting<'_>, threads: usize) -> Outcome {
        if let Err(error) = self.room() {
            let mut book = Book::new(self);
            book.tally.complain(Status::Environment, error);
            return book.finish();
        }
        let done = baseline::each(self.tasks, threads, setting.stop, |index| {
            if self.is_tiny() {
                let answer = task::tiny(self.steps);
                return (answer == task::tiny_answer(self.steps))
                    .then_some(())
                    .ok_or_else(|| "the answer is wrong".to_owned());
            }
            let fill = filler(index);
            let payload = filled(fill, self.payload_bytes)?;
            let sum = checksum(&payload);
            steps::take(self.steps);
            let result = filled(filler(sum), self.result_bytes)?;
            let got = Yield {
                checksum: sum,
                result: result.as_slice(),
            };
            task::verify(fill, self.payload_bytes, self.result_bytes, &got)
        });
        let mut book = Book::new(self);
        for (_, answer) in done {
            book.verdict(answer);
        }
        book.finish()
    }
}

impl Workload for Spin {
    fn name(&self) -> &'static str {
        "spin"
    }

    fn total_tasks(&self, _: &Setting<'_>) -> Option<u64> {
        Some(self.tasks)
    }

    fn run_pool(&self, pool: &Pool, setting: &Setting<'_>) -> Outcome {
        let mut book = Book::new(self);
        let sent = match setting.transport {
            _ if self.is_tiny() => self.run_tiny(pool, &mut book),
            Transport::Copy => self.run_copied(pool, &mut book),
            Transport::Shared => self.run_shared(pool, &mut book),
        };
        if let Err(error) = sent {
            let bytes = units::bytes(self.payload_bytes as u64);
            let line = format_args!("no room for a payload of {bytes}: {error}");
            book.tally.complain(Status::Environment, line);
        }
        book.finish()
    }

    fn run_sequential(&self, setting: &Setting<'_>) -> Outcome {
        self.baseline(setting, 1)
    }

    fn run_threads(&self, setting: &Setting<'_>) -> Outcome {
        self.baseline(setting, setting.workers)
    }
}

/// What has come back so far, in order of the tasks.
struct Book<'a> {
    spin: &'a Spin,
    tally: Tally,
    next: u64,
    verified: u64,
}

impl<'a> Book<'a> {
    fn new(spin: &'a Spin) -> Self {
        Self {
            spin,
            tally: Tally::default(),
            next: 0,
            verified: 0,
        }
    }

    fn tiny(&mut self, answer: Result<u64, TaskError>) {
        let expected = task::tiny_answer(self.spin.steps);
        match answer {
            Ok(answer) if answer == expected => self.verdict(Ok(())),
            Ok(_) => self.verdict(Err("the answer is wrong".to_owned())),
            Err(error) => self.lost(&error),
        }
    }

    fn answer<R>(
        &mut self,
        answer: Result<Result<Yield<R>, String>, TaskError>,
        bytes: impl Fn(&R) -> &[u8],
    ) {
        match answer {
            Ok(Ok(got)) => {
                let got = Yield {
                    checksum: got.checksum,
                    result: bytes(&got.result),
                };
                let Spin {
                    payload_bytes,
                    result_bytes,
                    ..
                } = *self.spin;
                let fill = filler(self.next);
                self.verdict(task::verify(fill, payload_bytes, result_bytes, &got));
            }
            Ok(Err(reason)) => self.verdict(Err(reason)),
            Err(error) => self.lost(&error),
        }
    }

    fn verdict(&mut self, verdict: Result<(), String>) {
        match verdict {
            Ok(()) => self.verified += 1,
            Err(reason) => {
                let task = self.next;
                self.tally
                    .complain(Status::TaskFailed, format_args!("task {task}: {reason}"));
            }
        }
        self.next += 1;
    }

    fn lost(&mut self, error: &TaskError) {
        self.tally
            .task_failed(format_args!("task {}", self.next), error);
        self.next += 1;
    }

    fn finish(mut self) -> Outcome {
        let spin = self.spin;
        if self.tally.failed() == 0 {
            self.tally.left_undone(spin.tasks - self.next);
        }
        let failed = self.tally.failed();
        let (status, complaints) = self.tally.finish();
        let payload_bytes = self.verified.saturating_mul(spin.payload_bytes as u64);
        let result_bytes = self.verified.saturating_mul(spin.result_bytes as u64);
        let length = units::duration(spin.task_time);
        let mut answer = if self.verified == spin.tasks {
            units::counted(self.verified, "task", "tasks")
        } else {
            let (done, all) = (units::count(self.verified), units::count(spin.tasks));
            format!("{done} of {all} tasks")
        };
        answer.push_str(&format!(" of {length}"));
        if self.verified == 0 {
            answer.push_str(" done");
        } else if spin.is_tiny() {
            answer.push_str(", every answer right");
        } else {
            answer.push_str(&format!(
                ": {} sent, {} taken back, every byte checked",
                units::bytes(payload_bytes),
                units::bytes(result_bytes)
            ));
        }
        Outcome {
            answer: vec![answer],
            listing: None,
            complaints,
            result: Findings::Spin {
                verified: self.verified,
                failed,
                payload_bytes,
                result_bytes,
            },
            tasks: self.verified,
            status,
        }
    }
}

#[cfg(test)]
mod tests {
    use forkyard::{CheckEvery, StopFlag};

    use super::*;

    fn run(payload_bytes: usize, result_bytes: usize, tasks: u64, threads: usize) -> Outcome {
        let stop = StopFlag::new();
        let setting = Setting {
            workers: threads,
            transport: Transport::Shared,
            check_every: CheckEvery::Auto,
            stop: &stop,
        };
        let spin = Spin::new(Duration::from_micros(1), payload_bytes, result_bytes, tasks);
        spin.run_threads(&setting)
    }

    #[test]
    fn baselines_verify_every_shape_of_task() {
        for (payload, result) in [(0, 0), (100, 0), (0, 5_000), (1_000, 9)] {
            for tasks in [0, 1, 50] {
                let outcome = run(payload, result, tasks, 2);
                assert_eq!(outcome.status, Status::Success);
                assert_eq!(outcome.tasks, tasks);
            }
        }
    }

    #[test]
    fn sizes_that_no_memory_has_are_an_error() {
        for (payload, result) in [(usize::MAX, 0), (0, usize::MAX / 2)] {
            let outcome = run(payload, result, 3, 2);
            assert_eq!(outcome.status, Status::Environment);
            assert_eq!(outcome.complaints.len(), 1, "{:?}", outcome.complaints);
        }
    }

    #[test]
    fn the_task_functions_answer_what_the_supervisor_expects() {
        let load = Load {
            steps: 1,
            result_bytes: 77,
            payload: ByteBuf::from(vec![filler(9); 1_000]),
        };
        let got = task::copied(load).expect("no error");
        let got = Yield {
            checksum: got.checksum,
            result: got.result.as_ref(),
        };
        assert_eq!(task::verify(filler(9), 1_000, 77, &got), Ok(()));
        assert!(task::verify(filler(8), 1_000, 77, &got).is_err());
        assert!(task::verify(filler(9), 1_000, 78, &got).is_err());
    }
}
