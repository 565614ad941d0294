//! Counting primes while looking at a stop flag that nobody raises: what looking costs.
//!
//! The course's Example 27.2 looks when the number of primes *found* so far is a multiple of
//! the interval, so that it looks again and again while that number stands still, and not at
//! all regularly. Here every iteration counts.

use std::num::NonZeroU64;

use forkyard::{Pool, Search, TaskError};
use serde::{Deserialize, Serialize};

use crate::tally::Tally;
use crate::{Findings, NumberRange, Outcome, PrimeTest, Setting, Status, Workload};
use crate::{baseline, units};

/// Pieces for each worker: enough that the dearer end of the range does not leave one alone.
const PIECES_PER_WORKER: u64 = 16;

/// No piece is shorter than this by default, so that a check interval has room in it.
const SHORTEST_PIECE: u64 = 10_000;

/// So many pieces are handed out, and their counts collected, at a time.
const ROUND_PIECES: u64 = 1 << 16;

/// Counts the primes up to a limit.
#[derive(Debug, Clone)]
pub struct CountPrimes {
    /// The last number to test.
    pub limit: u64,
    /// How a number is tested.
    pub test: PrimeTest,
    /// Into how many tasks the numbers are cut; by default sixteen for each worker, fewer where
    /// they would hold less than 10,000 numbers.
    pub pieces: Option<NonZeroU64>,
}

/// One task.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Piece {
    range: NumberRange,
    test: PrimeTest,
}

/// What one task did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Counted {
    primes: u64,
    iterations: u64,
    checks: u64,
    stopped: bool,
}

fn count(search: &Search<'_>, piece: Piece) -> Counted {
    let mut counted = Counted::default();
    let mut check = search.with_iterations(piece.range.len());
    for n in piece.range.first()..=piece.range.last() {
        if check.should_stop() {
            counted.stopped = true;
            break;
        }
        counted.iterations += 1;
        counted.primes += u64::from(piece.test.is_prime(n));
    }
    // The search counts a checker's looks when the checker is dropped.
    drop(check);
    counted.checks = search.checks();
    counted
}

impl CountPrimes {
    /// The numbers, and into how many pieces they are cut; `None` where there are none.
    fn cut(&self, workers: usize) -> Option<(NumberRange, u64)> {
        let longest = self.limit.div_ceil(SHORTEST_PIECE);
        let default = longest.clamp(1, PIECES_PER_WORKER * workers as u64);
        let pieces = self.pieces.map_or(default, NonZeroU64::get);
        // There is no prime below 2, and nothing to do below it.
        let range = NumberRange::new(2, self.limit)?;
        Some((range, range.pieces(pieces)))
    }

    /// Goes through the pieces in rounds, so that not all of them are in memory. `run` is given
    /// those of a round, and says what became of them in order, or of the first few.
    fn in_rounds<R>(
        &self,
        setting: &Setting<'_>,
        workers: usize,
        is_over: impl Fn() -> bool,
        run: impl Fn(u64, &(dyn Fn(u64) -> Piece + Sync)) -> R,
    ) -> Outcome
    where
        R: IntoIterator<Item = Result<Counted, TaskError>>,
    {
        let cut = self.cut(workers);
        let all = cut.map_or(0, |(_, pieces)| pieces);
        let test = self.test;
        let mut begin = 0;
        let counted = std::iter::from_fn(|| {
            let (range, pieces) = cut.filter(|_| begin < all && !is_over())?;
            let here = begin;
            begin += ROUND_PIECES.min(all - begin);
            let piece = move |index| Piece {
                range: range.piece(pieces, here + index),
                test,
            };
            Some(run(begin - here, &piece))
        });
        self.sum(counted.flatten(), all, setting)
    }

    fn baseline(&self, setting: &Setting<'_>, threads: usize) -> Outcome {
        let round = setting.stop.arm();
        let is_over = || setting.stop.is_raised_for_ever();
        self.in_rounds(setting, threads, is_over, |pieces, piece| {
            let done = baseline::each(pieces, threads, setting.stop, |index| {
                let search = Search::new(setting.stop, round, setting.check_every);
                count(&search, piece(index))
            });
            done.into_iter().map(|(_, counted)| Ok(counted))
        })
    }

    fn sum(
        &self,
        pieces: impl Iterator<Item = Result<Counted, TaskError>>,
        all: u64,
        setting: &Setting<'_>,
    ) -> Outcome {
        let mut tally = Tally::default();
        let mut total = Counted::default();
        let (mut tasks, mut seen) = (0, 0);
        for piece in pieces {
            match piece {
                Ok(counted) => {
                    tasks += u64::from(!counted.stopped);
                    tally.left_undone(u64::from(counted.stopped));
                    total.primes += counted.primes;
                    total.iterations += counted.iterations;
                    total.checks += counted.checks;
                }
                Err(error) => tally.task_failed(format_args!("piece {seen}"), &error),
            }
            seen += 1;
        }
        tally.left_undone(all - seen);
        let (status, complaints) = tally.finish();
        Outcome {
            answer: self.answer(total, status, setting),
            listing: None,
            complaints,
            result: Findings::CountPrimes {
                limit: self.limit,
                primes: total.primes,
                iterations: total.iterations,
                checks: total.checks,
            },
            tasks,
            status,
        }
    }

