//! Where the time went: all of it.

use std::time::Duration;

use forkyard::{Pool, ProcessTimings, TaskError};
use forkyard_os::process::Pid;
use forkyard_os::usage::live_usage;
use serde_bytes::ByteBuf;
use tests::patience::{LIVENESS, until};

use crate::Scenario;
use crate::setup::{Setup, kill_myself, spin};

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("timings/add-up", add_up),
    ("timings/of-the-dead", of_the_dead),
    ("timings/count", count),
];

/// |wall − Σ stages| ≤ 2 % of wall.
#[track_caller]
fn adds_up(row: &ProcessTimings) {
    let residual = Duration::from_nanos(row.residual_ns().unsigned_abs());
    assert!(
        residual * 50 <= row.wall,
        "{residual:?} unexplained in {row:#?}"
    );
}

/// Of a live process the system is asked what it has used, where it tells.
fn told_while_it_lives(pool: &Pool) {
    if live_usage(Pid::current()).is_none() {
        return;
    }
    until("processor time", LIVENESS, || {
        assert!(pool.map(spin, [1000; 10]).iter().all(Result::is_ok));
        let rows = pool.timings();
        assert!(
            rows.iter().all(|row| row.peak_rss_bytes > 100_000),
            "{rows:?}"
        );
        let used = |row: &ProcessTimings| row.cpu_user + row.cpu_system;
        rows.iter()
            .any(|row| used(row) > Duration::ZERO)
            .then_some(())
    });
}

/// After long tasks, tiny tasks, large messages, idleness and searches.
fn add_up(setup: &Setup) {
    let pool = setup.pool(2);
    assert!(pool.map(spin, [1000; 100]).iter().all(Result::is_ok));
    assert!(pool.map(|n: u64| n, 0..20_000).iter().all(Result::is_ok));
    let large = (0..20).map(|_| ByteBuf::from(vec![1; 1 << 20]));
    assert!(
        pool.map(|bytes: ByteBuf| bytes, large)
            .iter()
            .all(Result::is_ok)
    );
    let search = |search: &forkyard::Search<'_>, n: u64| {
        let mut check = search.checker();
        (0..200_000)
            .take_while(|_| !check.should_stop())
            .find(|i| n == 9 && *i == 150_000)
    };
    assert!(pool.first(search, 0..10).is_ok());
    tests::patience::observe_for(Duration::from_millis(20));
    let live = pool.timings();
    for row in &live {
        adds_up(row);
    }
    told_while_it_lives(&pool);
    let report = pool.close();
    for row in &report.processes {
        adds_up(row);
        assert!(row.wall <= report.wall, "{row:?}");
        assert!(row.peak_rss_bytes > 0 && row.stages.startup > Duration::ZERO);
    }
    let sum =
        |of: fn(&ProcessTimings) -> Duration| report.processes.iter().map(of).sum::<Duration>();
    let compute = sum(|row| row.stages.compute) + sum(|row| row.stages.check);
    assert!(compute >= Duration::from_millis(100), "{compute:?}");
}

/// Of workers that died, too, in the middle of a task or between tasks.
fn of_the_dead(setup: &Setup) {
    let pool = setup.pool(2);
    let task = |micros: u64| {
        spin(micros);
        kill_myself()
    };
    for _ in 0..3 {
        let died: Result<(), _> = pool.submit(task, 30_000).join();
        assert!(matches!(died, Err(TaskError::WorkerDied(_))), "{died:?}");
    }
    let report = pool.close();
    assert_eq!(report.deaths.len(), 3);
    for row in &report.processes {
        adds_up(row);
    }
    let dead = report.processes.iter().filter(|row| {
        let mut deaths = report.deaths.iter();
        deaths.any(|death| death.pid == row.pid)
    });
    for row in dead {
        // Its last task was not finished, and its time is there all the same.
        assert_eq!(row.tasks, 0);
        assert!(row.stages.compute >= Duration::from_millis(30), "{row:#?}");
    }
}

/// Tasks and bytes are counted where they were.
fn count(setup: &Setup) {
    let pool = setup.pool(2);
    let words = pool.map(|n: usize| ByteBuf::from(vec![0; n]), [100_000; 30]);
    assert!(words.iter().all(Result::is_ok));
    // A worker counts a task when its result is on its way.
    until("all are counted", LIVENESS, || {
        (pool.tasks_done() == 30).then_some(())
    });
    let report = pool.close();
    let tasks: u64 = report.processes.iter().map(|row| row.tasks).sum();
    let bytes_out: u64 = report.processes.iter().map(|row| row.bytes_out).sum();
    let bytes_in: u64 = report.processes.iter().map(|row| row.bytes_in).sum();
    assert_eq!(tasks, 30);
    assert!((3_000_000..3_010_000).contains(&bytes_out), "{bytes_out}");
    assert!((240..2000).contains(&bytes_in), "{bytes_in}");
}
