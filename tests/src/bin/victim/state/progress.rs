//! The supervisor, or a task, waits in shared state for what another task does, and nobody
//! joins: that other task must be run all the same.

use std::time::Duration;

use forkyard::state::PopError;
use forkyard::{ChunkSize, Event, Queue};
use serde_bytes::ByteBuf;
use tests::census;
use tests::patience::observe_for;

use super::all_ok;
use crate::setup::{Setup, works};

fn set(event: Event) {
    event.set();
}

/// Who waits in shared state, on both sides, takes no CPU.
pub(super) fn idle(setup: &Setup) {
    let pool = setup.pool(2);
    let (go, queue) = (pool.event(), pool.queue::<u8>(1));
    let (go, queue) = (go.expect("an event"), queue.expect("a queue"));
    let task = |(go, n): (Event, u64)| go.wait().map(|()| n);
    let tasks: Vec<_> = (0..4).map(|n| pool.submit(task, (go.clone(), n))).collect();
    let waits = super::waiting(move || queue.pop());
    let tag = std::env::var("FY_TEST_TAG").expect("a tag");
    let processes = census::tagged(&format!("FY_TEST_TAG={tag}"));
    let used = || -> u64 { processes.iter().map(|pid| census::cpu_ns(*pid)).sum() };
    let before = used();
    observe_for(OBSERVED);
    let used = Duration::from_nanos(used() - before);
    assert!(used < OBSERVED / 50, "{used:?} of {OBSERVED:?}");
    go.set();
    for (n, task) in (0..).zip(tasks) {
        assert_eq!(task.join(), Ok(Ok(n)));
    }
    pool.close();
    assert_eq!(waits.join().expect("no hang"), Err(PopError::Closed));
}

const OBSERVED: Duration = Duration::from_secs(2);

/// The one that is waited for comes behind more tasks than lanes and pipes hold.
pub(super) fn behind_pending(setup: &Setup) {
    let pool = setup.pool(2);
    let ready = pool.event().expect("an event");
    let before: Vec<_> = (0..5_000).map(|n: u64| pool.submit(|n| n, n)).collect();
    let setting = pool.submit(set, ready.clone());
    ready.wait().expect("it is set");
    assert_eq!(setting.join(), Ok(()));
    for (n, handle) in (0..).zip(before) {
        assert_eq!(handle.join(), Ok(n));
    }
}

/// It comes behind a task that waits for the supervisor, which waits for it.
pub(super) fn behind_waiting(setup: &Setup) {
    let pool = setup.pool(2);
    for _ in 0..20 {
        let (go, ready) = (pool.event(), pool.event());
        let (go, ready) = (go.expect("an event"), ready.expect("an event"));
        let first: Vec<_> = (0..3).map(|n: u64| pool.submit(|n| n, n)).collect();
        let waits = pool.submit(|go: Event| go.wait().is_ok(), go.clone());
        let between: Vec<_> = (0..9).map(|n: u64| pool.submit(|n| n, n)).collect();
        let setting = pool.submit(set, ready.clone());
        ready.wait().expect("it is set");
        go.set();
        assert_eq!((waits.join(), setting.join()), (Ok(true), Ok(())));
        for handle in first.into_iter().chain(between) {
            assert!(handle.join().is_ok());
        }
    }
}

/// It comes behind a result that is larger than what a pipe holds.
pub(super) fn behind_result(setup: &Setup) {
    let pool = setup.pool(1);
    let ready = pool.event().expect("an event");
    let large = pool.submit(|n: usize| ByteBuf::from(vec![1; n]), 8 << 20);
    let setting = pool.submit(set, ready.clone());
    ready.wait().expect("it is set");
    assert_eq!(large.join().map(|bytes| bytes.len()), Ok(8 << 20));
    assert_eq!(setting.join(), Ok(()));
}

/// Items of one `map` that wait for each other are not put into one chunk, however large the
/// chunks are.
pub(super) fn in_a_chunk(setup: &Setup) {
    let many = std::num::NonZeroUsize::new(100).expect("not zero");
    let builder = setup.builder().workers(3);
    let pool = builder.chunk_size(ChunkSize::Items(many)).build();
    let pool = pool.expect("a pool");
    for _ in 0..10 {
        let barrier = pool.barrier(3).expect("a barrier");
        let met = all_ok(pool.map(
            |barrier: forkyard::Barrier| barrier.wait().is_ok(),
            vec![barrier; 6],
        ));
        assert_eq!(met, [true; 6]);
        let queue = pool.queue::<u64>(1).expect("a queue");
        let side = |(queue, push): (Queue<u64>, bool)| {
            if push {
                (0..20).for_each(|n| queue.push(n).expect("open"));
                queue.close();
                return 0;
            }
            queue.iter().sum::<u64>()
        };
        let sides = [(queue.clone(), false), (queue, true)];
        assert_eq!(all_ok(pool.map(side, sides)), [190, 0]);
    }
    works(&pool);
}
