//! The whole run: once in a pool, and again against a baseline where that is asked for.

use std::time::Duration;

use forkyard::BuildError;
use forkyard_workloads::{Status, Workload};

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
    let against = match options.against {
        Some(against) if comparable => compare(&runner, against, sample, listener),
        _ => None,
    };
    let mut outcome = first.outcome;
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

/// Pool, baseline, pool, baseline, …; the first run in the pool is already done. `None` where an
/// interrupt or a failure left no whole pair.
fn compare(
    runner: &Runner<'_>,
    against: Against,
    first: Sample,
    listener: &mut dyn Listener,
) -> Option<Comparison> {
    let (mut pool, mut other) = (vec![first], Vec::new());
    let mut pairs = runner.options.pairs.map_or(PAIRS, std::num::NonZero::get);
    while !runner.interrupts.is_interrupted() {
        let round = other.len() + 1;
        let label = format!("{against}, run {round}");
        let (outcome, wall) = runner.without_pool(against, &label, listener);
        if outcome.status > Status::NothingFound {
            break;
        }
        other.push(wall);
        if round == 1 && runner.options.pairs.is_none() {
            pairs = pairs_for(first.wall + wall);
        }
        if other.len() as u64 >= u64::from(pairs) || runner.interrupts.is_interrupted() {
            break;
        }
        let label = format!("pool, run {}", round + 1);
        let Ok(run) = runner.in_pool(&label, listener) else {
            break;
        };
        if run.outcome.status > Status::NothingFound {
            break;
        }
        pool.push(Sample {
            wall: run.wall,
            work: run.work,
        });
    }
    Comparison::of(against, &pool, &other)
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
    use super::*;

    #[test]
    fn long_runs_are_repeated_less() {
        let pairs = |seconds| pairs_for(Duration::from_secs(seconds));
        assert_eq!((pairs(1), pairs(3), pairs(60)), (3, 2, 1));
    }
}
