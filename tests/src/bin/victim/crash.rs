//! Crash points of whole pools: a worker, or the supervisor, kills itself at a step of what it does
//! to shared memory while a workload runs. See `forkyard_shm::crash`.

use std::sync::atomic::{AtomicU32, Ordering};

use forkyard::{Arena, BuildError, Pool, Search, Shared, TaskError};
use forkyard_os::process::{WORKER_ARG, kill_self};
use forkyard_shm::crash::{self, Where};
use serde_bytes::ByteBuf;
use tests::{census, gate};

use crate::Scenario;
use crate::setup::Setup;

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("crash/worker", worker),
    ("crash/supervisor", supervisor),
    ("crash/building", building),
    ("crash/starting", starting),
];

/// What a pool does while somebody dies, given a number that no other round has. How many tasks
/// were lost with a worker; all others have to be right.
type Workload = fn(&Pool, u64) -> usize;

const WORKLOADS: &[(&str, Workload)] = &[
    ("tiny", tiny),
    ("large", large),
    ("shared", shared),
    ("search", search),
];

fn workload(setup: &Setup) -> Workload {
    let name = &setup.arguments[0];
    let (_, found) = WORKLOADS
        .iter()
        .find(|(known, _)| known == name)
        .unwrap_or_else(|| panic!("there is no workload {name:?}"));
    *found
}

fn argument(setup: &Setup, index: usize) -> u64 {
    setup.arguments[index].parse().expect("a number")
}

/// Who is to die. The zygote and the workers that a supervisor forks have a copy of its plan.
static DOOMED: AtomicU32 = AtomicU32::new(0);

fn die(_: Where) {
    if DOOMED.load(Ordering::Relaxed) == std::process::id() {
        kill_self();
    }
}

/// Has this process die at its step `at` from here on. In a task the first are those by which its
/// own result is handed over.
fn arm(at: u64) {
    DOOMED.store(std::process::id(), Ordering::Relaxed);
    crash::arm(at, die);
}

/// A worker dies at step 1, 2, … up to the last that is asked for, in a new pool each time.
fn worker(setup: &Setup) {
    let run = workload(setup);
    let last = argument(setup, 1);
    let mut deaths = 0;
    for at in 1..=last {
        println!("step {at}");
        let pool = setup.pool(2);
        let arena = pool.arena().clone();
        let armed = pool.submit(arm, at).join();
        let lost = usize::from(is_lost(&armed)) + run(&pool, at) + more(&pool);
        let report = pool.close();
        assert!(report.deaths.len() <= 1, "{:?}", report.deaths);
        assert!(lost <= report.deaths.len(), "{lost} tasks were lost");
        deaths += report.deaths.len();
        ends_clean(arena);
    }
    // The longest may find the workload over; most have to meet a step.
    assert!(2 * deaths as u64 > last, "{deaths} deaths in {last} tries");
}

/// Nothing is left of a pool that was closed.
fn ends_clean(arena: Arena) {
    let stats = arena.stats();
    assert_eq!((stats.live_blocks, stats.extents_unreadable), (0, 0));
    drop(arena);
    left_nothing();
}

fn left_nothing() {
    let me = std::process::id();
    assert!(census::segments_of(me).is_empty(), "a segment is left");
    assert!(census::zombies_of(me).is_empty(), "a zombie is left");
}

/// The supervisor dies at its step: its test looks at what is left. It says so if it had none.
fn supervisor(setup: &Setup) {
    let (run, at) = (workload(setup), argument(setup, 1));
    let pool = setup.pool(2);
    arm(at);
    assert_eq!(run(&pool, at), 0);
    println!("steps\t{}", crash::disarm());
    pool.close();
}

/// The supervisor dies at a step of building its pool, or of ending it.
fn building(setup: &Setup) {
    arm(argument(setup, 0));
    let pool = setup.pool(2);
    pool.close();
    println!("steps\t{}", crash::disarm());
}

/// Names the variable that has a worker die at a step from its start on: which one of the run,
/// counted from 0, and at which step.
const START_VARIABLE: &str = "FY_CRASH_START";

/// Called before a worker does anything: arms it, if it is the one to die.
pub(crate) fn arm_if_starting() {
    let is_worker = std::env::args().any(|arg| arg == WORKER_ARG);
    if let (true, Ok(plan)) = (is_worker, std::env::var(START_VARIABLE)) {
        let (which, at) = plan.split_once(' ').expect("which, and the step");
        if gate::arrive("started").to_string() == which {
            arm(at.parse().expect("a step"));
        }
    }
}

