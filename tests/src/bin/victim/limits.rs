//! What worker processes are: their environment, limits, processors and names.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use forkyard::{BuildError, ExitCause, Pinning, TaskError};

use crate::Scenario;
use crate::setup::{Setup, for_ever, kill_myself, works};

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("limits/environment", environment),
    ("limits/limits", limits),
    ("limits/cpu-time", cpu_time),
    ("limits/refused", refused),
    ("limits/pinned", pinned),
    ("limits/named", named),
];

/// The workers' environment is as the builder says, and this process's is as it was.
fn environment(setup: &Setup) {
    let pool = setup
        .builder()
        .workers(2)
        .inner_threads(3)
        .env("RAYON_NUM_THREADS", "5")
        .env("FY_SETUP", "a = b")
        .env_remove("RUST_BACKTRACE")
        .build()
        .expect("a pool");
    let of_worker = |name: String| std::env::var(name).ok();
    let mut wanted = vec![
        ("RAYON_NUM_THREADS", Some("5")),
        ("FY_SETUP", Some("a = b")),
        ("RUST_BACKTRACE", None),
        ("FORKYARD_WORKER", None),
        ("FORKYARD_ZYGOTE", None),
    ];
    for name in ["OMP", "OPENBLAS", "MKL", "NUMEXPR", "BLIS"] {
        let name: &'static str = Box::leak(format!("{name}_NUM_THREADS").into_boxed_str());
        wanted.push((name, Some("3")));
    }
    wanted.push(("VECLIB_MAXIMUM_THREADS", Some("3")));
    for (name, value) in wanted {
        let found = pool.submit(of_worker, name.to_owned()).join();
        assert_eq!(found, Ok(value.map(str::to_owned)), "{name}");
    }
    assert_eq!(std::env::var("RUST_BACKTRACE").as_deref(), Ok("0"));
    assert!(std::env::var("FY_SETUP").is_err());
    // What a task starts has it too.
    let started = |()| {
        let output = std::process::Command::new("sh")
            .args(["-c", "echo $FY_SETUP"])
            .output();
        String::from_utf8(output.expect("sh").stdout).expect("text")
    };
    assert_eq!(pool.submit(started, ()).join().as_deref(), Ok("a = b\n"));
    let gone: Result<(), _> = pool.submit(|()| kill_myself(), ()).join();
    assert!(gone.is_err());
    let found = pool.submit(of_worker, "FY_SETUP".to_owned()).join();
    assert_eq!(found, Ok(Some("a = b".to_owned())), "in a replacement");
    pool.close();
    let bad = setup.builder().env("A=B", "1").build();
    assert!(matches!(bad, Err(BuildError::Settings { .. })), "{bad:?}");
}

/// The soft and hard limit of that name, as the system tells of this process.
fn limit_of(name: &str) -> Vec<String> {
    let text = fs::read_to_string("/proc/self/limits").expect("limits");
    let line = text
        .lines()
        .find(|line| line.starts_with(name))
        .expect("a line");
    let words = line[name.len()..].split_whitespace();
    words.take(2).map(str::to_owned).collect()
}

fn nice_of_this() -> String {
    let text = fs::read_to_string("/proc/self/stat").expect("stat");
    let (_, fields) = text.rsplit_once(')').expect("fields");
    fields.split_whitespace().nth(16).expect("nice").to_owned()
}

/// Each limit is one, in workers and in their replacements, and not here.
fn limits(setup: &Setup) {
    const SPACE: u64 = 3 << 30;
    let nice = nice_of_this();
    let before = ["Max address space", "Max open files", "Max core file size"].map(limit_of);
    let pool = setup
        .builder()
        .workers(1)
        .limit_address_space(SPACE)
        .limit_open_files(64)
        .core_dumps(false)
        .nice(19)
        .build()
        .expect("a pool");
    for _ in 0..2 {
        let limit = |name: String| limit_of(&name);
        let of = |name: &str| pool.submit(limit, name.to_owned()).join().expect("limits");
        assert_eq!(
            of("Max address space"),
            [SPACE.to_string(), SPACE.to_string()]
        );
        assert_eq!(of("Max open files"), ["64", "64"]);
        assert_eq!(of("Max core file size"), ["0", "0"]);
        assert_eq!(
            pool.submit(|()| nice_of_this(), ()).join().as_deref(),
            Ok("19")
        );
        let too_much = |()| Vec::<u8>::new().try_reserve_exact(4 << 30).is_err();
        assert_eq!(pool.submit(too_much, ()).join(), Ok(true));
        let open = |()| {
            let files = (0..100).map(|_| fs::File::open("/dev/null"));
            files.take_while(Result::is_ok).collect::<Vec<_>>().len()
        };
        let opened = pool.submit(open, ()).join().expect("a number");
        assert!((1..64).contains(&opened), "{opened}");
        let gone: Result<(), _> = pool.submit(|()| kill_myself(), ()).join();
        assert!(gone.is_err());
    }
    works(&pool);
    pool.close();
    let after = ["Max address space", "Max open files", "Max core file size"].map(limit_of);
    assert_eq!(before, after);
    assert_eq!(nice_of_this(), nice);
}

