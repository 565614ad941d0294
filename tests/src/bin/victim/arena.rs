//! Values in shared memory: how they move, how they are read in parts, and who gives them back.

use std::sync::Arc;

use forkyard::{ArenaError, ChunkSize, Owned, Pool, Shared, TaskError};
use forkyard_os::process::Signal;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_bytes::ByteBuf;
use tests::gate;
use tests::patience::{LIVENESS, until};
use tests::victim::send;

use crate::Scenario;
use crate::setup::{Setup, kill_myself, works};

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("arena/there-and-back", there_and_back),
    ("arena/map", map),
    ("arena/beside-large", beside_large),
    ("arena/killed-with-it", killed_with_it),
    ("arena/sent-again", sent_again),
    ("arena/never-asked-for", never_asked_for),
    ("arena/never-run", never_run),
    ("arena/half-way", half_way),
    ("arena/still-held", still_held),
    ("arena/side-by-side", side_by_side),
    ("arena/parts", parts),
    ("arena/liars", liars),
    ("arena/prefault", prefault),
];

/// No more blocks are in use than `live`, once what is under way has settled.
#[track_caller]
fn in_use(pool: &Pool, live: u64) {
    until("blocks are given back", LIVENESS, || {
        // A worker lets go of what a result spoke of when it takes the next task.
        assert_eq!(pool.submit(|()| (), ()).join(), Ok(()));
        (pool.arena().stats().live_blocks == live).then_some(())
    });
}

fn add_one(mut values: Owned<[u64]>) -> Owned<[u64]> {
    values.iter_mut().for_each(|n| *n += 1);
    values
}

/// A thousand times to a worker and back: the same memory, never copied, never lost.
fn there_and_back(setup: &Setup) {
    let pool = setup.pool(2);
    let mut values = pool.arena().alloc_zeroed::<u64>(5000).expect("a block");
    let place = values.as_ptr();
    for round in 1..=1000 {
        values = pool.submit(add_one, values).join().expect("it comes back");
        assert!(values.iter().all(|n| *n == round));
        assert_eq!(values.as_ptr(), place, "the same place");
    }
    assert_eq!(pool.arena().stats().live_blocks, 1);
    drop(values);
    assert_eq!(pool.arena().stats().live_blocks, 0);
    // A worker's own, given to the supervisor and then to the other worker.
    let make = |n: usize| {
        let arena = forkyard::context().arena().expect("a worker has one");
        arena.alloc_zeroed::<u64>(n).expect("a block")
    };
    for _ in 0..100 {
        let made = pool.submit(make, 100).join().expect("a block");
        let values = pool.submit(add_one, made).join().expect("it comes back");
        assert_eq!(values[99], 1);
    }
    in_use(&pool, 0);
}

/// The items and the results of a map, whatever the chunks.
fn map(setup: &Setup) {
    for chunk in ["1", "7", "auto"] {
        let chunk: ChunkSize = chunk.parse().expect("a chunk size");
        let pool = setup.builder().workers(2).chunk_size(chunk);
        let pool = pool.build().expect("a pool");
        let items = (0..300_u64).map(|n| {
            let mut values = pool.arena().alloc::<u64>(40).expect("a block");
            values.fill(n);
            values
        });
        let results = pool.map(add_one, items);
        for (n, values) in (1..).zip(results) {
            let values = values.expect("it comes back");
            assert!(values.iter().all(|found| *found == n));
        }
        in_use(&pool, 0);
    }
}

/// In messages that are encoded more than once, because they are too large for a slot.
fn beside_large(setup: &Setup) {
    let pool = setup.pool(1);
    let task = |(values, bytes): (Owned<[u64]>, ByteBuf)| {
        let len = bytes.len();
        (vec![add_one(values)], ByteBuf::from(vec![7; len]))
    };
    for len in [0, 60, 100, 5000, 100_000, 2 << 20] {
        let values = pool.arena().alloc_zeroed::<u64>(1000).expect("a block");
        let sent = (values, ByteBuf::from(vec![1; len]));
        let (values, bytes) = pool.submit(task, sent).join().expect("it comes back");
        assert_eq!((values.len(), values[0][999], bytes.len()), (1, 1, len));
    }
    in_use(&pool, 0);
}

