//! Pools inside tasks, the global pool, and what is loaded before workers are forked.

use std::fs;
use std::sync::LazyLock;
use std::time::Duration;

use forkyard::{BuildError, Pool, StartMethod, TaskError, Transport};
use forkyard_os::process::{Signal, is_alive};
use tests::patience::{LIVENESS, until};
use tests::victim::send;
use tests::{census, gate};

use crate::Scenario;
use crate::setup::{Setup, kill_myself, works};

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("nested/depth", depth),
    ("nested/deeper", deeper),
    ("nested/outer-dies", outer_dies),
    ("nested/aborted", aborted),
    ("nested/values", values),
    ("nested/global", global),
    ("nested/global-in-tasks", global_in_tasks),
    ("nested/global-built", global_built),
    ("nested/global-built-late", global_built_late),
    ("nested/preload", preload),
    ("nested/preload-fails", preload_fails),
    ("nested/cpus", cpus),
];

/// How a pool inside a task is built: its worker is a process with threads.
fn inner(transport: &str, method: &str) -> forkyard::PoolBuilder {
    let method: StartMethod = method.parse().expect("a start method");
    let inside = match method {
        StartMethod::Fork => StartMethod::Spawn,
        other => other,
    };
    Pool::builder()
        .workers(2)
        .transport(transport.parse::<Transport>().expect("a transport"))
        .start_method(inside)
}

type Way = (String, String);

fn way(setup: &Setup) -> Way {
    (setup.transport.to_string(), setup.method.to_string())
}

/// Builds a pool in this task whose tasks build another, `levels` deep, and says what came of it:
/// the sum of what the innermost tasks return, or that it was too deep.
fn dig((way, levels): (Way, u32)) -> Result<u64, String> {
    if levels == 0 {
        return Ok(1);
    }
    let pool = match inner(&way.0, &way.1).build() {
        Ok(pool) => pool,
        Err(error @ BuildError::TooDeep) => return Err(error.to_string()),
        Err(other) => panic!("{other}"),
    };
    let below = [(way.clone(), levels - 1), (way, levels - 1)];
    let results = pool.map(dig, below);
    pool.close();
    results
        .into_iter()
        .map(|result| result.expect("it ran"))
        .sum()
}

/// One level below is allowed by default, a second is not.
fn depth(setup: &Setup) {
    let pool = setup.pool(2);
    assert_eq!(pool.submit(dig, (way(setup), 0)).join(), Ok(Ok(1)));
    assert_eq!(pool.submit(dig, (way(setup), 1)).join(), Ok(Ok(2)));
    let refused = pool.submit(dig, (way(setup), 2)).join().expect("it ran");
    let why = refused.expect_err("it is too deep");
    assert!(why.contains("max_depth"), "{why}");
    works(&pool);
    pool.close();
    let none = setup.builder().workers(1).max_depth(0);
    let none = none.build().expect("a pool");
    let refused = none.submit(dig, (way(setup), 1)).join().expect("it ran");
    assert!(refused.is_err());
}

/// As many levels as the outermost pool allows.
fn deeper(setup: &Setup) {
    let pool = setup.builder().workers(1).max_depth(2);
    let pool = pool.build().expect("a pool");
    assert_eq!(pool.submit(dig, (way(setup), 2)).join(), Ok(Ok(4)));
    let refused = pool.submit(dig, (way(setup), 3)).join().expect("it ran");
    assert!(refused.is_err());
    pool.close();
}

fn hold((transport, method): Way) -> u64 {
    let pool = inner(&transport, &method).build().expect("a pool");
    let pids = pool
        .timings()
        .iter()
        .map(|row| row.pid.to_string())
        .collect::<Vec<_>>();
    let here = std::process::id();
    gate::say("inner", format!("{here} {}", pids.join(" ")));
    let waits = |()| gate::wait("never said");
    pool.map(waits, [(); 2]);
    0
}

/// The processes of a task that holds a pool: the task's own first.
fn held() -> Vec<i32> {
    let text = gate::hear("inner");
    text.split(' ')
        .map(|pid| pid.parse().expect("a pid"))
        .collect()
}

