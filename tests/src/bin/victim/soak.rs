//! Many thousands of worker processes, one after another: none leaves anything.

use std::time::Duration;

use forkyard::TaskError;
use tests::census;
use tests::patience::{LIVENESS, until};

use crate::Scenario;
use crate::setup::{Setup, holdings, kill_myself, works};

pub(crate) const SCENARIOS: &[Scenario] = &[("soak/starts", starts)];

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