/// A worker dies with the value in its hands: the value is gone, its memory is not.
fn killed_with_it(setup: &Setup) {
    let pool = setup.pool(2);
    let die = |mut values: Owned<[u64]>| -> u64 {
        values[0] = 1;
        kill_myself()
    };
    for _ in 0..3 {
        let values = pool.arena().alloc::<u64>(5000).expect("a block");
        let result = pool.submit(die, values).join();
        assert!(
            matches!(result, Err(TaskError::WorkerDied(_))),
            "{result:?}"
        );
        in_use(&pool, 0);
    }
    // A task that panics has dropped it.
    let values = pool.arena().alloc::<u64>(5000).expect("a block");
    let panics = |values: Owned<[u64]>| -> u64 { panic!("{} values", values.len()) };
    let result = pool.submit(panics, values).join();
    assert!(matches!(result, Err(TaskError::Panicked(_))), "{result:?}");
    in_use(&pool, 0);
}

#[expect(clippy::needless_pass_by_value, reason = "a task owns its argument")]
fn hold(name: String) -> u64 {
    gate::say(&name, std::process::id());
    gate::wait("never said");
    name.len() as u64
}

/// A message that its worker had not begun when it died goes to the next, with its value.
fn sent_again(setup: &Setup) {
    let pool = setup.pool(1);
    let held = pool.submit(hold, "again".to_owned());
    let pid = gate::hear("again").parse().expect("a pid");
    let behind: Vec<_> = (0..20)
        .map(|n| {
            let mut values = pool.arena().alloc::<u64>(500).expect("a block");
            values.fill(n);
            pool.submit(add_one, values)
        })
        .collect();
    send(pid, Signal::Kill);
    let result = held.join();
    assert!(
        matches!(result, Err(TaskError::WorkerDied(_))),
        "{result:?}"
    );
    for (n, handle) in (1..).zip(behind) {
        let values = handle.join().expect("it comes back");
        assert!(values.iter().all(|found| *found == n));
    }
    in_use(&pool, 0);
}

/// Results that nobody takes are given back.
fn never_asked_for(setup: &Setup) {
    let pool = setup.pool(2);
    for _ in 0..50 {
        let values = pool.arena().alloc_zeroed::<u64>(500).expect("a block");
        drop(pool.submit(add_one, values));
    }
    in_use(&pool, 0);
    // Taken, and not asked for before the pool ends.
    let arena = pool.arena().clone();
    let values = arena.alloc_zeroed::<u64>(500).expect("a block");
    let handle = pool.submit(add_one, values);
    pool.close();
    assert_eq!(arena.stats().live_blocks, 1);
    drop(handle);
    assert_eq!(arena.stats().live_blocks, 0);
}

/// Messages that are never run give back what they would have moved.
fn never_run(setup: &Setup) {
    let pool = setup.pool(1);
    let arena = pool.arena().clone();
    let held = pool.submit(hold, "busy".to_owned());
    gate::wait("busy");
    let queued: Vec<_> = (0..3000)
        .map(|_| pool.submit(add_one, arena.alloc_zeroed::<u64>(50).expect("a block")))
        .collect();
    pool.abort_handle().abort(std::time::Duration::ZERO);
    let late = pool.submit(add_one, arena.alloc_zeroed::<u64>(50).expect("a block"));
    assert!(matches!(late.join(), Err(TaskError::Aborted)));
    for handle in queued
        .into_iter()
        .chain([pool.submit(add_one, arena.alloc_zeroed::<u64>(50).expect("a block"))])
    {
        assert!(matches!(handle.join(), Err(TaskError::Aborted)));
    }
    assert!(held.join().is_err());
    drop(pool);
    assert_eq!(arena.stats().live_blocks, 0);
}

/// A value that cannot be encoded, or not decoded, after the one before it was.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Broken {
    No,
    Encoding,
    Decoding,
}

impl Serialize for Broken {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Encoding => Err(serde::ser::Error::custom("not to be encoded")),
            other => (*other == Self::Decoding).serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Broken {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match bool::deserialize(deserializer)? {
            true => Err(serde::de::Error::custom("not to be decoded")),
            false => Ok(Self::No),
        }
    }
}