/// A worker dies while it starts, or soon after. If it is one of the first, and was not ready,
/// there is no pool, and it is told why; otherwise another comes in its stead.
fn starting(setup: &Setup) {
    let pool = match setup.builder().workers(2).build() {
        Ok(pool) => pool,
        Err(BuildError::DiedAtStart { cause, .. }) => {
            assert!(cause.to_string().contains("signal 9"), "{cause}");
            return left_nothing();
        }
        Err(other) => panic!("{other}"),
    };
    let arena = pool.arena().clone();
    let mut lost = tiny(&pool, 0);
    // One in whose stead the one comes that is to die, if it is not one of the first.
    let killed = pool.submit(|()| crate::setup::kill_myself(), ()).join();
    lost += usize::from(is_lost::<()>(&killed)) + tiny(&pool, 1) + more(&pool);
    let report = pool.close();
    assert!(lost <= 2 && report.deaths.len() <= 2, "{:?}", report.deaths);
    ends_clean(arena);
}

/// Whether a task was lost with its worker. Any other error is a failure of the pool.
#[track_caller]
fn is_lost<T: std::fmt::Debug>(result: &Result<T, TaskError>) -> bool {
    match result {
        Ok(_) => false,
        Err(TaskError::WorkerDied(death)) => {
            let by_signal = death.cause.to_string().contains("signal 9");
            assert!(by_signal, "{death}");
            true
        }
        Err(other) => panic!("{other}"),
    }
}

/// How many of the results are of a dead worker; the rest must be as expected.
#[track_caller]
fn lost_of<T: std::fmt::Debug + PartialEq>(results: &[Result<T, TaskError>], right: &[T]) -> usize {
    assert_eq!(results.len(), right.len(), "one result for each task");
    let mut lost = 0;
    for (result, right) in results.iter().zip(right) {
        if is_lost(result) {
            lost += 1;
        } else {
            assert_eq!(result.as_ref().ok(), Some(right));
        }
    }
    lost
}

/// Tasks that take next to nothing. Each runs once at most, whatever its message went through.
fn tiny(pool: &Pool, round: u64) -> usize {
    let once = |(round, n): (u64, u64)| {
        let before = gate::arrive(&format!("tiny-{round}-{n}"));
        assert_eq!(before, 0, "task {n} has run before");
        n + 1
    };
    let handles: Vec<_> = (0..24).map(|n| pool.submit(once, (round, n))).collect();
    let results: Vec<_> = handles.into_iter().map(forkyard::Handle::join).collect();
    lost_of(&results, &(1..=24).collect::<Vec<u64>>())
}

/// The pool goes on, though its worker may not have met its step yet.
fn more(pool: &Pool) -> usize {
    let handles: Vec<_> = (0..100).map(|n| pool.submit(|n: u64| 2 * n, n)).collect();
    let results: Vec<_> = handles.into_iter().map(forkyard::Handle::join).collect();
    lost_of(&results, &(0..100).map(|n| 2 * n).collect::<Vec<u64>>())
}

/// Arguments and results in blocks of their own.
fn large(pool: &Pool, _: u64) -> usize {
    let flip = |bytes: ByteBuf| ByteBuf::from(bytes.iter().map(|b| !b).collect::<Vec<_>>());
    let lengths = || (0..10).map(|n| 5000 + 3000 * n);
    let results = pool.map(flip, lengths().map(|len| ByteBuf::from(vec![7; len])));
    let right: Vec<_> = lengths().map(|len| ByteBuf::from(vec![!7; len])).collect();
    lost_of(&results, &right)
}

/// Values that stay where they are: shared with all, and made by tasks.
fn shared(pool: &Pool, round: u64) -> usize {
    let values = pool.arena().copy_from(&[round; 2000]).expect("a block");
    let double = |values: Shared<[u64]>| {
        let arena = forkyard::context().arena().expect("a worker has one");
        let mut doubled = arena.alloc::<u64>(values.len()).expect("a block");
        for (to, from) in doubled.iter_mut().zip(values.iter()) {
            *to = 2 * from;
        }
        doubled.into_shared()
    };
    let handles: Vec<_> = (0..8)
        .map(|_| pool.submit(double, values.clone()))
        .collect();
    let sums = handles.into_iter().map(|handle| {
        let doubled = handle.join()?;
        Ok(doubled.iter().sum::<u64>())
    });
    lost_of(&sums.collect::<Vec<_>>(), &[round * 4000; 8])
}

/// Searches that all find at once: one wins, whoever dies.
fn search(pool: &Pool, round: u64) -> usize {
    let mut lost = 0;
    for protocol in [forkyard::Protocol::Claim, forkyard::Protocol::Lock] {
        for _ in 0..3 {
            let task = |_: &Search<'_>, n: u64| Some(n);
            let first = pool.first_with(protocol, task, (0..4).map(|n| 100 * round + n));
            if is_lost(&first) {
                lost += 1;
            } else if let Ok(first) = first {
                let found = first.found.expect("a find").value;
                assert!((100 * round..100 * round + 4).contains(&found));
                assert_eq!(first.winners, 1);
            }
        }
    }
    lost
}
