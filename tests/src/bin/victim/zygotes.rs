//! What befalls a zygote, or seems to, while its pool gets on.

use std::process::{Command, Stdio};
use std::time::Duration;

use forkyard::{ExitCause, Pool, TaskError};
use forkyard_os::process::Signal;
use tests::patience::{LIVENESS, observe_for, until};
use tests::victim::send;
use tests::{census, gate};

use crate::Scenario;
use crate::setup::{Setup, kill_myself, works};

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("zygotes/kept", kept),
    ("zygotes/preloaded-child", preloaded_child),
    ("zygotes/stopped", stopped),
    ("zygotes/refused", refused),
    ("zygotes/adopted", adopted),
];

fn zygote_of(pool: &Pool) -> i32 {
    let worker = pool.submit(|()| std::process::id().cast_signed(), ());
    let worker = worker.join().expect("a worker");
    census::standing(worker).expect("it lives").parent
}

fn lose_a_worker(pool: &Pool) {
    let died: Result<(), TaskError> = pool.submit(|()| kill_myself(), ()).join();
    assert!(matches!(died, Err(TaskError::WorkerDied(_))), "{died:?}");
}

/// A zygote that has told of a worker's end owes nothing for it: it is not taken for stuck.
fn kept(setup: &Setup) {
    const PATIENCE: Duration = Duration::from_secs(2);
    let builder = setup.builder().workers(1).start_timeout(PATIENCE);
    let pool = builder.build().expect("a pool");
    let zygote = zygote_of(&pool);
    lose_a_worker(&pool);
    works(&pool);
    observe_for(PATIENCE + PATIENCE / 2);
    assert_eq!(zygote_of(&pool), zygote);
    pool.close();
}

fn leave_a_child() {
    let child = Command::new("true").stdin(Stdio::null()).spawn();
    std::mem::forget(child.expect("true is everywhere"));
    gate::arrive("loaded");
}

/// The zygote tells of the end of every child that it has, also of those that are no workers.
fn preloaded_child(setup: &Setup) {
    let pool = setup.builder().workers(2).preload(leave_a_child);
    let pool = pool.build().expect("a pool");
    assert_eq!(gate::arrived("loaded"), 1);
    let zygote = zygote_of(&pool);
    // Whatever ended before is told of with the next that does.
    lose_a_worker(&pool);
    works(&pool);
    until("the child is reaped", LIVENESS, || {
        census::zombies_of(zygote.cast_unsigned())
            .is_empty()
            .then_some(())
    });
    works(&pool);
    assert_eq!(pool.close().deaths.len(), 1);
}

/// A zygote that is stopped tells nothing, and for an abort nobody waits until it does.
fn stopped(setup: &Setup) {
    let builder = setup.builder().workers(2);
    let pool = builder
        .start_timeout(Duration::from_secs(3600))
        .build()
        .expect("a pool");
    let zygote = zygote_of(&pool);
    send(zygote, Signal::Stop);
    let report = pool.abort(Duration::ZERO);
    assert_eq!(report.processes.len(), 2);
}

/// A zygote that the system lets wait for nothing any more ends, and another takes over. The pool's
/// names, which the supervisor still needs, are not taken away.
fn refused(setup: &Setup) {
    let pool = setup.pool(1);
    let zygote = zygote_of(&pool);
    let names = census::segments_of(std::process::id());
    assert!(!names.is_empty());
    let limit = ["--pid", &zygote.to_string(), "--nofile=1:1"];
    let limited = Command::new("prlimit").args(limit).status();
    if !limited.is_ok_and(|status| status.success()) {
        println!("skipped: no program prlimit (util-linux)");
        return;
    }
    // It wakes to tell of this, and cannot wait again.
    lose_a_worker(&pool);
    until("the zygote ends", LIVENESS, || {
        census::standing(zygote)
            .is_none_or(|standing| standing.state == 'Z')
            .then_some(())
    });
    works(&pool);
    assert_ne!(zygote_of(&pool), zygote);
    let still = census::segments_of(std::process::id());
    assert!(names.iter().all(|name| still.contains(name)), "{still:?}");
    pool.close();
}

/// The zygote that serves, once all workers are at work, and so nothing is being forked.
fn serving_at_rest(pool: &Pool) -> i32 {
    until("all workers", LIVENESS, || {
        works(pool);
        let mut rows = pool.timings();
        rows.retain(|row| row.exit.is_none() && row.tasks > 0);
        let parents = rows
            .iter()
            .map(|row| Some(census::standing(row.pid)?.parent));
        let parents: Vec<_> = parents.collect::<Option<_>>()?;
        let serving = parents.iter().find(|parent| **parent != 1);
        serving.copied().filter(|_| parents.len() == 2)
    })
}

/// As process 1, which adopts what a zygote leaves, the program knows how its workers end, and
/// leaves no zombies. (Of what a zygote was just forking when it died it was not told.)
fn adopted(setup: &Setup) {
    assert_eq!(std::process::id(), 1);
    let pool = setup.pool(2);
    for _ in 0..3 {
        let serving = serving_at_rest(&pool);
        send(serving, Signal::Kill);
        until("it is reaped", LIVENESS, || {
            census::standing(serving).is_none().then_some(())
        });
        lose_a_worker(&pool);
    }
    serving_at_rest(&pool);
    let report = pool.close();
    let killed = |cause| matches!(cause, ExitCause::Signal { signal: 9, .. });
    assert!(report.deaths.len() == 3 && report.deaths.iter().all(|death| killed(death.cause)));
    for row in &report.processes {
        let exit = row.exit.expect("it has ended");
        assert!(exit.is_success() || killed(exit), "{row:?}");
    }
    assert_eq!(census::zombies_of(1), [0; 0]);
}
