//! What runs in worker processes before and after their tasks.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use forkyard::{BuildError, ExitCause, TaskError};
use tests::gate;

use crate::Scenario;
use crate::setup::{Setup, for_ever, kill_myself, works};

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("process/initializer", initializer),
    ("process/initializer-fails", initializer_fails),
    ("process/initializer-fails-later", initializer_fails_later),
    ("process/initializer-hangs", initializer_hangs),
    ("process/finalizer", finalizer),
];

/// What the initializer of this process has set.
static READY: OnceLock<(String, Option<usize>)> = OnceLock::new();
static RUNS: AtomicU64 = AtomicU64::new(0);

fn remember(text: String) {
    let seat = forkyard::context().worker();
    RUNS.fetch_add(1, Ordering::Relaxed);
    READY.set((text, seat)).expect("it runs once");
}

/// It has run, once, in every worker before its first task; in replacements too.
fn initializer(setup: &Setup) {
    let builder = setup.builder().workers(2);
    let pool = builder.initializer(remember, "hello".to_owned());
    let pool = pool.build().expect("a pool");
    let task = |()| {
        let here = forkyard::context().worker();
        let as_wanted = READY.get() == Some(&("hello".to_owned(), here));
        as_wanted && RUNS.load(Ordering::Relaxed) == 1
    };
    for _ in 0..3 {
        let results = pool.map(task, [(); 50]);
        assert!(results.iter().all(|result| *result == Ok(true)));
        let gone: Result<(), _> = pool.submit(|()| kill_myself(), ()).join();
        assert!(matches!(gone, Err(TaskError::WorkerDied(_))), "{gone:?}");
    }
    assert!(READY.get().is_none(), "it does not run here");
    works(&pool);
    pool.close();
}

#[expect(clippy::needless_pass_by_value, reason = "a hook owns its argument")]
fn fail(how: String) -> Result<(), String> {
    gate::arrive("initializing");
    match how.as_str() {
        "error" => Err("no licence".to_owned()),
        "panic" => panic!("no table {}", 7),
        "exit" => std::process::exit(3),
        "kill" => kill_myself(),
        _ => Ok(()),
    }
}

/// It fails while the pool is built: one typed error says how.
fn initializer_fails(setup: &Setup) {
    let cases = [
        ("error", "no licence"),
        ("panic", "no table 7"),
        ("exit", "exit code 3"),
        ("kill", "signal 9"),
    ];
    for (how, wanted) in cases {
        let builder = setup.builder().workers(3);
        let built = builder.initializer(fail, how.to_owned()).build();
        let Err(BuildError::Initializer { worker, why }) = built else {
            panic!("{how}: {built:?}");
        };
        assert!(worker < 3 && why.contains(wanted), "{how}: {why}");
        if how == "panic" {
            assert!(why.contains("process.rs:"), "the place: {why}");
        }
    }
    let fine = setup.builder().workers(1).initializer(fail, String::new());
    works(&fine.build().expect("a pool"));
}

fn fail_in_replacements((): ()) -> Result<(), &'static str> {
    if forkyard::context().generation() == 0 {
        return Ok(());
    }
    gate::arrive("again");
    Err("the disk is gone")
}

/// It fails in every replacement: starting them stops at the budget, and tasks are told why.
fn initializer_fails_later(setup: &Setup) {
    let builder = setup.builder().workers(1).most_failed_starts(4);
    let pool = builder.initializer(fail_in_replacements, ());
    let pool = pool.build().expect("a pool");
    let fatal = pool.submit(|()| -> u64 { kill_myself() }, ());
    let pending: Vec<_> = (0..50).map(|n: u64| pool.submit(|n| n, n)).collect();
    let gone = fatal.join();
    assert!(matches!(gone, Err(TaskError::WorkerDied(_))), "{gone:?}");
    for handle in pending {
        match handle.join() {
            Err(TaskError::NoWorkers(why)) => {
                assert!(why.contains("initializer failed"), "{why}");
                assert!(why.contains("the disk is gone"), "{why}");
            }
            other => panic!("{other:?}"),
        }
    }
    let late = pool.submit(|n: u64| n, 1).join();
    assert!(matches!(late, Err(TaskError::NoWorkers(_))), "{late:?}");
    assert_eq!(gate::arrived("again"), 4);
    pool.close();
}

/// It does not end: the start has a deadline, and says what took so long.
fn initializer_hangs(setup: &Setup) {
    // On a busy machine a worker may take longer to come to its initializer at all.
    let mut timeout = Duration::from_millis(400);
    loop {
        let builder = setup.builder().workers(2).start_timeout(timeout);
        let built = builder.initializer(|()| -> () { for_ever() }, ()).build();
        match built {
            Err(BuildError::Initializer { why, .. }) => {
                assert!(why.contains("start_timeout"), "{why}");
                return;
            }
            Err(BuildError::HandshakeTimeout { .. }) => timeout *= 2,
            other => panic!("{other:?}"),
        }
    }
}

fn finish() {
    print!("[finished]");
    gate::arrive("finished");
}

/// It runs in workers that end in good order, and in no others.
fn finalizer(setup: &Setup) {
    let builder = || setup.builder().workers(3).finalizer(finish);
    let pool = builder().build().expect("a pool");
    works(&pool);
    let gone: Result<(), _> = pool.submit(|()| kill_myself(), ()).join();
    assert!(gone.is_err());
    works(&pool);
    assert_eq!(gate::arrived("finished"), 0);
    let report = pool.close();
    // All but the one that died; the pool may have closed before there was another.
    let finished = report.processes.len() - 1;
    assert!((2..=3).contains(&finished), "{finished}");
    assert_eq!(gate::arrived("finished"), finished);
    let pool = builder().build().expect("a pool");
    works(&pool);
    pool.abort(Duration::from_secs(5));
    assert_eq!(gate::arrived("finished"), finished);
    println!();
    // One that fails is told on standard error, and the pool ends as any.
    let loud = || -> Result<(), &str> { Err("not tidy") };
    let pool = setup.builder().workers(1).finalizer(loud).name("loud");
    let report = pool.build().expect("a pool").close();
    assert_eq!(report.processes[0].exit, Some(ExitCause::Code(0)));
}
