//! What must not grow, and what must not run.

use std::time::Duration;

use serde_bytes::ByteBuf;
use tests::patience::{LIVENESS, observe_for, until, within};
use tests::{census, gate};

use crate::Scenario;
use crate::setup::{Holdings, Setup, holdings, works};

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("leaks/pools", pools),
    ("leaks/failed-builds", failed_builds),
    ("leaks/deaths", deaths),
    ("leaks/idle", idle),
    ("leaks/waiting", waiting),
    ("leaks/arena", arena),
];

/// Memory that may be added by what the allocator does with it, and by nothing else.
const SLACK_BYTES: u64 = 2 << 20;

fn one_pool(setup: &Setup, number: usize) {
    let pool = setup.pool(1 + number % 3);
    works(&pool);
    let _block = pool.arena().copy_from(&[1_u8; 100_000]).expect("a block");
    let echo = pool.submit(|bytes: ByteBuf| bytes, ByteBuf::from(vec![1; 300_000]));
    if number.is_multiple_of(2) {
        pool.close();
        assert!(echo.join().is_ok());
    } else {
        assert!(echo.join().is_ok());
        drop(pool);
    }
}

/// Repeats `step`: what is held after a few times is all that is ever held, but for the little that
/// comes and goes with a pool that lives on: each of its workers may be at work before, or be gone
/// before, the reaper has its descriptors, and the feeder starts when it is needed.
fn repeat(times: usize, workers: usize, mut step: impl FnMut(usize)) {
    let warm_up = times / 5;
    (0..warm_up).for_each(&mut step);
    let (before, memory) = (holdings(), census::resident_bytes());
    (warm_up..times).for_each(&mut step);
    let allowed = Holdings {
        threads: before.threads + workers.min(1),
        files: before.files + 2 * workers,
        ..before
    };
    let settled = within(LIVENESS, || holdings().fits(allowed).then_some(()));
    assert!(settled.is_some(), "{:?} of {allowed:?}", holdings());
    let grown = census::resident_bytes().saturating_sub(memory);
    assert!(grown <= SLACK_BYTES, "{grown} bytes more");
}

fn pools(setup: &Setup) {
    let times = usize::try_from(setup.number()).expect("a count");
    repeat(times, 0, |number| one_pool(setup, number));
    assert_eq!(holdings().zombies + holdings().segments, 0);
}

/// Pools that could not be built leave nothing either.
fn failed_builds(setup: &Setup) {
    let mut failed = 0;
    repeat(50, 0, |_| {
        // A worker that is ready before it is killed for being late is a death like others.
        let pool = setup.builder().workers(2).start_timeout(Duration::ZERO);
        failed += usize::from(pool.build().is_err());
    });
    assert_eq!(holdings().zombies + holdings().segments, 0);
    println!("{failed} of 50 builds failed");
    works(&setup.pool(1));
}

/// Replacing workers costs nothing that stays.
fn deaths(setup: &Setup) {
    let pool = setup.pool(2);
    repeat(60, 2, |_| {
        let died: Result<(), _> = pool.submit(|()| crate::setup::kill_myself(), ()).join();
        assert!(died.is_err());
        until("both work again", LIVENESS, || {
            let pids = pool.map(|()| std::process::id(), [(); 100]);
            let first = pids[0].clone();
            pids.into_iter().any(|pid| pid != first).then_some(())
        });
    });
}

/// CPU time of all processes of this run while `time` passes.
fn cpu_during(time: Duration) -> Duration {
    let tag = std::env::var("FY_TEST_TAG").expect("a tag");
    let processes = census::tagged(&format!("FY_TEST_TAG={tag}"));
    assert!(processes.len() >= 3, "{processes:?}");
    let used = || {
        processes
            .iter()
            .map(|pid| census::cpu_ns(*pid))
            .sum::<u64>()
    };
    let before = used();
    observe_for(time);
    Duration::from_nanos(used() - before)
}

const OBSERVED: Duration = Duration::from_secs(2);

/// A pool without tasks takes no CPU, nor does its supervisor.
fn idle(setup: &Setup) {
    let pool = setup.pool(2);
    works(&pool);
    let used = cpu_during(OBSERVED);
    assert!(used < OBSERVED / 100, "{used:?} of {OBSERVED:?}");
    works(&pool);
}

/// Nor does waiting for a task that does nothing itself.
fn waiting(setup: &Setup) {
    let pool = setup.pool(2);
    works(&pool);
    let abort = pool.abort_handle();
    let joining = std::thread::spawn(move || {
        let task = |()| {
            gate::say("asleep", "");
            std::thread::park();
            0_u64
        };
        let result = pool.submit(task, ()).join();
        drop(pool);
        result
    });
    gate::wait("asleep");
    let used = cpu_during(OBSERVED);
    assert!(used < OBSERVED / 100, "{used:?} of {OBSERVED:?}");
    abort.kill();
    assert!(joining.join().expect("it ends").is_err());
}

/// Blocks come back: thousands of large messages, results and shared values need no more
/// memory than a few.
fn arena(setup: &Setup) {
    let pool = setup.pool(2);
    let echo = |bytes: ByteBuf| bytes;
    let share = |values: forkyard::Shared<[u64]>| {
        let arena = forkyard::context().arena().expect("a worker has one");
        arena.copy_from(&values).expect("a block")
    };
    let mut reserved = 0;
    for round in 0..60 {
        let echoes = pool.map(echo, (0..8).map(|_| ByteBuf::from(vec![1; 1 << 20])));
        assert!(echoes.iter().all(Result::is_ok));
        let values = pool.arena().copy_from(&[7_u64; 50_000]).expect("a block");
        let back = pool.submit(share, values).join().expect("a block");
        assert_eq!(back.iter().sum::<u64>(), 350_000);
        drop(back);
        drop(echoes);
        if round == 20 {
            reserved = pool.arena().stats().reserved_bytes;
        }
    }
    let now = pool.arena().stats().reserved_bytes;
    assert!(now <= reserved, "{now} bytes after {reserved}");
}
