//! How worker processes are set up: what runs before and after their tasks, and what they have.

use std::collections::BTreeSet;
use std::fs;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use forkyard::{
    BuildError, Event, ExitCause, Owned, Pinning, Shared, SharedCell, SharedMutex, TaskError,
};
use tests::gate;
use tests::patience::{LIVENESS, until};

use crate::Scenario;
use crate::setup::{Setup, for_ever, kill_myself, works};

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("process/initializer", initializer),
    ("process/initializer-fails", initializer_fails),
    ("process/initializer-fails-later", initializer_fails_later),
    ("process/initializer-hangs", initializer_hangs),
    ("process/finalizer", finalizer),
    ("process/environment", environment),
    ("process/limits", limits),
    ("process/cpu-time", cpu_time),
    ("process/refused", refused),
    ("process/pinned", pinned),
    ("process/named", named),
    ("process/provided", provided),
    ("process/provided-wrong", provided_wrong),
    ("process/progress", progress),
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
    let builder = setup
        .builder()
        .workers(2)
        .start_timeout(Duration::from_millis(400));
    let built = builder.initializer(|()| -> () { for_ever() }, ()).build();
    let Err(BuildError::Initializer { why, .. }) = built else {
        panic!("{built:?}");
    };
    assert!(why.contains("start_timeout"), "{why}");
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
    assert_eq!(report.processes.len(), 4);
    assert_eq!(gate::arrived("finished"), 3);
    let pool = builder().build().expect("a pool");
    works(&pool);
    pool.abort(Duration::from_secs(5));
    assert_eq!(gate::arrived("finished"), 3);
    println!();
    // One that fails is told on standard error, and the pool ends as any.
    let loud = || -> Result<(), &str> { Err("not tidy") };
    let pool = setup.builder().workers(1).finalizer(loud).name("loud");
    let report = pool.build().expect("a pool").close();
    assert_eq!(report.processes[0].exit, Some(ExitCause::Code(0)));
}

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

/// Shared state and data that every worker has from its start.
#[derive(serde::Serialize, serde::Deserialize)]
struct Tables {
    numbers: Shared<[u64]>,
    sum: SharedMutex<u64>,
    open: Event,
}

/// Values are in every worker, before its initializer runs and in replacements too; state that is
/// provided is the same for all.
fn provided(setup: &Setup) {
    let check = |()| {
        let word = forkyard::context().provided::<String>();
        word.map(drop).ok_or("the word is not there")
    };
    let pool = setup
        .builder()
        .workers(2)
        .initializer(check, ())
        .provide("word".to_owned())
        .provide(vec![7_u8; 3_000_000])
        .provide("another".to_owned())
        .provide_with(|maker| {
            let numbers = maker.arena().copy_from(&[2_u64, 3, 5]);
            Ok(Tables {
                numbers: numbers.expect("a block"),
                sum: maker.mutex(0_u64)?,
                open: maker.event()?,
            })
        })
        .provide_with(|maker| maker.cell(0_u64))
        .build()
        .expect("a pool");
    let task = |n: usize| {
        let context = forkyard::context();
        let tables = context.provided::<Tables>().expect("tables");
        *tables.sum.lock().expect("nobody died") += tables.numbers[n % 3];
        context
            .provided::<SharedCell<u64>>()
            .expect("a cell")
            .fetch_add(1);
        let bytes = context.provided::<Vec<u8>>().expect("bytes");
        assert!(bytes.len() == 3_000_000 && bytes.iter().all(|byte| *byte == 7));
        assert!(context.provided::<u32>().is_none());
        context.provided::<String>().expect("a word").clone()
    };
    for round in 1..=3 {
        let words = pool.map(task, 0..30);
        assert!(
            words.iter().all(|word| word.as_deref() == Ok("word")),
            "{words:?}"
        );
        let tables = pool.provided::<Tables>().expect("tables");
        assert_eq!(*tables.sum.lock().expect("nobody died"), round * 100);
        let cell = pool.provided::<SharedCell<u64>>().expect("a cell");
        assert_eq!(cell.load(), round * 30);
        let gone: Result<(), _> = pool.submit(|()| kill_myself(), ()).join();
        assert!(gone.is_err());
    }
    assert_eq!(pool.provided::<String>().map(String::as_str), Some("word"));
    let waits = |()| {
        forkyard::context()
            .provided::<Tables>()
            .map(|tables| tables.open.wait().is_ok())
    };
    let waiting = pool.submit(waits, ());
    pool.provided::<Tables>().expect("tables").open.set();
    assert_eq!(waiting.join(), Ok(Some(true)));
    assert!(forkyard::context().provided::<String>().is_none());
    pool.close();
}

/// What cannot be given to all is refused, with the reason.
fn provided_wrong(setup: &Setup) {
    let owned = setup.builder().workers(1).provide_with(|maker| {
        let block = maker.arena().alloc_zeroed::<u8>(100);
        Ok::<Owned<[u8]>, _>(block.expect("a block"))
    });
    let built = owned.build();
    let Err(BuildError::Settings { why, .. }) = built else {
        panic!("{built:?}");
    };
    assert!(why.contains("into_shared"), "{why}");
    let none = setup
        .builder()
        .workers(1)
        .provide_with(|maker| maker.semaphore(0));
    let built = none.build();
    assert!(
        matches!(built, Err(BuildError::Settings { .. })),
        "{built:?}"
    );
    let large = vec![1_u8; 1 << 20];
    let small = setup
        .builder()
        .workers(1)
        .arena_limit(1 << 16)
        .provide(large)
        .build();
    let Err(BuildError::Settings { why, .. }) = small else {
        panic!("{small:?}");
    };
    assert!(why.contains("limit"), "{why}");
    // It is encoded well, and cannot be decoded: the workers say so.
    let built = setup.builder().workers(2).provide(Crooked).build();
    let Err(BuildError::WorkerSetup { why, .. }) = built else {
        panic!("{built:?}");
    };
    assert!(why.contains("bent on the way"), "{why}");
    works(&setup.pool(1));
}

/// Is encoded, and not decoded.
struct Crooked;

impl serde::Serialize for Crooked {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(1)
    }
}

impl<'de> serde::Deserialize<'de> for Crooked {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("bent on the way"))
    }
}

/// A task says how far it is; who looks sees it while it runs.
fn progress(setup: &Setup) {
    let pool = setup.pool(2);
    works(&pool);
    assert_eq!(pool.progress(), []);
    let task = |()| {
        let context = forkyard::context();
        context.progress(3, 10);
        gate::say("three", "");
        gate::wait("go on");
        context.progress(10, 10);
        gate::say("ten", "");
        gate::wait("end");
        context.worker()
    };
    let running = pool.submit(task, ());
    let seen = |done, total| {
        let found = pool.progress();
        assert!(found.len() <= 1, "{found:?}");
        let right = |seen: &&forkyard::WorkerProgress| (seen.done, seen.total) == (done, total);
        found.iter().find(right).copied()
    };
    gate::wait("three");
    let three = until("three of ten", LIVENESS, || seen(3, 10));
    gate::say("go on", "");
    gate::wait("ten");
    until("ten of ten", LIVENESS, || seen(10, 10));
    gate::say("end", "");
    assert_eq!(running.join(), Ok(Some(three.worker)));
    assert_eq!(pool.progress(), [], "it runs no more");
    works(&pool);
    assert_eq!(pool.progress(), [], "other tasks have said nothing");
    forkyard::context().progress(1, 2);
    pool.close();
}
