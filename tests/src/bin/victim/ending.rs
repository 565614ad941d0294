//! Pools that take long to end: given so much time and no more, and looked at meanwhile.

use std::time::Duration;

use forkyard::{
    CutShort, ExitCause, Handle, Pool, PoolStage, PoolStats, PoolWatcher, TaskError, WorkerState,
};
use forkyard_os::process::Signal;
use tests::gate;
use tests::patience::{LIVENESS, until};
use tests::victim::send;

use crate::Scenario;
use crate::setup::{Setup, for_ever, works};

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("ending/timeout", timeout),
    ("ending/timeout-in-time", timeout_in_time),
    ("ending/timeout-leaving", timeout_leaving),
    ("ending/timeout-while-joined", timeout_while_joined),
    ("ending/watched-close", watched_close),
    ("ending/watched-abort", watched_abort),
];

/// So short that a test need not wait for it.
const SHORT: Duration = Duration::from_millis(30);

/// A task that holds its worker until the gate opens, and runs now.
fn hold(pool: &Pool, number: u64) -> Handle<u64> {
    let task = |number: u64| {
        gate::say(&format!("held {number}"), "");
        gate::wait("go");
        number
    };
    let held = pool.submit(task, number);
    gate::wait(&format!("held {number}"));
    held
}

/// A task that never ends, and runs now.
fn endless(pool: &Pool, number: u64) -> Handle<u64> {
    let task = |number: u64| {
        gate::say(&format!("endless {number}"), "");
        for_ever()
    };
    let endless = pool.submit(task, number);
    gate::wait(&format!("endless {number}"));
    endless
}

fn quick(pool: &Pool, count: u64) -> Vec<Handle<u64>> {
    (0..count).map(|n| pool.submit(|n| n, n)).collect()
}

/// Looks until the pool is as it should be.
fn seen(watcher: &PoolWatcher, what: &str, is: impl Fn(&PoolStats) -> bool) -> PoolStats {
    until(what, LIVENESS, || {
        let stats = watcher.stats().expect("it has not ended");
        Some(stats).filter(&is)
    })
}

fn all(stats: &PoolStats, state: WorkerState) -> bool {
    stats.workers.iter().all(|worker| worker.state == state)
}

/// Messages that nobody has begun.
fn waiting(stats: &PoolStats) -> u64 {
    let queued = stats.workers.iter().map(|worker| worker.queued);
    stats.pending + queued.sum::<u64>()
}

/// What does not end in time is cut short, and the report says how much that was.
fn timeout(setup: &Setup) {
    let pool = setup.builder().workers(2).task_grace(SHORT);
    let pool = pool.build().expect("a pool");
    works(&pool);
    let done = pool.submit(|n: u64| n, 7);
    until("it is done", LIVENESS, || done.is_done().then_some(()));
    let running = [0, 1].map(|number| endless(&pool, number));
    let behind = quick(&pool, 30);
    let report = pool.close_timeout(SHORT);
    let cut = CutShort {
        running: 2,
        waiting: 30,
    };
    assert_eq!(report.cut_short, Some(cut));
    assert_eq!(done.join(), Ok(7));
    for handle in running.into_iter().chain(behind) {
        assert_eq!(handle.join(), Err(TaskError::Aborted));
    }
    assert_eq!(
        (report.tasks(), report.starts(), report.died()),
        (102, 2, 0)
    );
    for row in &report.processes {
        let by_signal = matches!(row.exit, Some(ExitCause::Signal { signal: 15 | 9, .. }));
        assert!(by_signal, "{:?}", row.exit);
    }
    // Nothing at all is there to be waited for, or no time.
    let report = setup.pool(2).close_timeout(LIVENESS);
    assert_eq!(report.cut_short, None);
    let pool = setup.builder().workers(1).task_grace(SHORT);
    let pool = pool.build().expect("a pool");
    let handle = endless(&pool, 2);
    let report = pool.close_timeout(Duration::ZERO);
    assert_eq!(report.cut_short.map(|cut| cut.running), Some(1));
    assert_eq!(handle.join(), Err(TaskError::Aborted));
}

/// Who is done in time is not hurried.
fn timeout_in_time(setup: &Setup) {
    let pool = setup.pool(2);
    let held = [0, 1].map(|number| hold(&pool, number));
    let behind = quick(&pool, 30);
    let watcher = pool.watcher();
    let closing = std::thread::spawn(move || pool.close_timeout(LIVENESS));
    seen(&watcher, "it closes", |stats| {
        stats.stage == PoolStage::Closing
    });
    gate::say("go", "");
    let report = closing.join().expect("close comes back");
    assert_eq!(report.cut_short, None);
    assert_eq!(report.tasks(), 32);
    for (n, handle) in (0..).zip(held) {
        assert_eq!(handle.join(), Ok(n));
    }
    for (n, handle) in (0..).zip(behind) {
        assert_eq!(handle.join(), Ok(n));
    }
    let in_order = |row: &forkyard::ProcessTimings| row.exit == Some(ExitCause::Code(0));
    assert!(report.processes.iter().all(in_order), "{report:#?}");
}

