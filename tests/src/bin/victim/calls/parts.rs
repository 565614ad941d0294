//! Disjoint parts of a block, written where they lie.

use std::time::Duration;

use forkyard::{NotRetried, OnCrash, TaskError};
use tests::gate;
use tests::patience::{LIVENESS, until};

use crate::setup::{Setup, kill_myself, works};

pub(super) fn parts(setup: &Setup) {
    let pool = setup.pool(3);
    for (elements, len) in [(1, 1), (10, 3), (10, 100), (100_000, 1 << 10), (0, 5)] {
        let mut data = pool.arena().alloc_zeroed::<u32>(elements).expect("memory");
        let done = pool.for_each_chunk_mut(&mut data, len, |start, part: &mut [u32]| {
            for (i, n) in part.iter_mut().enumerate() {
                *n += (start + i) as u32;
            }
            part.len()
        });
        assert_eq!(done.len(), elements.div_ceil(len));
        let written: usize = done.into_iter().map(|part| part.expect("a part")).sum();
        assert_eq!(written, elements);
        assert!(data.iter().enumerate().all(|(i, n)| *n == i as u32));
    }
    // Again and again on the same block, which nobody else gets meanwhile.
    let mut data = pool.arena().alloc_zeroed::<u64>(5_000).expect("memory");
    for round in 1..=50 {
        let done = pool.for_each_chunk_mut(&mut data, 500, |_, part: &mut [u64]| {
            part.iter_mut().for_each(|n| *n += 1);
        });
        assert!(done.into_iter().all(|part| part == Ok(())));
        assert!(data.iter().all(|n| *n == round));
    }
    let other = setup.pool(1);
    let strange = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        other.for_each_chunk_mut(&mut data, 500, |_, part: &mut [u64]| part.len())
    }));
    assert!(strange.is_err());
    assert_eq!(data.len(), 5_000);
    works(&pool);
}

pub(super) fn parts_fail(setup: &Setup) {
    let pool = setup.pool(2);
    let mut data = pool.arena().alloc_zeroed::<u8>(100).expect("memory");
    let task = pool.task(|start: usize, part: &mut [u8]| match start {
        20 => panic!("on purpose"),
        50 => kill_myself(),
        _ => part.fill(1),
    });
    let done = task.chunk_size(1).for_each_chunk_mut(&mut data, 10);
    for (at, result) in done.into_iter().enumerate() {
        match at {
            2 => assert!(matches!(result, Err(TaskError::Panicked(_)))),
            5 => assert!(matches!(result, Err(TaskError::WorkerDied(_)))),
            _ => assert_eq!(result, Ok(())),
        }
    }
    let ones = data.iter().filter(|n| **n == 1).count();
    assert_eq!(ones, 80);
    // The block is ours again, as it was.
    data.fill(7);
    let sum = pool.submit(|data: forkyard::Owned<[u8]>| data.len(), data);
    assert_eq!(sum.join(), Ok(100));
    works(&pool);
}

/// A part that was half written is not run again, whatever is said of crashes; it costs no other.
pub(super) fn parts_retried_never(setup: &Setup) {
    let again = OnCrash::Retry { max: 3 };
    let pool = setup.builder().workers(2).on_crash(again);
    let pool = pool.build().expect("a pool");
    let mut data = pool.arena().alloc_zeroed::<u8>(100).expect("memory");
    let add = |start: usize, part: &mut [u8]| {
        for (i, n) in part.iter_mut().enumerate() {
            if (start, i) == (50, 5) {
                kill_myself();
            }
            *n += 1;
        }
    };
    for (at, result) in (0..).zip(pool.for_each_chunk_mut(&mut data, 10, add)) {
        match result {
            Err(TaskError::GaveUp(gave_up)) if at == 5 => {
                let why = (gave_up.why, gave_up.deaths.len());
                assert_eq!(why, (NotRetried::ArgumentLost, 1));
            }
            other => assert_eq!((at == 5, other), (false, Ok(()))),
        }
    }
    let written = |at: usize| u8::from(!(55..60).contains(&at));
    assert!(
        (0..100).all(|at| data[at] == written(at)),
        "{:?}",
        &data[..]
    );
    works(&pool);
    assert_eq!(pool.close().died(), 1);
}

/// After an abort it returns when no worker can write any more.
pub(super) fn parts_aborted(setup: &Setup) {
    let pool = setup.pool(2);
    let mut data = pool.arena().alloc_zeroed::<u64>(1 << 10).expect("memory");
    let abort = pool.abort_handle();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            until("the workers write", LIVENESS, || {
                (gate::arrived("writes") >= 2).then_some(())
            });
            abort.abort(Duration::from_millis(50));
        });
        let done = pool.for_each_chunk_mut(&mut data, 512, |_, part: &mut [u64]| {
            gate::arrive("writes");
            loop {
                part.iter_mut().for_each(|n| *n = n.wrapping_add(1));
            }
        });
        assert_eq!(done, vec![Err::<(), _>(TaskError::Aborted); 2]);
    });
    let seen = data.to_vec();
    for _ in 0..1000 {
        assert_eq!(&data[..], &seen[..]);
    }
}