    fn answer(&self, total: Counted, status: Status, setting: &Setting<'_>) -> Vec<String> {
        let primes = units::counted(total.primes, "prime", "primes");
        let limit = units::count(self.limit);
        let so_far = if status == Status::Success {
            ""
        } else {
            " among the numbers tested"
        };
        let iterations = units::counted(total.iterations, "number", "numbers");
        let checks = units::counted(total.checks, "look", "looks");
        vec![
            format!("{primes} up to {limit}{so_far}"),
            format!(
                "{iterations} tested, {checks} at the stop flag (--check-every {})",
                setting.check_every
            ),
        ]
    }
}

impl Workload for CountPrimes {
    fn name(&self) -> &'static str {
        "count-primes"
    }

    fn total_tasks(&self, setting: &Setting<'_>) -> Option<u64> {
        Some(self.cut(setting.workers).map_or(0, |(_, pieces)| pieces))
    }

    fn run_pool(&self, pool: &Pool, setting: &Setting<'_>) -> Outcome {
        let is_over = || pool.is_aborted();
        self.in_rounds(setting, setting.workers, is_over, |pieces, piece| {
            pool.map(
                |piece| count(&forkyard::context().search(), piece),
                (0..pieces).map(piece),
            )
        })
    }

    fn run_sequential(&self, setting: &Setting<'_>) -> Outcome {
        self.baseline(setting, 1)
    }

    fn run_threads(&self, setting: &Setting<'_>) -> Outcome {
        self.baseline(setting, setting.workers)
    }
}

#[cfg(test)]
mod tests {
    use forkyard::{CheckEvery, StopFlag, Transport};

    use super::*;

    fn run(limit: u64, check_every: u32, threads: usize) -> (u64, u64, u64) {
        let stop = StopFlag::new();
        let setting = Setting {
            workers: threads,
            transport: Transport::Shared,
            check_every: CheckEvery::every(check_every),
            stop: &stop,
        };
        let work = CountPrimes {
            limit,
            test: PrimeTest::Trial,
            pieces: NonZeroU64::new(1),
        };
        let outcome = work.run_threads(&setting);
        assert_eq!(outcome.status, Status::Success);
        match outcome.result {
            Findings::CountPrimes {
                primes,
                iterations,
                checks,
                ..
            } => (primes, iterations, checks),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_count_is_pi_and_every_iteration_counts() {
        let (primes, iterations, checks) = run(20_000, 10, 1);
        assert_eq!((primes, iterations), (2_262, 19_999));
        assert_eq!(checks, 19_999 / 10, "the course's loop looked 2,037 times");
        assert_eq!(run(20_000, 1_000, 1), (2_262, 19_999, 19));
    }

    #[test]
    fn the_smallest_limits() {
        for (limit, primes) in [(0, 0), (1, 0), (2, 1), (3, 2), (4, 2), (5, 3)] {
            assert_eq!(run(limit, 1, 2).0, primes, "up to {limit}");
        }
    }

    #[test]
    fn many_pieces_are_done_in_rounds() {
        let stop = StopFlag::new();
        let setting = Setting {
            workers: 2,
            transport: Transport::Shared,
            check_every: CheckEvery::every(10),
            stop: &stop,
        };
        let work = |pieces| CountPrimes {
            limit: 200_000,
            test: PrimeTest::MillerRabin,
            pieces: NonZeroU64::new(pieces),
        };
        for pieces in [100_000, u64::MAX] {
            let outcome = work(pieces).run_threads(&setting);
            assert_eq!(outcome.status, Status::Success);
            let all = pieces.min(199_999);
            assert_eq!(outcome.tasks, all);
            assert_eq!(work(pieces).total_tasks(&setting), Some(all));
            let found = matches!(outcome.result, Findings::CountPrimes { primes: 17_984, .. });
            assert!(found, "{:?}", outcome.result);
        }
    }

    #[test]
    fn an_interrupt_is_no_success() {
        let stop = StopFlag::new();
        stop.raise_for_ever();
        let setting = Setting {
            workers: 2,
            transport: Transport::Shared,
            check_every: CheckEvery::every(10),
            stop: &stop,
        };
        let work = CountPrimes {
            limit: 1_000,
            test: PrimeTest::Trial,
            pieces: None,
        };
        let outcome = work.run_sequential(&setting);
        assert_eq!(outcome.status, Status::Interrupted);
        assert_eq!(outcome.tasks, 0);
        assert_eq!(outcome.complaints, ["interrupted: 1 task not done"]);
    }
}