/// Who uses up its CPU time is gone, and another comes.
fn cpu_time(setup: &Setup) {
    let builder = setup.builder().workers(1);
    let pool = builder.limit_cpu_time(Duration::from_millis(300));
    let pool = pool.build().expect("a pool");
    assert_eq!(
        pool.submit(|()| limit_of("Max cpu time"), ())
            .join()
            .expect("a limit")[0],
        "1"
    );
    let result: Result<(), _> = pool.submit(|()| for_ever(), ()).join();
    let Err(TaskError::WorkerDied(death)) = result else {
        panic!("{result:?}");
    };
    // SIGXCPU.
    assert!(
        matches!(death.cause, ExitCause::Signal { signal: 24, .. }),
        "{death}"
    );
    works(&pool);
    pool.close();
}

/// What the system does not allow ends the build, and says what it was.
fn refused(setup: &Setup) {
    // More than any process may have, root's included.
    let built = setup
        .builder()
        .workers(2)
        .limit_open_files(u64::MAX)
        .build();
    let Err(BuildError::WorkerSetup { why, .. }) = built else {
        panic!("{built:?}");
    };
    assert!(
        why.contains("open files") && why.contains("at most"),
        "{why}"
    );
    works(&setup.pool(1));
}

/// Each worker on a processor of its own.
fn pinned(setup: &Setup) {
    let allowed = forkyard_os::cpus::allowed();
    let workers = allowed.len() + 1;
    let pool = setup
        .builder()
        .workers(workers)
        .pin_workers(Pinning::OneCoreEach);
    let pool = pool.build().expect("a pool");
    let place = |_: u64| (forkyard::context().worker(), forkyard_os::cpus::allowed());
    let found = pool.map(place, 0..500);
    let found: BTreeSet<_> = found
        .into_iter()
        .map(|place| place.expect("a place"))
        .collect();
    assert!(!found.is_empty());
    for (worker, cpus) in found {
        let worker = worker.expect("a worker");
        assert_eq!(cpus, [allowed[worker % allowed.len()]], "worker {worker}");
    }
    assert_eq!(forkyard_os::cpus::allowed(), allowed);
    pool.close();
    // Default: wherever the supervisor may run.
    let free = setup
        .pool(1)
        .submit(|()| forkyard_os::cpus::allowed(), ())
        .join();
    assert_eq!(free, Ok(allowed));
}

/// The name is in the process list, the context and the errors.
fn named(setup: &Setup) {
    let pool = setup
        .builder()
        .workers(2)
        .name("resize")
        .build()
        .expect("a pool");
    assert_eq!(pool.name(), Some("resize"));
    let task = |()| {
        let listed = fs::read_to_string("/proc/self/comm").expect("a name");
        let context = forkyard::context();
        (
            listed.trim().to_owned(),
            context.worker(),
            context.pool_name().map(str::to_owned),
        )
    };
    let (listed, worker, name) = pool.submit(task, ()).join().expect("a name");
    assert_eq!(listed, format!("resize-{}", worker.expect("a worker")));
    assert_eq!(name.as_deref(), Some("resize"));
    let gone: Result<(), _> = pool.submit(|()| kill_myself(), ()).join();
    let text = gone.expect_err("it died").to_string();
    assert!(text.contains("of pool \"resize\""), "{text}");
    assert!(pool.close().deaths[0].to_string().contains("resize"));
    let nameless = setup.pool(1);
    assert_eq!(nameless.name(), None);
    assert_eq!(
        nameless
            .submit(|()| forkyard::context().pool_name().is_none(), ())
            .join(),
        Ok(true)
    );
}
