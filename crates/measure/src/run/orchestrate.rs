//! The whole run: once in a pool, and again against a baseline where that is asked for.

use std::time::Duration;

use forkyard::BuildError;
use forkyard_workloads::{Outcome, Status, Workload};

use super::interrupt::{Interrupts, Listener};
use super::once::Runner;
use super::options::{Against, RunOptions};
use crate::report::{Comparison, RunReport, Sample};

/// Pairs of a comparison whose pairs are short.
const PAIRS: u32 = 3;

/// A pair longer than this is repeated only once.
const LONG_PAIR: Duration = Duration::from_secs(2);

/// A pair longer than this is not repeated.
const VERY_LONG_PAIR: Duration = Duration::from_secs(10);

/// Why a run could not begin. Once it has begun, what goes wrong is in its report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The pool could not be built.
    #[error(transparent)]
    Pool(#[from] BuildError),
}

/// Runs `workload` in a pool, and where `options.against` says so the same work without one,
/// in turn. The processes of the report are those of the first run.
///
/// # Errors
/// [`RunError::Pool`] where the first pool cannot be built.
pub fn run(
    workload: &dyn Workload,
    options: &RunOptions,
    interrupts: &Interrupts,
    listener: &mut dyn Listener,
) -> Result<RunReport, RunError> {
    let runner = Runner {
        workload,
        options,
        interrupts,
    };
    let first = runner.in_pool(workload.name(), listener)?;
    let sample = Sample {
        wall: first.wall,
        work: first.work,
    };
    let comparable = first.outcome.status <= Status::NothingFound;
    let mut outcome = first.outcome;
    let against = match options.against {
        Some(against) if comparable => {
            let compared = compare(&runner, against, sample, listener);
            if let Some(broken) = compared.broken {
                outcome.status = outcome.status.max(broken.status);
                outcome.complaints.push(broken.complaint);
            }
            compared.comparison
        }
        Some(_) if !interrupts.is_interrupted() => {
            let why = "no comparison: the run in the pool did not end well";
            outcome.complaints.push(why.to_owned());
            None
        }
        _ => None,
    };
    if interrupts.is_interrupted() {
        outcome.status = Status::Interrupted;
    }
    Ok(RunReport {
        workload: workload.name().to_owned(),
        start_method: options.start_method,
        transport: options.transport,
        workers: options.workers,
        cpus: forkyard::available_cpus().get(),
        chunk_size: options.chunk_size,
        check_every: options.check_every,
        wall: first.wall,
        startup: first.startup,
        work: first.work,
        outcome,
        against,
        died: first.report.died(),
        processes: first.report.processes,
        supervisor: first.report.supervisor,
        deaths: first.report.deaths,
    })
}

/// What came of a comparison.
struct Compared {
    /// `None` where there is no whole pair.
    comparison: Option<Comparison>,
    /// What ended it before all pairs were done.
    broken: Option<Broken>,
}

/// Why a comparison has less than it was to have.
struct Broken {
    status: Status,
    complaint: String,
}

/// Pool, baseline, pool, baseline, …; the first run in the pool is already done.
fn compare(
    runner: &Runner<'_>,
    against: Against,
    first: Sample,
    listener: &mut dyn Listener,
) -> Compared {
    let (mut pool, mut other) = (vec![first], Vec::new());
    let mut pairs = runner.options.pairs.map_or(PAIRS, std::num::NonZero::get);
    let ended = run_pairs(runner, against, &mut pairs, &mut pool, &mut other, listener);
    Compared {
        comparison: Comparison::of(against, &pool, &other),
        broken: ended.err().map(|broken| Broken {
            complaint: shortfall(other.len(), pairs, &broken.complaint),
            ..broken
        }),
    }
}

/// Runs what is left of the pairs, or says what ended them.
fn run_pairs(
    runner: &Runner<'_>,
    against: Against,
    pairs: &mut u32,
    pool: &mut Vec<Sample>,
    other: &mut Vec<Duration>,
    listener: &mut dyn Listener,
) -> Result<(), Broken> {
    loop {
        heed(runner)?;
        let round = other.len() + 1;
        let label = format!("{against}, run {round}");
        let (outcome, wall) = runner.without_pool(against, &label, listener);
        ended_well(runner, &label, &outcome)?;
        other.push(wall);
        if round == 1 && runner.options.pairs.is_none() {
            *pairs = pairs_for(pool[0].wall + wall);
        }
        if other.len() as u64 >= u64::from(*pairs) {
            return Ok(());
        }
        heed(runner)?;
        let label = format!("pool, run {}", round + 1);
        let run = runner.in_pool(&label, listener).map_err(|error| Broken {
            status: Status::Environment,
            complaint: format!("{label}: {error}"),
        })?;
        ended_well(runner, &label, &run.outcome)?;
        pool.push(Sample {
            wall: run.wall,
            work: run.work,
        });
    }
}

