//! Many items: as iterators, as tuples, with something lent, folded.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use forkyard::{Done, Event, Search, TaskError, context};
use forkyard_os::usage::peak_rss_bytes;
use serde_bytes::ByteBuf;
use tests::patience::{LIVENESS, until};
use tests::{census, gate};

use crate::setup::{Setup, kill_myself, works};

pub(super) fn imap(setup: &Setup) {
    let pool = setup.pool(2);
    for count in [0, 1, 2, 100, 20_000_u64] {
        let squares: Vec<_> = pool.imap(|n: u64| n * n, 0..count).collect();
        assert_eq!(squares.len() as u64, count);
        assert!(
            squares
                .into_iter()
                .enumerate()
                .all(|(n, s)| s == Ok((n * n) as u64))
        );
        let mut unordered: Vec<_> = pool.imap_unordered(|n: u64| n * n, 0..count).collect();
        unordered.sort_by_key(|(n, _)| *n);
        assert_eq!(unordered.len() as u64, count);
        assert!(unordered.into_iter().all(|(n, s)| s == Ok((n * n) as u64)));
    }
    // Nothing is taken in before the first result is asked for.
    let taken = Cell::new(0);
    let items = (0..10_u64).inspect(|_| taken.set(taken.get() + 1));
    let mut lazy = pool.imap(|n: u64| n, items);
    assert_eq!(taken.get(), 0);
    assert_eq!(lazy.next(), Some(Ok(0)));
    // Two at a time, and one that maps within.
    let mut other = pool.imap(|n: u64| n + 1, 0..1000_u64);
    for n in 1..10 {
        assert_eq!(lazy.next(), Some(Ok(n)));
        assert_eq!(other.next(), Some(Ok(n)));
    }
    assert_eq!(lazy.next(), None);
    works(&pool);
}

/// case 20: endless items, results one at a time, a bounded number in between.
pub(super) fn imap_endless(setup: &Setup) {
    let pool = setup.pool(2);
    let window = 500;
    for ordered in [true, false] {
        let taken = Rc::new(Cell::new(0_u64));
        let count = Rc::clone(&taken);
        let endless = (0_u64..).inspect(move |_| count.set(count.get() + 1));
        let task = pool.task(|n: u64| n).window(window);
        let results: Box<dyn Iterator<Item = Result<u64, TaskError>>> = if ordered {
            Box::new(task.imap(endless))
        } else {
            Box::new(task.imap_unordered(endless).map(|(_, result)| result))
        };
        let before = peak_rss_bytes();
        for (at, result) in results.take(300_000).enumerate() {
            let result = result.expect("a result");
            assert!(!ordered || result == at as u64);
            // One may be held that did not fit any more.
            assert!(
                taken.get() <= at as u64 + window as u64 + 1,
                "{} at {at}",
                taken.get()
            );
        }
        let grown = peak_rss_bytes().saturating_sub(before);
        assert!(grown < 16 << 20, "{grown} bytes more");
    }
    works(&pool);
}

/// case 20: the same with large results and nothing said about a window: whoever takes long over each
/// result finds a bounded number of bytes in between, in this process and in the arena.
pub(super) fn imap_large(setup: &Setup) {
    const RESULT_BYTES: usize = 1 << 20;
    const WORKERS: usize = 2;
    /// What is said to be the default.
    const WINDOW_BYTES: u64 = WORKERS as u64 * (32 << 20);
    const RESULTS: usize = 300;
    for ordered in [true, false] {
        let pool = setup.pool(WORKERS);
        let taken = Rc::new(Cell::new(0_u64));
        let count = Rc::clone(&taken);
        let endless = (0_u64..).inspect(move |_| count.set(count.get() + 1));
        let make = |n: u64| ByteBuf::from(vec![n as u8; RESULT_BYTES]);
        let task = pool.task(make);
        let results: Box<dyn Iterator<Item = Result<ByteBuf, TaskError>>> = if ordered {
            Box::new(task.imap(endless))
        } else {
            Box::new(task.imap_unordered(endless).map(|(_, result)| result))
        };
        let before = census::resident_bytes();
        let (mut most, mut most_ahead) = (0, 0);
        for (at, result) in results.take(RESULTS).enumerate() {
            assert_eq!(result.expect("a result").len(), RESULT_BYTES);
            let ahead = taken.get() - at as u64 - 1;
            most_ahead = most_ahead.max(ahead);
            // So slow that what was sent is done, and taken, before the next is asked for.
            assert!((0..2).all(|n| pool.submit(make, n).join().is_ok()));
            most = most.max(census::resident_bytes());
        }
        let ahead_bytes = most_ahead * RESULT_BYTES as u64;
        // One may be held that did not fit any more.
        let most_bytes = WINDOW_BYTES + RESULT_BYTES as u64;
        assert!(ahead_bytes <= most_bytes, "{most_ahead} ahead");
        assert!(ahead_bytes >= WINDOW_BYTES / 2, "only {most_ahead} ahead");
        let grown = most.saturating_sub(before);
        let reserved = pool.arena().stats().peak_reserved_bytes;
        assert!(
            grown < 3 * WINDOW_BYTES && reserved < 2 * WINDOW_BYTES,
            "{grown} bytes more, {reserved} in the arena"
        );
        works(&pool);
    }
}

