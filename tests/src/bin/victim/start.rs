//! How workers come into being, and what they share with the program then.

use std::fs::File;
use std::io::Write;

use forkyard::{BuildError, StartMethod, TaskError};
use tests::patience::{LIVENESS, until};
use tests::{census, gate};

use crate::Scenario;
use crate::setup::{Setup, holdings, works};

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("start/plain", plain),
    ("start/bad-counts", bad_counts),
    ("start/threads", threads),
    ("start/after-context", after_context),
    ("start/two-pools", two_pools),
    ("start/prints", prints),
    ("start/partial-line", partial_line),
    ("start/replaced-program", replaced_program),
    ("start/many", many),
    ("start/few-files", few_files),
    ("start/no-folder", no_folder),
];

fn plain(setup: &Setup) {
    let pool = setup.pool(2);
    works(&pool);
    let worker = |()| {
        (
            forkyard::context().worker(),
            forkyard::context().generation(),
        )
    };
    let (index, generation) = pool.submit(worker, ()).join().expect("a worker");
    assert!(index.is_some_and(|index| index < 2));
    assert_eq!(generation, 0);
    let rows = pool.timings();
    assert_eq!(rows.len(), 2);
    assert!(rows.iter().all(|row| row.pid > 0 && row.exit.is_none()));
}

/// No worker at all, and more than a pool holds.
fn bad_counts(setup: &Setup) {
    let none = setup.builder().workers(0).build();
    assert!(matches!(none, Err(BuildError::NoWorkers)), "{none:?}");
    let many = setup.builder().workers(256).build();
    let Err(BuildError::TooManyWorkers { asked: 256, limit }) = many else {
        panic!("{many:?}");
    };
    assert_eq!(limit, forkyard::MAX_WORKERS);
    works(&setup.builder().build().expect("a pool of the default size"));
}

/// A fork with other threads about is refused, and says why; other starts do not mind.
fn threads(setup: &Setup) {
    let (release, held) = std::sync::mpsc::channel::<()>();
    let other = std::thread::spawn(move || held.recv());
    let result = setup.builder().workers(2).build();
    match (setup.method, result) {
        (StartMethod::Fork, Err(error @ BuildError::ForkFromThreads { threads: 2 })) => {
            assert!(error.to_string().contains("2 threads"), "{error}");
            assert!(census::segments_of(std::process::id()).is_empty());
        }
        (StartMethod::Fork, other) => panic!("{other:?}"),
        (_, result) => works(&result.expect("a pool")),
    }
    drop(release);
    assert!(other.join().expect("it ends").is_err());
    works(&setup.pool(1));
}

/// Asking for the context outside a worker does not keep workers from having one.
fn after_context(setup: &Setup) {
    assert_eq!(forkyard::context().worker(), None);
    let pool = setup.pool(1);
    let worker = pool.submit(|()| forkyard::context().worker(), ()).join();
    assert_eq!(worker, Ok(Some(0)));
}

/// Pools after one another, and (where nothing forks this process) next to one another.
fn two_pools(setup: &Setup) {
    let one = setup.pool(1);
    if setup.method == StartMethod::Fork {
        let two = setup.builder().workers(1).build();
        assert!(
            matches!(two, Err(BuildError::ForkFromThreads { .. })),
            "{two:?}"
        );
    } else {
        let two = setup.pool(2);
        works(&two);
        works(&one);
        drop(two);
    }
    works(&one);
    one.close();
    works(&setup.pool(1));
}

/// What tasks print is the user's: all of it arrives, also without a newline at the end.
fn prints(setup: &Setup) {
    let pool = setup.pool(2);
    let task = |n: u64| {
        println!("task {n}");
        eprintln!("also {n}");
        n
    };
    let results = pool.map(task, 0..500);
    assert!(results.iter().all(Result::is_ok));
    let raw = |()| {
        let mut out = std::io::stdout().lock();
        out.write_all(&[0, 255, b'\n']).expect("it can be written");
        out.write_all(&vec![b'x'; 100_000])
            .expect("it can be written");
        out.write_all(b"\n").expect("it can be written");
    };
    assert_eq!(pool.submit(raw, ()).join(), Ok(()));
    for n in 0..2 {
        let last = |n: u64| print!("[last {n}]");
        assert_eq!(pool.submit(last, n).join(), Ok(()));
    }
    works(&pool);
    pool.close();
    println!();
}

/// What the program had printed in part is printed once, not once for each process.
fn partial_line(setup: &Setup) {
    print!("[partial]");
    let pool = setup.pool(3);
    let results = pool.map(|n: u64| println!("{n}"), 0..30);
    assert!(results.iter().all(Result::is_ok));
    pool.close();
    println!();
}

/// The program's file is replaced while it runs: replacements are of the same build, or refused.
fn replaced_program(setup: &Setup) {
    let pool = setup.pool(1);
    works(&pool);
    gate::say("running", "");
    gate::wait("replaced");
    for _ in 0..3 {
        let died: Result<(), _> = pool.submit(|()| crate::setup::kill_myself(), ()).join();
        assert!(matches!(died, Err(TaskError::WorkerDied(_))), "{died:?}");
        match pool.submit(|n: u64| n + 1, 1).join() {
            Ok(2) => {}
            Err(TaskError::NoWorkers(why)) => {
                assert!(why.contains("another build"), "{why}");
                return;
            }
            other => panic!("{other:?}"),
        }
    }
    works(&pool);
}

/// Many more workers than cores.
fn many(setup: &Setup) {
    let pool = setup.pool(40);
    works(&pool);
    let pids = pool.map(|()| std::process::id(), [(); 400]);
    assert!(pids.iter().all(Result::is_ok));
    assert_eq!(pool.close().processes.len(), 40);
}

/// Pools are built with so many descriptors left, and one more each time, until all that is
/// needed is there. Those that cannot be are an error, after which everything is as before.
fn few_files(setup: &Setup) {
    let before = holdings();
    let mut built = 0;
    for left in 0.. {
        let files = std::iter::repeat_with(|| File::open("/dev/null"));
        let mut held: Vec<_> = files.map_while(Result::ok).collect();
        assert!(left < held.len(), "no pool with {left} files");
        held.truncate(held.len() - left);
        let pool = setup.builder().workers(2).build();
        if let Ok(pool) = &pool {
            works(pool);
            built += 1;
        } else if let Err(error) = &pool {
            // What this process ended itself is told by its reason.
            let text = error.to_string();
            assert!(!text.contains("SIGKILL"), "{text}");
        }
        drop(held);
        drop(pool);
        let mut now = holdings();
        until("nothing is left", LIVENESS, || {
            now = holdings();
            now.fits(before).then_some(())
        });
        if built == 3 {
            break;
        }
    }
    works(&setup.pool(2));
}

/// `TMPDIR` is no folder in which a worker can be listened for.
fn no_folder(setup: &Setup) {
    let before = holdings();
    let pool = setup.builder().workers(2).build();
    let Err(BuildError::Link(error)) = pool else {
        panic!("{pool:?}");
    };
    let text = error.to_string();
    assert!(
        text.contains("could not listen for a worker") && text.contains("TMPDIR"),
        "{text}"
    );
    assert!(holdings().fits(before));
}