fn all_gone(pids: &[i32]) {
    until("the inner workers are gone", LIVENESS, || {
        let lives = |pid: &i32| forkyard_os::process::Pid::from_raw(*pid).is_some_and(is_alive);
        (!pids.iter().any(lives)).then_some(())
    });
    let outer = pids[0].cast_unsigned();
    until("the inner segments are gone", LIVENESS, || {
        census::segments_of(outer).is_empty().then_some(())
    });
}

/// A worker that is killed takes the workers of its pool with it.
fn outer_dies(setup: &Setup) {
    let pool = setup.pool(1);
    let handle = pool.submit(hold, way(setup));
    let pids = held();
    assert_eq!(pids.len(), 3);
    send(pids[0], Signal::Kill);
    let result = handle.join();
    assert!(
        matches!(result, Err(TaskError::WorkerDied(_))),
        "{result:?}"
    );
    all_gone(&pids);
    works(&pool);
    pool.close();
}

/// So does one that is ended because its pool is aborted.
fn aborted(setup: &Setup) {
    let pool = setup.pool(1);
    let handle = pool.submit(hold, way(setup));
    let pids = held();
    pool.abort(Duration::ZERO);
    assert!(matches!(handle.join(), Err(TaskError::Aborted)));
    all_gone(&pids);
}

/// Values in shared memory are at home in one of the pools, and say so in the other.
fn values(setup: &Setup) {
    let pool = setup.pool(1);
    let task = |(way, outer): (Way, forkyard::Shared<[u64]>)| {
        let pool = inner(&way.0, &way.1).build().expect("a pool");
        let sum = |n: forkyard::Shared<[u64]>| n.iter().sum::<u64>();
        let own = pool.arena().copy_from(&outer).expect("a block");
        let own = pool.submit(sum, own).join().expect("a sum");
        let foreign = pool.submit(sum, outer.clone()).join();
        pool.close();
        (own, outer.iter().sum::<u64>(), foreign.is_err())
    };
    let numbers = pool.arena().copy_from(&[1_u64; 100_000]).expect("a block");
    let result = pool.submit(task, (way(setup), numbers)).join();
    assert_eq!(result, Ok((100_000, 100_000, true)));
    pool.close();
}

/// The global pool is one, is there for all, and goes with the process.
fn global(_: &Setup) {
    let pool = Pool::global();
    works(pool);
    assert_eq!(pool.workers(), forkyard::available_cpus().get());
    let elsewhere = std::thread::spawn(|| {
        works(Pool::global());
        std::ptr::from_ref(Pool::global()) as usize
    });
    let there = elsewhere.join().expect("it works");
    assert_eq!(there, std::ptr::from_ref(pool) as usize);
    // In the middle of a task, and nobody closes it: the test looks that nothing is left.
    let _running = pool.submit(|()| gate::wait("never said"), ());
}

/// The global pool as the program says, once, before it is asked for.
fn global_built(setup: &Setup) {
    let missing = setup.builder().workers(0).build_global();
    assert!(missing.is_err(), "and it can be tried again");
    let built = setup.builder().workers(3).name("all of us").build_global();
    let pool = built.expect("a pool");
    assert_eq!((pool.workers(), pool.name()), (3, Some("all of us")));
    assert!(std::ptr::eq(pool, Pool::global()));
    works(pool);
    let again = setup.builder().build_global();
    assert!(matches!(again, Err(BuildError::GlobalExists)), "{again:?}");
    // Workers that were forked as it was being built have one of their own, too.
    let square = |n: u64| Pool::global().submit(|n: u64| n * n, n).join().ok();
    assert_eq!(pool.submit(square, 5).join(), Ok(Some(25)));
    works(pool);
}

/// Who was asked for is there.
fn global_built_late(setup: &Setup) {
    works(Pool::global());
    // Not forked: this process has threads now.
    let late = Pool::builder().transport(setup.transport).build_global();
    let error = late.expect_err("it exists").to_string();
    assert!(error.contains("before the first Pool::global()"), "{error}");
    works(Pool::global());
}

/// In a task it is a pool of that worker's own.
fn global_in_tasks(setup: &Setup) {
    let pool = setup.pool(2);
    let task = |n: u64| match Pool::try_global() {
        Ok(pool) => pool
            .submit(|n: u64| n * n, n)
            .join()
            .map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    for (n, result) in (0..).zip(pool.map(task, 0..20)) {
        assert_eq!(result, Ok(Ok(n * n)));
    }
    pool.close();
}

const TABLE_BYTES: usize = 48 << 20;

static TABLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    gate::arrive("loaded");
    vec![3; TABLE_BYTES]
});