/// The first item takes long: others are done meanwhile, but not for ever ahead of it.
pub(super) fn imap_slow_head(setup: &Setup) {
    let pool = setup.pool(2);
    let taken = Cell::new(0_u64);
    let items = (0..10_000_u64).inspect(|_| taken.set(taken.get() + 1));
    let task = |n: u64| {
        if n == 0 {
            gate::wait("head");
        }
        n
    };
    let mut results = pool.task(task).window(100).imap(items);
    assert_eq!(
        results.next_timeout(Duration::from_millis(50)),
        Done::NoneYet
    );
    assert!(taken.get() <= 101, "{}", taken.get());
    gate::say("head", "");
    assert!(
        results
            .enumerate()
            .all(|(n, result)| result == Ok(n as u64))
    );
    works(&pool);
}

/// case 17: a wait that gives up in the middle loses nothing.
pub(super) fn imap_timeout(setup: &Setup) {
    let pool = setup.pool(2);
    let task = |n: u64| {
        gate::wait(&format!("item-{n}"));
        n
    };
    let mut results = pool.task(task).chunk_size(1).imap(0..4_u64);
    for n in 0..4 {
        assert_eq!(
            results.next_timeout(Duration::from_millis(5)),
            Done::NoneYet
        );
        gate::say(&format!("item-{n}"), "");
        assert_eq!(results.next_timeout(LIVENESS), Done::One(n as usize, Ok(n)));
    }
    assert_eq!(results.next_timeout(LIVENESS), Done::NoneLeft);
    works(&pool);
}

/// Left in the middle, the rest is not run, and the pool goes on.
pub(super) fn imap_left(setup: &Setup) {
    let pool = setup.pool(2);
    for _ in 0..50 {
        let mut results = pool.imap_unordered(|n: u64| n, 0_u64..);
        assert!(results.next().is_some());
        drop(results);
        works(&pool);
    }
    let held = |n: u64| {
        gate::arrive("begun");
        if n > 0 {
            gate::wait("left");
        }
        n
    };
    let mut results = pool.task(held).chunk_size(1).imap(0..1000);
    assert_eq!(results.next(), Some(Ok(0)));
    until("two at work", LIVENESS, || {
        (gate::arrived("begun") == 3).then_some(())
    });
    drop(results);
    gate::say("left", "");
    works(&pool);
    assert_eq!(gate::arrived("begun"), 3);

    let pool = setup.pool(2);
    let mut results = pool.imap(|n: u64| n, 0_u64..);
    assert_eq!(results.next(), Some(Ok(0)));
    pool.abort_handle().abort(Duration::ZERO);
    // What is there may still come; then there is nothing more.
    assert!(results.take(200_000).count() < 200_000);
}

/// An item that fails, or kills its worker, leaves the others alone.
pub(super) fn imap_errors(setup: &Setup) {
    let pool = setup.pool(2);
    let task = |n: u64| match n {
        7 => panic!("on purpose"),
        30 => kill_myself(),
        n => n,
    };
    let results: Vec<_> = pool.task(task).chunk_size(1).imap(0..60_u64).collect();
    for (n, result) in results.into_iter().enumerate() {
        match n {
            7 => assert!(matches!(result, Err(TaskError::Panicked(_)))),
            30 => assert!(matches!(result, Err(TaskError::WorkerDied(_)))),
            n => assert_eq!(result, Ok(n as u64)),
        }
    }
    works(&pool);
}

/// No worker is sent more ahead than it is said, and all is done all the same.
pub(super) fn queue_depth(setup: &Setup) {
    let pool = setup.builder().workers(2).queue_depth(1);
    let pool = pool.build().expect("a pool");
    works(&pool);
    let held = [0, 1].map(|n| pool.submit(|n: u64| gate::wait(&format!("depth-{n}")), n));
    let more: Vec<_> = (0..20).map(|n| pool.submit(|n: u64| n, n)).collect();
    let stats = pool.stats();
    assert_eq!(stats.pending, 20, "{stats}");
    gate::say("depth-0", "");
    for (n, handle) in more.into_iter().enumerate() {
        assert_eq!(handle.join(), Ok(n as u64));
    }
    gate::say("depth-1", "");
    for handle in held {
        assert_eq!(handle.join(), Ok(()));
    }
}

pub(super) fn starmap(setup: &Setup) {
    let pool = setup.pool(2);
    assert_eq!(
        pool.starmap(u64::pow, [(2, 10), (3, 4)]),
        [Ok(1024), Ok(81)]
    );
    let joined = pool.starmap(
        |a: String, b: u8, c: char, d: bool| format!("{a}{b}{c}{d}"),
        (0..50).map(|n| ("x".to_owned(), n, 'c', n % 2 == 0)),
    );
    assert_eq!(joined[7], Ok("x7cfalse".to_owned()));
    assert_eq!(joined.len(), 50);
    works(&pool);
}