/// Encoding or decoding fails when the value was already promised, or taken.
fn half_way(setup: &Setup) {
    let pool = setup.pool(1);
    let block = || pool.arena().alloc_zeroed::<u64>(500).expect("a block");
    let take = |(values, _): (Owned<[u64]>, Broken)| values.len();
    for broken in [Broken::Encoding, Broken::Decoding] {
        let result = pool.submit(take, (block(), broken)).join();
        match (broken, result) {
            (Broken::Encoding, Err(TaskError::EncodeArgument(_)))
            | (Broken::Decoding, Err(TaskError::DecodeArgument(_))) => {}
            (_, other) => panic!("{other:?}"),
        }
        in_use(&pool, 0);
        // In a chunk only that one fails.
        let kinds = [Broken::No, Broken::No, broken, Broken::No];
        let results = pool.map(take, kinds.map(|kind| (block(), kind)));
        let failed: Vec<_> = results.iter().map(Result::is_err).collect();
        assert_eq!(failed, [false, false, true, false]);
        in_use(&pool, 0);
    }
    let encoding = |values: Owned<[u64]>| (add_one(values), Broken::Encoding);
    let result = pool.submit(encoding, block()).join();
    assert!(
        matches!(result, Err(TaskError::EncodeResult(_))),
        "{result:?}"
    );
    in_use(&pool, 0);
    let decoding = |values: Owned<[u64]>| (add_one(values), Broken::Decoding);
    let result = pool.submit(decoding, block()).join();
    assert!(
        matches!(result, Err(TaskError::DecodeResult(_))),
        "{result:?}"
    );
    in_use(&pool, 0);
    works(&pool);
}

/// Somebody else has the value as well: what serde's `rc` feature makes possible.
#[derive(Debug, Clone)]
struct Several(Arc<Owned<[u64]>>);

impl Serialize for Several {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Several {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Owned::deserialize(deserializer).map(|values| Self(Arc::new(values)))
    }
}

/// A value that somebody keeps does not move; the keeper's is as it was.
fn still_held(setup: &Setup) {
    let pool = setup.builder().workers(1);
    let pool = pool.chunk_size(1);
    let pool = pool.build().expect("a pool");
    let block = || Several(Arc::new(pool.arena().alloc_zeroed(500).expect("a block")));
    let task = |several: Several| several.0.len();
    let kept = block();
    let seen = &kept.0[..];
    let result = pool.submit(task, kept.clone()).join();
    let Err(TaskError::EncodeArgument(why)) = result else {
        panic!("{result:?}");
    };
    assert!(
        why.contains("moves") && why.contains("into_shared"),
        "{why}"
    );
    assert!(seen.iter().all(|n| *n == 0));
    let items = [block(), kept.clone(), block()];
    let results = pool.map(task, items);
    let failed: Vec<_> = results.iter().map(Result::is_err).collect();
    assert_eq!(failed, [false, true, false]);
    // Twice in one message.
    let twice = block();
    let pair = |(one, two): (Several, Several)| one.0.len() + two.0.len();
    let result = pool.submit(pair, (twice.clone(), twice)).join();
    assert!(
        matches!(result, Err(TaskError::EncodeArgument(_))),
        "{result:?}"
    );
    // The last one moves.
    assert_eq!(pool.submit(task, kept).join(), Ok(500));
    in_use(&pool, 0);
}