fn load() {
    print!("[loading]");
    LazyLock::force(&TABLE);
}

/// A worker's share of the memory that it has, in bytes.
fn pss() -> u64 {
    let text = fs::read_to_string("/proc/self/smaps_rollup").expect("smaps");
    let line = text
        .lines()
        .find(|line| line.starts_with("Pss:"))
        .expect("a line");
    let kib: u64 = line
        .split_whitespace()
        .nth(1)
        .expect("a number")
        .parse()
        .expect("a number");
    kib * 1024
}

/// What is loaded before workers are forked is in memory once, and what each loads itself, once
/// for each: seen by their shares of it.
fn preload(setup: &Setup) {
    const WORKERS: usize = 4;
    let use_it = |()| {
        gate::arrive("all here");
        until("all workers", LIVENESS, || {
            (gate::arrived("all here") >= WORKERS).then_some(())
        });
        // A byte of every page.
        let sum: u64 = TABLE
            .iter()
            .step_by(4096)
            .map(|byte| u64::from(*byte))
            .sum();
        let share = pss();
        gate::arrive("measured");
        until("all have measured", LIVENESS, || {
            (gate::arrived("measured") >= WORKERS).then_some(())
        });
        (sum, share)
    };
    let pool = setup
        .builder()
        .workers(WORKERS)
        .preload(load)
        .build()
        .expect("a pool");
    let handles: Vec<_> = (0..WORKERS).map(|_| pool.submit(use_it, ())).collect();
    let found: Vec<_> = handles
        .into_iter()
        .map(|handle| handle.join().expect("a share"))
        .collect();
    let forked = setup.method != StartMethod::Spawn;
    assert_eq!(gate::arrived("loaded"), if forked { 1 } else { WORKERS });
    for (sum, share) in found {
        assert_eq!(sum, 3 * TABLE_BYTES as u64 / 4096);
        if forked {
            // The zygote and the workers have it together.
            assert!(share < TABLE_BYTES as u64 / 2, "{share}");
        } else {
            assert!(share > TABLE_BYTES as u64, "{share}");
        }
    }
    let gone: Result<(), _> = pool.submit(|()| kill_myself(), ()).join();
    assert!(gone.is_err());
    works(&pool);
    pool.close();
    println!();
}

fn cannot_load() -> Result<(), &'static str> {
    Err("the table is not there")
}

fn panics() {
    panic!("the table is torn");
}

fn leaves_a_thread() {
    std::thread::spawn(|| {
        loop {
            std::thread::park();
        }
    });
}

fn dies() {
    kill_myself();
}

/// A preload that fails ends the build and says why.
fn preload_fails(setup: &Setup) {
    if setup.method == StartMethod::Spawn {
        // Nobody runs it.
        works(
            &setup
                .builder()
                .workers(1)
                .preload(panics)
                .build()
                .expect("a pool"),
        );
        return;
    }
    let builder = || setup.builder().workers(2);
    for (built, wanted) in [
        (
            builder().preload(cannot_load).build(),
            "the table is not there",
        ),
        (builder().preload(panics).build(), "the table is torn"),
    ] {
        let Err(BuildError::Preload { why }) = built else {
            panic!("{built:?}");
        };
        assert!(why.contains(wanted), "{why}");
    }
    let built = builder().preload(leaves_a_thread).build();
    let text = built.expect_err("it is refused").to_string();
    assert!(text.contains("thread"), "{text}");
    let built = builder().preload(dies).build();
    let text = built.expect_err("it is refused").to_string();
    assert!(text.contains("zygote"), "{text}");
    works(&setup.pool(1));
}

/// As many workers as this process may use processors, however many there are.
fn cpus(setup: &Setup) {
    let wanted = usize::try_from(setup.number()).expect("a small number");
    assert_eq!(forkyard::available_cpus().get(), wanted);
    let pool = setup.builder().build().expect("a pool");
    assert_eq!(pool.workers(), wanted);
    works(&pool);
}