/// All is done, and a worker does not come to its end.
fn timeout_leaving(setup: &Setup) {
    let pool = setup.builder().workers(2).task_grace(SHORT);
    let pool = pool.finalizer(|| -> () { for_ever() }).build();
    let pool = pool.expect("a pool");
    works(&pool);
    let report = pool.close_timeout(SHORT);
    assert_eq!(report.cut_short, Some(CutShort::default()));
    assert_eq!(report.tasks(), 101);
}

/// The time also ends when another thread waits for the same task.
fn timeout_while_joined(setup: &Setup) {
    let pool = setup.builder().workers(1).task_grace(SHORT);
    let pool = pool.build().expect("a pool");
    let handle = endless(&pool, 0);
    let joining = std::thread::spawn(move || handle.join());
    let report = pool.close_timeout(SHORT);
    assert_eq!(report.cut_short.map(|cut| cut.running), Some(1));
    assert_eq!(
        joining.join().expect("join comes back"),
        Err(TaskError::Aborted)
    );
}

/// A close from its first moment to its last: what runs and waits, then workers that leave.
fn watched_close(setup: &Setup) {
    let pool = setup.builder().workers(2).exit_timeout(LIVENESS);
    let finalizer = || gate::wait("leave");
    let pool = pool.finalizer(finalizer).build().expect("a pool");
    let held = [0, 1].map(|number| hold(&pool, number));
    let behind = quick(&pool, 5);
    let watcher = pool.watcher();
    let open = seen(&watcher, "both run", |stats| {
        all(stats, WorkerState::Running)
    });
    assert_eq!((open.stage, waiting(&open)), (PoolStage::Open, 5));
    let closing = std::thread::spawn(move || pool.close());
    let drains = seen(&watcher, "it closes", |stats| {
        stats.stage == PoolStage::Closing
    });
    assert!(all(&drains, WorkerState::Running), "{drains}");
    assert_eq!(waiting(&drains), 5);
    gate::say("go", "");
    let leaves = seen(&watcher.clone(), "both leave", |stats| {
        all(stats, WorkerState::Ending)
    });
    assert_eq!(leaves.stage, PoolStage::Closing);
    assert_eq!((leaves.tasks, waiting(&leaves)), (7, 0));
    gate::say("leave", "");
    let report = closing.join().expect("close comes back");
    assert!(watcher.stats().is_none());
    assert_eq!((report.tasks(), report.cut_short), (7, None));
    drop((held, behind));
}

/// An abort while it lasts: one worker is at a task and one, which has stopped, does not leave.
fn watched_abort(setup: &Setup) {
    let pool = setup.pool(2);
    let held = hold(&pool, 0);
    let watcher = pool.watcher();
    let is_idle = |state| matches!(state, WorkerState::Idle | WorkerState::Spinning);
    let idle = |stats: &PoolStats| {
        let mut workers = stats.workers.iter();
        workers.find(|worker| is_idle(worker.state)).cloned()
    };
    let both = seen(&watcher, "one runs", |stats| {
        let runs = |worker: &forkyard::WorkerStats| worker.state == WorkerState::Running;
        stats.workers.iter().any(runs) && idle(stats).is_some()
    });
    let idle = idle(&both).expect("as it was seen");
    let pid = idle.pid.expect("a process");
    send(pid, Signal::Stop);
    let behind = quick(&pool, 5);
    let ending = std::thread::spawn(move || pool.abort(LIVENESS));
    let aborted = seen(&watcher, "it was aborted", |stats| {
        stats.stage == PoolStage::Aborted
    });
    let state = |worker: usize| aborted.workers[worker].state;
    assert_eq!(state(idle.worker), WorkerState::Ending, "{aborted}");
    assert_eq!(state(1 - idle.worker), WorkerState::Running, "{aborted}");
    for handle in behind {
        assert_eq!(handle.join(), Err(TaskError::Aborted));
    }
    gate::say("go", "");
    let last = seen(&watcher, "one is gone", |stats| {
        stats.workers[1 - idle.worker].state == WorkerState::Gone
    });
    assert_eq!(last.workers[idle.worker].state, WorkerState::Ending);
    send(pid, Signal::Cont);
    let report = ending.join().expect("abort comes back");
    assert!(watcher.stats().is_none());
    let cut = report.cut_short.expect("it was aborted");
    assert_eq!((cut.running, cut.waiting), (1, 5));
    assert_eq!(held.join(), Err(TaskError::Aborted));
    let in_order = |row: &forkyard::ProcessTimings| row.exit == Some(ExitCause::Code(0));
    assert!(report.processes.iter().all(in_order), "{report:#?}");
}