/// Goes on unless there was an interrupt.
fn heed(runner: &Runner<'_>) -> Result<(), Broken> {
    match runner.interrupts.is_interrupted() {
        true => Err(Broken {
            status: Status::Interrupted,
            complaint: "interrupted".to_owned(),
        }),
        false => Ok(()),
    }
}

/// A run that failed is no measure of anything.
fn ended_well(runner: &Runner<'_>, label: &str, outcome: &Outcome) -> Result<(), Broken> {
    if outcome.status <= Status::NothingFound {
        return Ok(());
    }
    heed(runner)?;
    let why = outcome.complaints.first().map(String::as_str);
    let why = why.unwrap_or("it did not end well");
    Err(Broken {
        status: outcome.status,
        complaint: format!("{label}: {why}"),
    })
}

fn shortfall(done: usize, asked: u32, why: &str) -> String {
    match done {
        0 => format!("no comparison: {why}"),
        _ => format!("the comparison has {done} of {asked} pairs: {why}"),
    }
}

/// How often a pair of this length is worth its time.
fn pairs_for(pair: Duration) -> u32 {
    match pair {
        pair if pair > VERY_LONG_PAIR => 1,
        pair if pair > LONG_PAIR => 2,
        _ => PAIRS,
    }
}

#[cfg(test)]
mod tests {
    use forkyard::{CheckEvery, ChunkSize, Pool, StartMethod, Transport};
    use forkyard_workloads::{Findings, Setting};

    use super::*;
    use crate::run::NoListener;

    #[test]
    fn long_runs_are_repeated_less() {
        let pairs = |seconds| pairs_for(Duration::from_secs(seconds));
        assert_eq!((pairs(1), pairs(3), pairs(60)), (3, 2, 1));
    }

    /// Its runs without a pool end like this.
    struct Baseline(Status);

    impl Workload for Baseline {
        fn name(&self) -> &'static str {
            "baseline"
        }

        fn total_tasks(&self, _: &Setting<'_>) -> Option<u64> {
            None
        }

        fn run_pool(&self, _: &Pool, _: &Setting<'_>) -> Outcome {
            unreachable!("no pool is built")
        }

        fn run_sequential(&self, _: &Setting<'_>) -> Outcome {
            Outcome {
                answer: Vec::new(),
                listing: None,
                complaints: vec!["a wrong answer".to_owned()],
                result: Findings::Spin {
                    verified: 0,
                    failed: 0,
                    payload_bytes: 0,
                    result_bytes: 0,
                },
                tasks: 0,
                status: self.0,
            }
        }

        fn run_threads(&self, setting: &Setting<'_>) -> Outcome {
            self.run_sequential(setting)
        }
    }

    #[test]
    fn what_ends_a_comparison_is_told_with_what_it_has() {
        let options = RunOptions {
            // More than there can be: the second run in a pool fails.
            workers: forkyard::MAX_WORKERS + 1,
            start_method: StartMethod::Spawn,
            transport: Transport::Shared,
            chunk_size: ChunkSize::Auto,
            check_every: CheckEvery::Auto,
            arena_limit: None,
            against: Some(Against::Sequential),
            pairs: None,
            progress: false,
        };
        let sample = Sample {
            wall: Duration::from_millis(1),
            work: Duration::from_millis(1),
        };
        let compare = |status, interrupts: &Interrupts| {
            let runner = Runner {
                workload: &Baseline(status),
                options: &options,
                interrupts,
            };
            let compared = compare(&runner, Against::Sequential, sample, &mut NoListener);
            let broken = compared.broken.expect("not all pairs");
            let pairs = compared.comparison.map(|comparison| comparison.pairs);
            (pairs, broken.status, broken.complaint)
        };
        let (pairs, status, told) = compare(Status::TaskFailed, &Interrupts::new());
        assert_eq!((pairs, status), (None, Status::TaskFailed));
        assert_eq!(told, "no comparison: sequential, run 1: a wrong answer");
        let (pairs, status, told) = compare(Status::Success, &Interrupts::new());
        assert_eq!((pairs, status), (Some(1), Status::Environment));
        let begin = "the comparison has 1 of 3 pairs: pool, run 2: ";
        assert!(told.starts_with(begin), "{told}");
        let interrupts = Interrupts::new();
        let _ = interrupts.interrupt();
        let (pairs, status, told) = compare(Status::Success, &interrupts);
        assert_eq!((pairs, status), (None, Status::Interrupted));
        assert_eq!(told, "no comparison: interrupted");
    }
}