/// One to four values in a message, and bytes beside them: some fit the nearest bytes of a slot,
/// some the slot, some neither. Each sum comes back, and so does all memory.
fn side_by_side(setup: &Setup) {
    let pool = setup.builder().workers(2);
    let pool = pool.chunk_size(1);
    let pool = pool.build().expect("a pool");
    let own = || {
        let mut values = pool.arena().alloc_zeroed::<u64>(50).expect("a block");
        values.fill(1);
        values
    };
    let shared = own().into_shared();
    for count in 0..200_u64 {
        let beside = ByteBuf::from(vec![1; count as usize]);
        let one = |(values, bytes): (Shared<[u64]>, ByteBuf)| {
            values.iter().sum::<u64>() + bytes.len() as u64
        };
        let moved = |(values, bytes): (Owned<[u64]>, ByteBuf)| {
            values.iter().sum::<u64>() + bytes.len() as u64
        };
        let sum = pool.submit(one, (shared.clone(), beside.clone())).join();
        assert_eq!(sum, Ok(50 + count));
        let sum = pool.submit(moved, (own(), beside)).join();
        assert_eq!(sum, Ok(50 + count));
    }
    let alone = |values: Shared<[u64]>| values.iter().sum::<u64>();
    assert_eq!(pool.submit(alone, shared.clone()).join(), Ok(50));
    assert_eq!(
        pool.map(alone, [shared.clone(), shared.clone()]),
        [Ok(50), Ok(50)]
    );
    let two = |(one, two): (Shared<[u64]>, Owned<[u64]>)| one[7] + two[7];
    assert_eq!(pool.submit(two, (shared.clone(), own())).join(), Ok(2));
    let pairs = (0..100).map(|_| (shared.clone(), own()));
    assert!(pool.map(two, pairs).into_iter().all(|sum| sum == Ok(2)));
    let four = |four: [Owned<[u64]>; 4]| four.iter().map(|values| values[49]).sum::<u64>();
    assert_eq!(
        pool.submit(four, [own(), own(), own(), own()]).join(),
        Ok(4)
    );
    drop(shared);
    in_use(&pool, 0);
}

#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C)]
struct Point {
    x: f64,
    y: f64,
}

/// Slices, text and single values are read where they lie.
fn parts(setup: &Setup) {
    let pool = setup.pool(2);
    let arena = pool.arena();
    let numbers: Vec<u32> = (0..100_000).collect();
    let numbers = arena.copy_from(&numbers).expect("a block");
    let parts = (0..100).map(|n| numbers.slice(n * 1000..(n + 1) * 1000));
    let sums = pool.map(|part: Shared<[u32]>| part.iter().sum::<u32>(), parts);
    for (n, sum) in (0..).zip(sums) {
        assert_eq!(sum, Ok(1000 * (1000 * n) + 499_500));
    }
    let end = numbers.slice(99_998..);
    assert_eq!(
        (&*end, end.as_ptr()),
        (&[99_998, 99_999][..], &raw const numbers[99_998])
    );
    assert!(end.try_slice(..3).is_none() && end.slice(2..).is_empty());
    let back = pool.submit(|part: Shared<[u32]>| part.slice(1..), end);
    assert_eq!(back.join().expect("a part")[..], [99_999]);
    // A part is not writable, not even the last one.
    let part = numbers.slice(1..).try_into_owned().expect_err("a part");
    drop(numbers);
    let part = part.try_into_owned().expect_err("still a part");
    assert_eq!(part.len(), 99_999);
    drop(part);

    let text = arena.copy_str("one, zwölf, 三").expect("a block");
    let words = pool.map(
        |word: Shared<str>| word.trim().to_uppercase(),
        text.split(',').map(|word| {
            let start = word.as_ptr().addr() - text.as_ptr().addr();
            text.slice(start..start + word.len())
        }),
    );
    let words: Vec<_> = words
        .into_iter()
        .map(|word| word.expect("a word"))
        .collect();
    assert_eq!(words, ["ONE", "ZWÖLF", "三"]);
    assert!(text.try_slice(..8).is_none(), "within the ö");
    let made = |n: usize| {
        use std::io::Write;
        let mut log = forkyard::context().arena().expect("a worker's").writer();
        for line in 0..n {
            writeln!(log, "line {line}").expect("room");
        }
        log.into_text().expect("text")
    };
    let log = pool.submit(made, 10_000).join().expect("a log");
    assert_eq!(log.lines().count(), 10_000);
    assert!(log.ends_with("line 9999\n"));

    let pair = arena.own(&[1.5_f64, 2.5]).expect("a block");
    let swap = |mut pair: Owned<[f64; 2]>| {
        pair.swap(0, 1);
        pair.into_shared()
    };
    let swapped = pool.submit(swap, pair).join().expect("a pair");
    assert_eq!(*swapped, [2.5, 1.5]);
    let [x, y] = *swapped;
    assert_eq!(Point { x, y }, Point { x: 2.5, y: 1.5 });
    drop((text, log, swapped));
    in_use(&pool, 0);
    // The last handle on a whole may write again.
    let bytes = arena.copy_from(&[1_u8, 2]).expect("a block");
    let mut bytes = bytes.try_into_owned().expect("nobody else has it");
    bytes[0] = 9;
    assert_eq!(*bytes, [9, 2]);
}