pub(super) fn map_with(setup: &Setup) {
    let pool = setup.pool(2);
    let table: BTreeMap<u64, String> = (0..10_000).map(|n| (n, format!("number {n}"))).collect();
    let named = pool.map_with(&table, |table, n: u64| table[&n].clone(), 0..10_000_u64);
    for (n, name) in named.into_iter().enumerate() {
        assert_eq!(name, Ok(format!("number {n}")));
    }
    // Each worker decodes it once, and a new one anew.
    let counted = pool.map_with(
        &Counted(5),
        |five, n: u64| (five.0 + n, decoded()),
        0..5_000_u64,
    );
    for (n, result) in counted.into_iter().enumerate() {
        let (sum, decoded) = result.expect("a result");
        assert_eq!((sum, decoded), (5 + n as u64, 1));
    }
    // What cannot be lent, or encoded, fails all items and nothing else.
    let owned = pool.arena().alloc_zeroed::<u8>(100).expect("memory");
    let refused = pool.map_with(&owned, |_, n: u64| n, 0..3_u64);
    assert_eq!(refused.len(), 3);
    assert!(
        refused
            .iter()
            .all(|r| matches!(r, Err(TaskError::EncodeArgument(_)))),
        "{refused:?}"
    );
    assert_eq!(owned.len(), 100);
    let shared = owned.into_shared();
    let lengths = pool.map_with(&shared, |bytes, n: usize| bytes.len() + n, 0..3_usize);
    assert_eq!(lengths, [Ok(100), Ok(101), Ok(102)]);
    // Tasks that wait for each other through what they are lent.
    let event = pool.event().expect("an event");
    let task = |event: &Event, n: u64| {
        if n == 0 {
            event.wait().expect("set by the other");
        } else {
            event.set();
        }
        n
    };
    assert_eq!(pool.map_with(&event, task, 0..2_u64), [Ok(0), Ok(1)]);
    works(&pool);
}

/// Counts how often it is decoded in this process.
struct Counted(u64);

static DECODED: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

fn decoded() -> u64 {
    DECODED.load(std::sync::atomic::Ordering::Relaxed)
}

impl serde::Serialize for Counted {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> serde::Deserialize<'de> for Counted {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        DECODED.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        u64::deserialize(deserializer).map(Counted)
    }
}

pub(super) fn any_all(setup: &Setup) {
    let pool = setup.pool(2);
    let is_even = |_: &Search<'_>, n: u64| n.is_multiple_of(2);
    assert_eq!(pool.any(is_even, [1, 3, 5]), Ok(false));
    assert_eq!(pool.any(is_even, [1, 3, 4]), Ok(true));
    assert_eq!(pool.any(is_even, 0_u64..), Ok(true));
    assert_eq!(pool.all(is_even, [2, 4]), Ok(true));
    assert_eq!(pool.all(is_even, [2, 3]), Ok(false));
    assert_eq!(pool.all(is_even, 0_u64..), Ok(false));
    assert_eq!(pool.any(is_even, []), Ok(false));
    assert_eq!(pool.all(is_even, []), Ok(true));
    let fails = |_: &Search<'_>, n: u64| {
        assert_ne!(n, 3, "on purpose");
        n == 9
    };
    assert!(pool.any(fails, [1, 3]).is_err());
    works(&pool);
}

pub(super) fn reduce(setup: &Setup) {
    let pool = setup.pool(3);
    for count in [1, 2, 10, 10_000_u64] {
        let sum = pool.reduce(|n: u64| n * n, |a, b| a + b, 0..count);
        assert_eq!(sum, Ok(Some((0..count).map(|n| n * n).sum())));
    }
    assert_eq!(pool.reduce(|n: u64| n, |a, b| a + b, 0..0), Ok(None));
    // In the order of the items, whoever is done first.
    let text = pool.reduce(|n: u64| n.to_string(), |a, b| a + &b, 0..2_000_u64);
    let expected: String = (0..2_000).map(|n| n.to_string()).collect();
    assert_eq!(text, Ok(Some(expected)));
    // Folded in workers: far fewer pieces come back than there are items.
    let workers = pool.reduce(
        |_: u64| u64::from(context().worker().is_some()),
        |a, b| {
            assert!(a > 0 && b > 0);
            a + b
        },
        0..5_000_u64,
    );
    assert_eq!(workers, Ok(Some(5_000)));
    works(&pool);
}

pub(super) fn reduce_fails(setup: &Setup) {
    let pool = setup.pool(2);
    let taken = Cell::new(0_u64);
    let endless = (0_u64..).inspect(|_| taken.set(taken.get() + 1));
    let task = |n: u64| {
        assert_ne!(n, 500, "on purpose");
        n
    };
    let failed = pool.reduce(task, u64::max, endless);
    match failed {
        Err(TaskError::Panicked(panic)) => assert!(panic.message.contains("on purpose")),
        other => panic!("{other:?}"),
    }
    let killed = pool.reduce(
        |n: u64| if n == 3 { kill_myself() } else { n },
        |a, b| a + b,
        0..9,
    );
    assert!(
        matches!(killed, Err(TaskError::WorkerDied(_))),
        "{killed:?}"
    );
    works(&pool);
}
