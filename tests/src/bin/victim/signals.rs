//! Supervisors that are sent signals.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use forkyard::{ExitCause, TaskError};
use signal_hook::consts::SIGTSTP;
use signal_hook::iterator::Signals;
use tests::gate;
use tests::patience::{LIVENESS, until};

use crate::Scenario;
use crate::setup::{Setup, spin, works};

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("signals/handled", handled),
    ("signals/input", input),
    ("signals/stopped", stopped),
    ("signals/suspended", suspended),
    ("signals/terminal", terminal),
];

/// The error of reading from a terminal as a job in the background, on Linux and macOS.
const EIO: i32 = 5;

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

/// Suspends itself as it is told to, with its workers and what their tasks have started.
fn suspended(setup: &Setup) {
    let pool = setup.builder().workers(2).task_grace(Duration::ZERO);
    let pool = pool.build().expect("a pool");
    let mut pressed = Signals::new([SIGTSTP]).expect("a handler");
    let handle = pressed.handle();
    let stopping = std::thread::spawn(move || {
        for _ in pressed.forever() {
            forkyard::suspend().expect("it is suspended");
        }
    });
    let program = |n: u64| {
        let mut sleeper = Command::new("sleep").arg("600").spawn().expect("a program");
        let pids = (std::process::id(), sleeper.id());
        gate::say(&format!("pids{n}"), format!("{} {}", pids.0, pids.1));
        gate::wait("go on");
        sleeper.kill().expect("it runs");
        sleeper.wait().expect("it ends");
        n
    };
    let limit = Duration::from_millis(setup.number());
    let handles: Vec<_> = (0..2)
        .map(|n| pool.task(program).timeout(limit).submit(n))
        .collect();
    for (n, handle) in (0..).zip(handles) {
        assert_eq!(handle.join(), Ok(n));
    }
    works(&pool);
    assert!(pool.close().deaths.is_empty());
    handle.close();
    stopping.join().expect("it ends");
}

/// What lies on standard input is the supervisor's: tasks, and what they start, find its end.
fn input(setup: &Setup) {
    let pool = setup.pool(2);
    let read = |_: u64| {
        let mut text = String::new();
        let own = std::io::stdin().read_to_string(&mut text);
        let cat = Command::new("cat").stdin(Stdio::inherit()).output();
        let theirs = cat.map(|cat| cat.stdout.len());
        (own.ok(), text, theirs.ok())
    };
    for result in pool.map(read, 0..20) {
        assert_eq!(result, Ok((Some(0), String::new(), Some(0))));
    }
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .expect("it can be read");
    assert_eq!(text, setup.arguments[0].repeat(1000));
    assert!(pool.close().deaths.is_empty());
}

/// Tasks use the terminal, which is told to stop jobs in the background that write to it.
fn terminal(setup: &Setup) {
    let pool = setup.pool(2);
    let use_it = |n: u64| {
        println!("task {n}");
        std::io::stdout().flush().expect("it can be written");
        let terminal = File::options().read(true).open("/dev/tty");
        let mut byte = [0];
        let read = terminal.expect("there is one").read(&mut byte);
        read.map_err(|error| error.raw_os_error())
    };
    for result in pool.map(use_it, 0..20) {
        assert_eq!(result, Ok(Err(Some(EIO))));
    }
    assert!(pool.close().deaths.is_empty());
}
