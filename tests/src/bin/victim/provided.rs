//! What workers have from their start, and what their tasks say of themselves.

use forkyard::{BuildError, Event, Owned, Shared, SharedCell, SharedMutex};
use tests::gate;
use tests::patience::{LIVENESS, until};

use crate::Scenario;
use crate::setup::{Setup, kill_myself, works};

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("provided/provided", provided),
    ("provided/provided-wrong", provided_wrong),
    ("provided/progress", progress),
];

/// Bytes of a value that is not small.
const LARGE: usize = 200_000;

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
        .provide(vec![7_u8; LARGE])
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
        assert!(*bytes == vec![7; LARGE]);
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
