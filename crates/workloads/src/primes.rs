//! First-wins search for a prime: the first worker to find one stops the others.

use std::num::NonZeroU64;
use std::time::Duration;

use forkyard::{First, Pool, Protocol, Search, TaskError};
use serde::{Deserialize, Serialize};

use crate::baseline;
use crate::tally::status_of;
use crate::units;
use crate::{Findings, NumberRange, Outcome, Pattern, PrimeTest, Setting, Status, Workload};

/// First-wins search for a prime in ranges of numbers.
#[derive(Debug, Clone)]
pub struct Primes {
    /// Where to search.
    pub ranges: Vec<NumberRange>,
    /// Which primes count.
    pub pattern: Pattern,
    /// How a number is tested.
    pub test: PrimeTest,
    /// How a worker that found one makes sure that it is the only one.
    pub protocol: Protocol,
    /// Into how many neighbouring pieces each range is cut. By default all ranges together
    /// make one piece for each worker, so that each searches its own stretch.
    pub pieces: Option<NonZeroU64>,
}

/// One task: a stretch of numbers, searched upwards.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Piece {
    range: NumberRange,
    pattern: Pattern,
    test: PrimeTest,
}

/// The task. It says how many numbers it expects to test before the search is over, so that
/// an automatic check interval can be chosen.
fn search_piece(search: &Search<'_>, piece: Piece) -> Option<u64> {
    let Piece {
        range,
        pattern,
        test,
    } = piece;
    let expected = pattern.expected_gap(range.first()).min(range.len());
    let mut check = search.with_iterations(expected);
    for n in range.first()..=range.last() {
        if check.should_stop() {
            return None;
        }
        if pattern.matches(n, test) {
            return Some(n);
        }
    }
    None
}

impl Primes {
    fn cut(&self, workers: usize) -> impl Iterator<Item = Piece> {
        let share = workers.div_ceil(self.ranges.len().max(1)).max(1);
        let pieces = self.pieces.map_or(share as u64, NonZeroU64::get);
        let ranges = self.ranges.iter();
        ranges
            .flat_map(move |range| range.split(pieces))
            .map(|range| Piece {
                range,
                pattern: self.pattern,
                test: self.test,
            })
    }

    /// Without a pool: the threads share the flag, and raising it says who was first.
    fn baseline(&self, setting: &Setting<'_>, threads: usize) -> Outcome {
        let stop = setting.stop;
        let round = stop.arm();
        let pieces: Vec<Piece> = self.cut(threads).collect();
        let tried = baseline::each(pieces.len() as u64, threads, stop, |index| {
            let piece = pieces[usize::try_from(index).ok()?];
            let search = Search::new(stop, round, setting.check_every);
            let value = (!stop.is_raised(round)).then(|| search_piece(&search, piece))??;
            stop.raise(round).then_some(value)
        });
        let value = tried.iter().find_map(|(_, value)| *value);
        let status = match value {
            Some(_) => Status::Success,
            None if stop.is_raised_for_ever() => Status::Interrupted,
            None => Status::NothingFound,
        };
        Verdict {
            value,
            worker: None,
            winners: u32::from(value.is_some()),
            latencies: Vec::new(),
            tasks: tried.len() as u64,
            status,
            complaints: Vec::new(),
        }
        .into_outcome(self)
    }

    fn in_ranges(&self) -> String {
        let ranges: Vec<_> = self.ranges.iter().map(ToString::to_string).collect();
        ranges.join(", ")
    }
}

impl Workload for Primes {
    fn name(&self) -> &'static str {
        "primes"
    }

    fn total_tasks(&self, _: &Setting<'_>) -> Option<u64> {
        None
    }

    fn run_pool(&self, pool: &Pool, setting: &Setting<'_>) -> Outcome {
        let pieces = self.cut(setting.workers);
        let first = pool.first_with(self.protocol, search_piece, pieces);
        Verdict::of(first, pool.is_aborted()).into_outcome(self)
    }

    fn run_sequential(&self, setting: &Setting<'_>) -> Outcome {
        self.baseline(setting, 1)
    }

    fn run_threads(&self, setting: &Setting<'_>) -> Outcome {
        self.baseline(setting, setting.workers)
    }
}

/// How a search ended, however it was run.
struct Verdict {
    value: Option<u64>,
    worker: Option<usize>,
    winners: u32,
    latencies: Vec<Duration>,
    tasks: u64,
    status: Status,
    complaints: Vec<String>,
}

impl Verdict {
    fn of(first: Result<First<u64>, TaskError>, aborted: bool) -> Self {
        match first {
            Ok(first) => Self {
                status: match &first.found {
                    Some(_) => Status::Success,
                    None if aborted => Status::Interrupted,
                    None => Status::NothingFound,
                },
                worker: first.found.as_ref().map(|found| found.worker),
                value: first.found.map(|found| found.value),
                winners: first.winners,
                latencies: first.stop_latencies,
                tasks: first.tasks as u64,
                complaints: Vec::new(),
            },
            Err(error) => {
                let status = status_of(&error);
                let ours = status == Status::Interrupted;
                Self {
                    value: None,
                    worker: None,
                    winners: 0,
                    latencies: Vec::new(),
                    tasks: 0,
                    status,
                    // That it was interrupted, whoever did it knows.
                    complaints: if ours {
                        vec![]
                    } else {
                        vec![format!("not all was searched: {error}")]
                    },
                }
            }
        }
    }