/// Sent as one thing, received as another.
#[derive(Debug)]
enum Liar {
    Bytes(Shared<[u8]>),
    Text(Shared<str>),
    Alone(Owned<[u64]>),
}

impl Serialize for Liar {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bytes(bytes) => (0_u8, bytes).serialize(serializer),
            Self::Text(text) => (1_u8, text).serialize(serializer),
            Self::Alone(alone) => (2_u8, alone).serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Liar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pair;
        impl<'de> serde::de::Visitor<'de> for Pair {
            type Value = Liar;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a pair")
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut pair: A,
            ) -> Result<Liar, A::Error> {
                match pair.next_element()?.unwrap_or(0_u8) {
                    0 => pair
                        .next_element()
                        .map(|text| Liar::Text(text.expect("two"))),
                    1 => pair
                        .next_element()
                        .map(|alone| Liar::Alone(alone.expect("two"))),
                    _ => pair
                        .next_element()
                        .map(|bytes| Liar::Bytes(bytes.expect("two"))),
                }
            }
        }
        deserializer.deserialize_tuple(2, Pair)
    }
}

/// What is not what it is taken for is told, and nothing is lost.
fn liars(setup: &Setup) {
    let pool = setup.pool(1);
    let arena = pool.arena();
    let task = |liar: Liar| matches!(liar, Liar::Text(_));
    let text = arena.copy_from("grün".as_bytes()).expect("a block");
    assert_eq!(pool.submit(task, Liar::Bytes(text)).join(), Ok(true));
    let lies = [
        (
            Liar::Bytes(arena.copy_from(b"gr\xff").expect("a block")),
            "UTF-8",
        ),
        (
            Liar::Text(arena.copy_str("text").expect("a block")),
            "shared for reading",
        ),
        (Liar::Alone(arena.alloc(10).expect("a block")), "on offer"),
    ];
    for (lie, what) in lies {
        let result = pool.submit(task, lie).join();
        let Err(TaskError::DecodeArgument(why)) = result else {
            panic!("{result:?}");
        };
        assert!(why.contains(what), "{why}");
    }
    // As a result.
    let lie = |()| {
        Liar::Alone(
            forkyard::context()
                .arena()
                .expect("its own")
                .alloc(9)
                .expect("room"),
        )
    };
    let result = pool.submit(lie, ()).join();
    assert!(
        matches!(result, Err(TaskError::DecodeResult(_))),
        "{result:?}"
    );
    in_use(&pool, 0);
    let error = arena.copy_from(b"\xff").expect("a block").into_text();
    assert!(matches!(error, Err(ArenaError::NotText { valid_up_to: 0 })));
}

const BLOCK_BYTES: usize = 8 << 20;

/// How much resident memory a worker has more for a block that nobody has touched.
fn growth(pool: &Pool) -> u64 {
    let task = |bytes: usize| {
        let arena = forkyard::context().arena().expect("a worker has one");
        let before = tests::census::resident_bytes();
        let block = arena.alloc::<u8>(bytes).expect("a block");
        let grown = tests::census::resident_bytes().saturating_sub(before);
        assert_eq!(block.len(), bytes);
        grown
    };
    pool.submit(task, BLOCK_BYTES).join().expect("a number")
}

/// Options reach the workers, who make extents too.
fn prefault(setup: &Setup) {
    let lazy = growth(&setup.pool(1));
    assert!(lazy < BLOCK_BYTES as u64 / 4, "{lazy}");
    let eager = setup.builder().workers(1).prefault(true).huge_pages(true);
    let eager = eager.build().expect("a pool");
    let grown = growth(&eager);
    assert!(grown >= BLOCK_BYTES as u64, "{grown}");
    // One that is mapped because it came with a message.
    let block = eager
        .arena()
        .copy_from(&vec![1_u8; BLOCK_BYTES])
        .expect("a block");
    let sum = |block: Shared<[u8]>| block.iter().map(|n| u64::from(*n)).sum::<u64>();
    assert_eq!(eager.submit(sum, block).join(), Ok(BLOCK_BYTES as u64));
    works(&eager);
}
