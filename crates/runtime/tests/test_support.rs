//! Promise: with `test_support!` pools work in plain tests, as the test harness runs them.
#![forbid(unsafe_code)]

use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use forkyard::{BuildError, Pool, PoolBuilder, StartMethod, TaskError, Transport};

forkyard::test_support!();

/// After that long a test counts as hung.
const DEADLINE: Duration = Duration::from_secs(60);

/// Runs `body` in a thread of its own, and not for ever.
fn in_time(body: impl FnOnce() + Send + 'static) {
    let (done, ended) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        body();
        let _ = done.send(());
    });
    match ended.recv_timeout(DEADLINE) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("the test hangs"),
        _ => thread.join().expect("the test passes"),
    }
}

fn builder(transport: Transport, method: StartMethod) -> PoolBuilder {
    Pool::builder()
        .workers(2)
        .transport(transport)
        .start_method(method)
}

fn works(pool: &Pool) {
    for (n, result) in (0..).zip(pool.map(|n: u64| n * n, 0..500)) {
        assert_eq!(result, Ok(n * n));
    }
}

/// Tasks, a panic, a death and its replacement; nothing of the test harness is seen in workers.
fn all_is_well(transport: Transport, method: StartMethod) {
    let pool = builder(transport, method).build().expect("a pool");
    works(&pool);
    let panicked: Result<(), _> = pool.submit(|()| panic!("in a task"), ()).join();
    assert!(
        matches!(panicked, Err(TaskError::Panicked(_))),
        "{panicked:?}"
    );
    let died: Result<(), _> = pool.submit(|()| std::process::exit(3), ()).join();
    assert!(matches!(died, Err(TaskError::WorkerDied(_))), "{died:?}");
    works(&pool);
    let orders = |name: &str| std::env::var_os(name).is_some();
    let variable = move |()| orders("FORKYARD_WORKER") || orders("FORKYARD_ZYGOTE");
    assert_eq!(pool.submit(variable, ()).join(), Ok(false));
    let worker = |()| std::env::args().nth(1);
    let argument = (method == StartMethod::Spawn).then(|| "--forkyard-worker".to_owned());
    if argument.is_some() {
        assert_eq!(pool.submit(worker, ()).join(), Ok(argument));
    }
    pool.close();
}

#[test]
fn spawned_workers_on_the_shared_path() {
    in_time(|| all_is_well(Transport::Shared, StartMethod::Spawn));
}

#[test]
fn spawned_workers_on_the_copy_path() {
    in_time(|| all_is_well(Transport::Copy, StartMethod::Spawn));
}

#[test]
fn workers_of_a_server_on_the_shared_path() {
    in_time(|| all_is_well(Transport::Shared, StartMethod::ForkServer));
}

#[test]
fn workers_of_a_server_on_the_copy_path() {
    in_time(|| all_is_well(Transport::Copy, StartMethod::ForkServer));
}

/// The harness has threads, with any number of tests at a time.
#[test]
fn forking_the_harness_is_refused() {
    in_time(|| {
        let built = builder(Transport::Shared, StartMethod::Fork).build();
        let Err(error @ BuildError::ForkFromThreads { .. }) = built else {
            panic!("{built:?}");
        };
        assert!(error.to_string().contains("StartMethod::Spawn"), "{error}");
    });
}

/// A worker that became one before `main` starts others that do.
#[test]
fn pools_inside_tasks_work() {
    fn inside(server: bool) -> Option<u64> {
        let method = if server {
            StartMethod::ForkServer
        } else {
            StartMethod::Spawn
        };
        let pool = builder(Transport::Shared, method).build().ok()?;
        pool.submit(|n: u64| n + 1, 1).join().ok()
    }
    in_time(|| {
        for method in [StartMethod::Spawn, StartMethod::ForkServer] {
            let pool = builder(Transport::Shared, method).build().expect("a pool");
            assert_eq!(pool.submit(inside, false).join(), Ok(Some(2)));
            assert_eq!(pool.submit(inside, true).join(), Ok(Some(2)));
            pool.close();
        }
    });
}

/// Each test in a process of its own, as `cargo nextest` runs them; and all in one thread. What
/// the harness prints is printed once.
#[test]
fn other_ways_to_run_tests_work() {
    const TEST: &str = "spawned_workers_on_the_copy_path";
    let run = |arguments: &'static [&str]| {
        let program = std::env::current_exe().expect("this program");
        let output = Command::new(program)
            .args(arguments)
            .output()
            .expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}");
        assert_eq!(text.matches("running 1 test\n").count(), 1, "{text}");
        assert_eq!(text.matches("test result").count(), 1, "{text}");
    };
    in_time(move || {
        run(&["--exact", TEST, "--nocapture"]);
        run(&["--exact", TEST, "--test-threads=1"]);
    });
}
