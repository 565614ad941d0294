//! Many thousands of worker processes, one after another: none leaves anything.

use std::time::Duration;

use forkyard::{Pool, Report, TaskError, WorkerState, WorkerStderr};
use tests::census;
use tests::patience::{LIVENESS, until, within};

use crate::Scenario;
use crate::setup::{Holdings, Setup, holdings, kill_myself, works};

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("soak/starts", starts),
    ("soak/starts-of-one", starts_of_one),
];

/// Processes that are killed at their work in each pool; their replacements are starts too.
const DEATHS: usize = 30;
/// Memory that may be added by what the allocator does with it, and by nothing else.
const SLACK_BYTES: u64 = 2 << 20;

/// One pool, whose workers die again and again. Returns how many processes it had.
fn one_pool(setup: &Setup, number: usize) -> usize {
    let pool = setup.pool(1 + number % 3);
    works(&pool);
    let handles: Vec<_> = (0..DEATHS)
        .map(|_| pool.submit(|()| -> u64 { kill_myself() }, ()))
        .collect();
    for handle in handles {
        let ended = handle.join();
        assert!(matches!(ended, Err(TaskError::WorkerDied(_))), "{ended:?}");
    }
    works(&pool);
    let report = if number.is_multiple_of(2) {
        pool.close()
    } else {
        pool.abort(Duration::from_millis(100))
    };
    assert!(report.deaths.len() >= DEATHS, "{:?}", report.deaths);
    report.processes.len()
}

/// As many starts as asked for: after a fifth of them, what the supervisor has of everything is all
/// that it ever has between two pools.
fn starts(setup: &Setup) {
    let wanted = usize::try_from(setup.number()).expect("a count");
    let mut started = 0;
    let mut pools = 0;
    let mut run_to = |limit: usize| {
        while started < limit {
            started += one_pool(setup, pools);
            pools += 1;
        }
    };
    run_to(wanted / 5);
    let settled = |threads: usize| {
        until("threads that have ended are gone", LIVENESS, || {
            (holdings().threads <= threads).then_some(())
        });
        (holdings(), census::resident_bytes())
    };
    let (before, memory) = settled(1);
    assert_eq!(before.zombies + before.segments, 0, "{before:?}");
    run_to(wanted);
    let (after, memory_now) = settled(before.threads);
    assert_eq!(after, before);
    let grown = memory_now.saturating_sub(memory);
    assert!(
        grown <= SLACK_BYTES,
        "{grown} bytes more after {started} starts"
    );
    let tag = std::env::var("FY_TEST_TAG").expect("a tag");
    let left = census::tagged(&format!("FY_TEST_TAG={tag}"));
    assert_eq!(left, [std::process::id().cast_signed()]);
    println!("{started} starts in {pools} pools, {grown} bytes more, {after:?}");
}

/// Last words in a run that is long: as many as are kept.
const LAST_WORDS: usize = 2048;

/// Dies with so many last words.
fn die_talking(words: usize) -> u64 {
    eprint!("{}", "x".repeat(words));
    kill_myself()
}

/// Of four tasks three take their workers with them, and one is the last of its worker.
fn four_starts(pool: &Pool, number: u64, words: usize) {
    let dying = [words; 3].map(|words| pool.submit(die_talking, words));
    assert_eq!(pool.submit(|n: u64| n, number).join(), Ok(number));
    for handle in dying {
        let ended = handle.join();
        assert!(matches!(ended, Err(TaskError::WorkerDied(_))), "{ended:?}");
    }
}

/// Waits until the last replacements have come.
fn all_are_up(pool: &Pool) {
    let waits = |state| matches!(state, WorkerState::Idle | WorkerState::Spinning);
    until("all are up", LIVENESS, || {
        let stats = pool.stats();
        stats
            .workers
            .iter()
            .all(|worker| waits(worker.state))
            .then_some(())
    });
}

/// Thousands of workers in one pool, which keeps of those that are gone no more than it says.
fn starts_of_one(setup: &Setup) {
    let wanted = setup.number();
    let pool = setup.builder().workers(4).max_tasks_per_child(1);
    let pool = pool.stderr(WorkerStderr::Tail).build().expect("a pool");
    // With all workers there, it is all that it ever has but for the feeder. Later, one that says
    // that it is ready may not have been heard yet.
    let built = holdings();
    let all = Holdings {
        threads: built.threads + 1,
        ..built
    };
    // Whoever runs the tests is not to read that much.
    let words = if wanted < 10_000 { 0 } else { LAST_WORDS };
    let mut rounds = 0;
    let mut run_to = |limit: u64| {
        while pool.stats().starts < limit {
            four_starts(&pool, rounds, words);
            rounds += 1;
        }
    };
    run_to(wanted * 2 / 5);
    all_are_up(&pool);
    let memory = census::resident_bytes();
    run_to(wanted);
    all_are_up(&pool);
    let settled = within(LIVENESS, || holdings().fits(all).then_some(()));
    assert!(settled.is_some(), "{:?} of {all:?}", holdings());
    let grown = census::resident_bytes().saturating_sub(memory);
    assert!(grown <= SLACK_BYTES, "{grown} bytes more");
    assert_eq!(pool.tasks_done(), rounds);
    let stats = pool.stats();
    assert_eq!((stats.tasks, stats.deaths), (rounds, 3 * rounds));
    let report = pool.close();
    counts_all(&report, rounds, wanted);
    println!("{} starts in one pool, {grown} bytes more", report.starts());
}

/// The report lists some and counts all.
fn counts_all(report: &Report, rounds: u64, wanted: u64) {
    assert_eq!((report.tasks(), report.died()), (rounds, 3 * rounds));
    assert!(report.starts() >= wanted && report.starts() <= wanted + 12);
    assert_eq!((report.processes.len(), report.deaths.len()), (1024, 256));
    assert_eq!(report.deaths[0].generation, 0);
    let generations = report.processes.iter().map(|row| row.generation);
    let last = u64::from(generations.max().unwrap_or_default());
    assert!(4 * last >= report.starts() - 4, "the last ones are listed");
    let unlisted = report.unlisted;
    assert_eq!(unlisted.processes, report.starts() - 1024);
    assert!(unlisted.wall > Duration::ZERO && unlisted.stages.sum() > Duration::ZERO);
    assert!(unlisted.cpu_user + unlisted.cpu_system > Duration::ZERO);
    assert!(unlisted.peak_rss_bytes > 100_000);
}
