//! Values that fail to cross, tasks that panic: the one task gets the error, the rest goes on.

use std::num::NonZeroUsize;

use forkyard::{ChunkSize, Pool, TaskError};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

use crate::Scenario;
use crate::setup::{Setup, kill_myself, works};

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("values/touchy", touchy),
    ("values/panics", panics),
    ("values/backtrace", backtrace),
    ("values/long-errors", long_errors),
    ("values/after-the-end", after_the_end),
];

/// Where a value goes off.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
enum Place {
    Nowhere,
    EncodeArgument,
    DecodeArgument,
    EncodeResult,
    DecodeResult,
}

/// What it does there.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
enum Deed {
    Fail,
    Panic,
    Exit,
    Kill,
}

/// A value that goes off on its way.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Touchy {
    place: Place,
    deed: Deed,
    number: u64,
}

impl Touchy {
    fn calm(number: u64) -> Self {
        Self {
            place: Place::Nowhere,
            deed: Deed::Fail,
            number,
        }
    }

    /// Goes off if this is the place; the error is for [`Deed::Fail`].
    fn passes<E>(&self, here: Place, error: fn(&'static str) -> E) -> Result<(), E> {
        if self.place != here {
            return Ok(());
        }
        match self.deed {
            Deed::Fail => Err(error("refused on purpose")),
            Deed::Panic => panic!("panicked on purpose"),
            Deed::Exit => std::process::exit(7),
            Deed::Kill => kill_myself(),
        }
    }
}

fn in_worker() -> bool {
    forkyard::context().worker().is_some()
}

impl Serialize for Touchy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let here = if in_worker() {
            Place::EncodeResult
        } else {
            Place::EncodeArgument
        };
        self.passes(here, ser::Error::custom)?;
        (self.place, self.deed, self.number).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Touchy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (place, deed, number) = Deserialize::deserialize(deserializer)?;
        let value = Self {
            place,
            deed,
            number,
        };
        let here = if in_worker() {
            Place::DecodeArgument
        } else {
            Place::DecodeResult
        };
        value.passes(here, de::Error::custom)?;
        Ok(value)
    }
}

fn back(value: Touchy) -> Touchy {
    value
}

/// Every deed at the place given, alone and among others.
fn touchy(setup: &Setup) {
    let chunks = [ChunkSize::Auto, items(1), items(4), items(64)];
    let (place, in_supervisor) = match setup.arguments[0].as_str() {
        "encode-argument" => (Place::EncodeArgument, true),
        "decode-argument" => (Place::DecodeArgument, false),
        "encode-result" => (Place::EncodeResult, false),
        "decode-result" => (Place::DecodeResult, true),
        other => panic!("no place is called {other:?}"),
    };
    for deed in [Deed::Fail, Deed::Panic, Deed::Exit, Deed::Kill] {
        if in_supervisor && matches!(deed, Deed::Exit | Deed::Kill) {
            continue;
        }
        println!("{place:?} {deed:?}");
        let pool = setup.pool(2);
        alone(&pool, place, deed);
        drop(pool);
        for chunk in chunks {
            let pool = setup.builder().workers(2).chunk_size(chunk);
            among_others(&pool.build().expect("a pool"), place, deed, chunk);
        }
    }
}

fn items(count: usize) -> ChunkSize {
    ChunkSize::Items(NonZeroUsize::new(count).expect("not zero"))
}

fn alone(pool: &Pool, place: Place, deed: Deed) {
    let bad = Touchy {
        place,
        deed,
        number: 5,
    };
    let error = pool.submit(back, bad).join().expect_err("it goes off");
    check(&error, place, deed);
    works(pool);
    assert_eq!(
        pool.submit(back, Touchy::calm(9)).join(),
        Ok(Touchy::calm(9))
    );
}

/// The touchy one in the middle: nobody but its chunk's neighbours may suffer, and these
/// only when the worker dies of it.
fn among_others(pool: &Pool, place: Place, deed: Deed, chunk: ChunkSize) {
    const COUNT: u64 = 64;
    const BAD: u64 = 33;
    let values = (0..COUNT).map(|number| Touchy {
        place: if number == BAD { place } else { Place::Nowhere },
        deed,
        number,
    });
    let results = pool.map(back, values);
    assert_eq!(results.len() as u64, COUNT);
    let failed: Vec<u64> = (0..COUNT)
        .filter(|n| results[*n as usize].is_err())
        .collect();
    assert!(failed.contains(&BAD), "{failed:?}");
    let error = results[BAD as usize].as_ref().expect_err("it goes off");
    check(error, place, deed);
    let dies = matches!(deed, Deed::Exit | Deed::Kill);
    let most = match chunk {
        ChunkSize::Items(items) if dies => items.get(),
        ChunkSize::Auto if dies => COUNT as usize,
        _ => 1,
    };
    assert!(failed.len() <= most, "{failed:?}, at most {most}");
    for (number, result) in results.iter().enumerate() {
        if let Ok(value) = result {
            assert_eq!(value.number, number as u64);
        }
    }
    works(pool);
}

