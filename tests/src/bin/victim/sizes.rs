//! None, one, many; small, large, too large.

use std::num::NonZeroUsize;

use forkyard::{BuildError, ChunkSize, TaskError};
use serde_bytes::ByteBuf;
use tests::patience::LIVENESS;
use tests::{census, gate};

use crate::Scenario;
use crate::setup::{Setup, works};

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("sizes/counts", counts),
    ("sizes/chunks", chunks),
    ("sizes/order", order),
    ("sizes/timeout", timeout),
    ("sizes/large", large),
    ("sizes/edges", edges),
    ("sizes/queued", queued),
    ("sizes/tiny-shm", tiny_shm),
    ("sizes/small-shm", small_shm),
    ("sizes/over-the-limit", over_the_limit),
];

/// No task, one task, fewer tasks than workers.
fn counts(setup: &Setup) {
    let pool = setup.pool(5);
    for count in [0, 1, 2, 4, 5, 6] {
        let results = pool.map(|n: u64| n + 10, 0..count);
        assert_eq!(results, (0..count).map(|n| Ok(n + 10)).collect::<Vec<_>>());
    }
    assert_eq!(pool.map(|()| (), std::iter::empty()), []);
    assert_eq!(pool.submit(|()| (), ()).join(), Ok(()));
    let report = pool.close();
    assert_eq!(report.processes.len(), 5);
    setup.pool(1).close();
    drop(setup.pool(2));
}

/// Every chunk size, on inputs that do not divide by it.
fn chunks(setup: &Setup) {
    let fixed = [1, 2, 7, 1000, 70_000];
    let fixed = fixed.map(|n| ChunkSize::Items(NonZeroUsize::new(n).expect("not zero")));
    for chunk in fixed.into_iter().chain([ChunkSize::Auto]) {
        let pool = setup.builder().workers(2).chunk_size(chunk);
        let pool = pool.build().expect("a pool");
        for count in [0, 1, 2, 999, 1000, 20_000] {
            let words = (0..count).map(|n| n.to_string().repeat(n % 5));
            let results = pool.map(|word: String| word.len(), words.clone());
            let wanted: Vec<_> = words.map(|word| Ok(word.len())).collect();
            assert_eq!(results, wanted, "{count} by {chunk}");
        }
        works(&pool);
    }
}

/// Results come in the order of the items, whatever the order in which they are done.
fn order(setup: &Setup) {
    let pool = setup.pool(2);
    let task = |n: u64| {
        crate::setup::spin(if n.is_multiple_of(7) { 3000 } else { 10 });
        n
    };
    let results = pool.map(task, 0..500);
    assert_eq!(results, (0..500).map(Ok).collect::<Vec<_>>());
}

/// Whoever gives up waiting for one of many can have the others, use the pool, and have that one later.
fn timeout(setup: &Setup) {
    let pool = setup.pool(2);
    let task = |n: u64| {
        if n == 50 {
            gate::wait("enough");
        }
        n * 3
    };
    let mut handles: Vec<_> = (0..100).map(|n| pool.submit(task, n)).collect();
    let mut held = handles.remove(50);
    for _ in 0..3 {
        assert_eq!(held.join_timeout(std::time::Duration::from_millis(5)), None);
    }
    let others = (0..100).filter(|n| *n != 50);
    for (n, handle) in others.zip(handles) {
        assert_eq!(handle.join(), Ok(n * 3));
    }
    works(&pool);
    gate::say("enough", "");
    works(&pool);
    assert_eq!(held.join_timeout(LIVENESS), Some(Ok(150)));
}

fn pattern(len: usize) -> ByteBuf {
    ByteBuf::from((0..len).map(|i| (i % 251) as u8).collect::<Vec<_>>())
}

/// One large argument, one large result, of the size given.
fn large(setup: &Setup) {
    let bytes = usize::try_from(setup.number()).expect("a length");
    let pool = setup.pool(1);
    let argument = ByteBuf::from(vec![9; bytes]);
    let ends = |bytes: ByteBuf| (bytes.len(), bytes[0], bytes[bytes.len() - 1]);
    assert_eq!(pool.submit(ends, argument).join(), Ok((bytes, 9, 9)));
    let result = pool
        .submit(|n: usize| ByteBuf::from(vec![8; n]), bytes)
        .join();
    let result = result.expect("a large result");
    // A page at a time: byte by byte it takes longer than all else.
    let is_whole = |page: &[u8]| page == &[8; 4096][..page.len()];
    assert!(result.len() == bytes && result.chunks(4096).all(is_whole));
    drop(result);
    works(&pool);
}

