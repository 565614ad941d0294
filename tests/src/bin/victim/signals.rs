//! Supervisors that are sent signals.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use forkyard::{ExitCause, TaskError};
use tests::gate;
use tests::patience::{LIVENESS, until};

use crate::Scenario;
use crate::setup::{Setup, spin, works};

pub(crate) const SCENARIOS: &[Scenario] =
    &[("signals/handled", handled), ("signals/stopped", stopped)];

/// Aborts its pool when it is interrupted, as the command does.
fn handled(setup: &Setup) {
    let pool = setup.pool(2);
    let interrupted = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(2, Arc::clone(&interrupted)).expect("a handler");
    let abort = pool.abort_handle();
    let watching = std::thread::spawn(move || {
        until("the signal", LIVENESS, || {
            interrupted.load(Ordering::Relaxed).then_some(())
        });
        abort.abort(LIVENESS);
    });
    let patient = |n: u64| {
        gate::say("searching", n);
        let search = forkyard::context().search();
        let mut check = search.checker();
        while !check.should_stop() {}
        n
    };
    let results = pool.map(patient, 0..10);
    assert!(
        results
            .iter()
            .all(|result| *result == Err(TaskError::Aborted)),
        "{results:?}"
    );
    watching.join().expect("it aborts");
    let report = pool.close();
    // None of them heard the signal: each saw the flag, and left.
    for row in &report.processes {
        assert_eq!(row.exit, Some(ExitCause::Code(0)));
    }
    assert!(report.deaths.is_empty());
}

/// Works until it is told that it is enough.
fn stopped(setup: &Setup) {
    let pool = setup.pool(2);
    let enough = gate::folder().join("enough");
    gate::say("working", "");
    while !enough.exists() {
        works(&pool);
        assert!(pool.map(spin, [100; 20]).iter().all(Result::is_ok));
    }
    assert!(pool.close().deaths.is_empty());
}