#[track_caller]
fn check(error: &TaskError, place: Place, deed: Deed) {
    let text = error.to_string();
    match (deed, place, error) {
        (Deed::Exit, _, TaskError::WorkerDied(death)) => {
            assert_eq!(death.cause, forkyard::ExitCause::Code(7));
        }
        (Deed::Kill, _, TaskError::WorkerDied(death)) => {
            let killed = matches!(death.cause, forkyard::ExitCause::Signal { signal: 9, .. });
            assert!(killed, "{text}");
        }
        (Deed::Fail, Place::EncodeArgument, TaskError::EncodeArgument(_))
        | (Deed::Fail, Place::DecodeArgument, TaskError::DecodeArgument(_))
        | (Deed::Fail, Place::EncodeResult, TaskError::EncodeResult(_))
        | (Deed::Fail, Place::DecodeResult, TaskError::DecodeResult(_)) => {
            assert!(text.contains("refused on purpose"), "{text}");
        }
        (Deed::Panic, Place::EncodeArgument, TaskError::EncodeArgument(_))
        | (Deed::Panic, Place::DecodeResult, TaskError::DecodeResult(_))
        | (Deed::Panic, _, TaskError::Panicked(_)) => {
            assert!(text.contains("panicked on purpose"), "{text}");
        }
        _ => panic!("{place:?} {deed:?} gave {error:?}"),
    }
}

/// A panic tells its message and its place; the worker lives on.
fn panics(setup: &Setup) {
    let pool = setup.pool(1);
    let pid = pool.submit(|()| std::process::id(), ()).join();
    let literal = pool.submit(|()| panic!("plain"), ()).join();
    let formatted = pool.submit(|n: u64| panic!("number {n}"), 7).join();
    let payload = pool.submit(|()| std::panic::panic_any(3_u8), ()).join();
    for (result, wanted) in [
        (literal, "plain"),
        (formatted, "number 7"),
        (payload, "(a panic whose payload is no text)"),
    ] {
        let result: Result<(), TaskError> = result;
        let Err(TaskError::Panicked(panic)) = result else {
            panic!("{result:?}");
        };
        assert_eq!((panic.message.as_str(), panic.worker), (wanted, 0));
        assert_eq!(panic.backtrace, None);
        let location = panic.location.expect("a place");
        assert!(location.contains("values.rs:"), "{location}");
    }
    let mut counts = pool.map(|n: u64| assert!(n % 3 != 1, "one left"), 0..99);
    counts.retain(Result::is_err);
    assert_eq!(counts.len(), 33);
    assert_eq!(pool.submit(|()| std::process::id(), ()).join(), pid);
    let report = pool.close();
    assert!(report.deaths.is_empty());
}

/// A function to be found in a backtrace.
#[inline(never)]
fn at_the_bottom(depth: u64) -> u64 {
    assert!(depth > 0, "at the bottom");
    std::hint::black_box(at_the_bottom(depth - 1)) + 1
}

/// With RUST_BACKTRACE the report of a panic says how the task came to it.
fn backtrace(setup: &Setup) {
    let pool = setup.pool(1);
    let Err(TaskError::Panicked(panic)) = pool.submit(at_the_bottom, 3).join() else {
        panic!("it does not get there");
    };
    assert_eq!(panic.message, "at the bottom");
    let text = panic.backtrace.expect("it was asked for");
    assert!(text.contains("at_the_bottom"), "{text}");
    works(&pool);
    assert!(pool.close().deaths.is_empty());
}

/// Errors longer than a slot, and longer than a packet, arrive whole.
fn long_errors(setup: &Setup) {
    let pool = setup.pool(2);
    for len in [100_usize, 10_000, 1_000_000] {
        let failed: Result<(), _> = pool
            .submit(|n: usize| panic!("{}", "x".repeat(n)), len)
            .join();
        let Err(TaskError::Panicked(panic)) = failed else {
            panic!("{failed:?}");
        };
        assert_eq!(panic.message.len(), len);
    }
    works(&pool);
}

/// What is submitted to a pool that has been aborted is refused by name.
fn after_the_end(setup: &Setup) {
    let pool = setup.pool(2);
    pool.abort_handle().abort(std::time::Duration::ZERO);
    assert!(pool.is_aborted());
    let refused: Result<u64, _> = pool.submit(|n: u64| n, 1).join();
    assert_eq!(refused, Err(TaskError::Aborted));
    let all = pool.map(|n: u64| n, 0..1000);
    assert_eq!(all, vec![Err(TaskError::Aborted); 1000]);
    let searched = pool.first(|_, n: u64| Some(n), 0..10);
    assert_eq!(searched.map(|_| ()), Err(TaskError::Aborted));
    pool.close();
}