/// Lengths around every limit there is on the way: slots, packets, blocks, windows.
fn edges(setup: &Setup) {
    let pool = setup.pool(2);
    let near = |edge: usize| edge.saturating_sub(80)..edge + 80;
    let slots = near(40).chain(near(112)).chain(near(4096));
    let packets = near(65_024).chain(near(65_536)).chain(near(130_048));
    let windows = [204_800, 204_801, 262_143, 262_144, 1 << 20, (1 << 20) + 1];
    let lengths: Vec<usize> = slots.chain(packets).chain(windows).collect();
    let results = pool.map(|bytes: ByteBuf| bytes, lengths.iter().map(|n| pattern(*n)));
    for (len, result) in lengths.iter().zip(results) {
        assert_eq!(result, Ok(pattern(*len)), "{len} bytes");
    }
}

/// 100,000 tasks wait at a time.
fn queued(setup: &Setup) {
    let pool = setup.pool(2);
    let handles: Vec<_> = (0..100_000)
        .map(|n: u64| pool.submit(|n| n ^ 5, n))
        .collect();
    assert!(census::open_files() < 256);
    for (n, handle) in (0..).zip(handles) {
        assert_eq!(handle.join(), Ok(n ^ 5));
    }
    works(&pool);
}

/// Room for less than a control segment.
fn tiny_shm(setup: &Setup) {
    let Err(error) = setup.builder().workers(2).build() else {
        panic!("a pool was built without room for it");
    };
    assert!(matches!(error, BuildError::Segment(_)), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("/dev/shm"), "{text}");
    assert!(census::segments_of(std::process::id()).is_empty());
}

/// Room for a pool, but not for what is sent through it.
fn small_shm(setup: &Setup) {
    let pool = setup.pool(2);
    let len = |bytes: ByteBuf| bytes.len();
    for _ in 0..3 {
        let result = pool.submit(len, ByteBuf::from(vec![1; 32 << 20])).join();
        let wide = pool
            .submit(|n: usize| ByteBuf::from(vec![1; n]), 32 << 20)
            .join();
        let wide = wide.map(|bytes| bytes.len());
        for result in [result, wide] {
            match result {
                Ok(len) => assert!(!setup.is_shared() && len == 32 << 20),
                Err(TaskError::SharedMemory(why)) => {
                    assert!(setup.is_shared() && why.contains("/dev/shm"), "{why}");
                }
                Err(other) => panic!("{other}"),
            }
        }
        let alone = pool.arena().alloc::<u8>(32 << 20).map(|_| ());
        let error = alone.expect_err("there is no room").to_string();
        assert!(error.contains("/dev/shm"), "{error}");
        works(&pool);
    }
    // More in all than there is room for at a time.
    let many = (0..40).map(|n| ByteBuf::from(vec![n; 1 << 20]));
    for (n, result) in pool
        .map(|bytes: ByteBuf| bytes[77], many)
        .into_iter()
        .enumerate()
    {
        assert_eq!(result, Ok(n as u8));
    }
    works(&pool);
}

/// A pool's own limit holds for arguments, results and the arena alike.
fn over_the_limit(setup: &Setup) {
    let pool = setup.builder().workers(2).arena_limit(4 << 20);
    let pool = pool.build().expect("a pool");
    let argument = pool.submit(|b: ByteBuf| b.len(), ByteBuf::from(vec![1; 16 << 20]));
    let result = pool.submit(|n: usize| ByteBuf::from(vec![1; n]), 16 << 20);
    let result = result.join().map(|bytes| bytes.len());
    for outcome in [argument.join(), result] {
        if setup.is_shared() {
            let Err(TaskError::SharedMemory(why)) = outcome else {
                panic!("{outcome:?}");
            };
            assert!(why.contains("limit"), "{why}");
        } else {
            assert_eq!(outcome, Ok(16 << 20));
        }
    }
    // The same within a map, between items that fit.
    let lengths = [10, 16 << 20, 20, 16 << 20, 30];
    let results = pool.map(|n: usize| ByteBuf::from(vec![1; n]), lengths);
    for (len, result) in lengths.into_iter().zip(results) {
        match result {
            Ok(bytes) => assert_eq!(bytes.len(), len),
            Err(TaskError::SharedMemory(_)) => assert!(setup.is_shared() && len > 100),
            Err(other) => panic!("{other}"),
        }
    }
    let error = pool
        .arena()
        .alloc::<u64>(1 << 21)
        .expect_err("over the limit");
    assert!(error.to_string().contains("limit"), "{error}");
    works(&pool);
}