    fn into_outcome(self, primes: &Primes) -> Outcome {
        let what = primes.pattern.in_words();
        let mut answer = vec![match (self.value, self.status) {
            (Some(value), _) => match self.worker {
                Some(worker) => format!("{value} is a {what}, found by worker {worker}"),
                None => format!("{value} is a {what}"),
            },
            (None, Status::NothingFound) => format!("no {what} in {}", primes.in_ranges()),
            (None, _) => format!("no {what} found before the search was ended"),
        }];
        answer.extend(latency_line(&self.latencies));
        if self.winners > 1 {
            let winners = self.winners;
            answer.push(format!(
                "{winners} workers believed to have won; --protocol {} lets that happen",
                primes.protocol
            ));
        }
        Outcome {
            answer,
            listing: None,
            complaints: self.complaints,
            result: Findings::Primes {
                found: self.value.is_some(),
                value: self.value,
                worker: self.worker,
                winners: self.winners,
                stop_latency_ns: self.latencies.iter().map(nanos).collect(),
            },
            tasks: self.tasks,
            status: self.status,
        }
    }
}

fn nanos(latency: &Duration) -> u64 {
    u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX)
}

/// How long the losers went on after the flag was raised.
fn latency_line(latencies: &[Duration]) -> Option<String> {
    let mut sorted = latencies.to_vec();
    sorted.sort_unstable();
    let last = units::duration(*sorted.last()?);
    Some(match sorted.len() {
        1 => {
            format!("one other worker was searching, and stopped {last} after the flag was raised")
        }
        n => {
            let median = units::duration(sorted[n / 2]);
            format!(
                "{n} other workers were searching, and stopped {median} (median) to {last} \
                 (last) after the flag was raised"
            )
        }
    })
}

#[cfg(test)]
mod tests {
    use forkyard::{CheckEvery, StopFlag, Transport};

    use super::*;

    fn primes(ranges: &[&str]) -> Primes {
        Primes {
            ranges: ranges.iter().map(|r| r.parse().expect(r)).collect(),
            pattern: Pattern::Any,
            test: PrimeTest::MillerRabin,
            protocol: Protocol::Claim,
            pieces: None,
        }
    }

    fn setting(stop: &StopFlag, workers: usize) -> Setting<'_> {
        Setting {
            workers,
            transport: Transport::Shared,
            check_every: CheckEvery::every(10),
            stop,
        }
    }

    fn found(outcome: &Outcome) -> Option<u64> {
        match outcome.result {
            Findings::Primes { value, .. } => value,
            _ => None,
        }
    }

    #[test]
    fn the_course_example_gives_each_worker_its_own_range() {
        let course = primes(&[
            "0..100000",
            "100000..200000",
            "200000..300000",
            "300000..400000",
        ]);
        assert_eq!(course.cut(4).count(), 4);
        assert_eq!(primes(&["0..100"]).cut(4).count(), 4);
        assert_eq!(primes(&["0..100", "500..600"]).cut(3).count(), 4);
    }

    #[test]
    fn one_after_another_finds_the_smallest() {
        let stop = StopFlag::new();
        let outcome = primes(&["1e12..1e13"]).run_sequential(&setting(&stop, 1));
        assert_eq!(found(&outcome), Some(1_000_000_000_039));
        assert_eq!(outcome.status, Status::Success);
    }

    #[test]
    fn threads_find_one_and_agree_on_it() {
        let stop = StopFlag::new();
        for _ in 0..20 {
            let outcome = primes(&["1e12..1e13"]).run_threads(&setting(&stop, 3));
            let value = found(&outcome).expect("there are primes");
            assert!(PrimeTest::MillerRabin.is_prime(value));
        }
    }

    #[test]
    fn nothing_found_and_interrupted_are_different_ends() {
        let stop = StopFlag::new();
        let outcome = primes(&["24..29"]).run_sequential(&setting(&stop, 1));
        assert_eq!(outcome.status, Status::NothingFound);
        assert_eq!(outcome.answer, ["no prime in 24..=28"]);
        stop.raise_for_ever();
        let outcome = primes(&["24..29"]).run_threads(&setting(&stop, 2));
        assert_eq!(outcome.status, Status::Interrupted);
    }

    #[test]
    fn latencies_are_told_by_how_many_there_are() {
        let us = Duration::from_micros;
        assert_eq!(latency_line(&[]), None);
        let one = latency_line(&[us(3)]).expect("one");
        assert!(one.contains("stopped 3.00 µs after"), "{one}");
        let three = latency_line(&[us(9), us(1), us(4)]).expect("three");
        assert!(
            three.contains("4.00 µs (median) to 9.00 µs (last)"),
            "{three}"
        );
    }
}
