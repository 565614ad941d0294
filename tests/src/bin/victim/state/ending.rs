//! The pool ends while threads of the supervisor wait in its shared state: they are told.

use std::thread::JoinHandle;
use std::time::Duration;

use forkyard::state::{EventBroken, PopError, PushError};
use forkyard::{Pool, SharedMutex, StateError};

use super::{hold_on, say_who, waiting, who_said};
use crate::setup::{Setup, works};

fn lock_for_ever(mutex: SharedMutex<u64>) -> u64 {
    let _held = mutex.lock().expect("sound");
    say_who("locked");
    hold_on()
}

/// A thread for each way to wait for a process of the pool. Each says whether it was told.
fn wait_in_every_way(pool: &Pool) -> Vec<JoinHandle<bool>> {
    let mutex = pool.mutex(0_u64).expect("a mutex");
    let _held = pool.submit(lock_for_ever, mutex.clone());
    who_said("locked");
    let (event, barrier) = (pool.event(), pool.barrier(2));
    let (event, barrier) = (event.expect("an event"), barrier.expect("a barrier"));
    let (full, empty) = (pool.queue(1), pool.queue::<u8>(1));
    let (full, empty) = (full.expect("a queue"), empty.expect("a queue"));
    full.push(1_u8).expect("there is room");
    vec![
        waiting(move || mutex.lock().is_err()),
        waiting(move || event.wait() == Err(EventBroken::Abandoned)),
        waiting(move || barrier.wait().is_err()),
        waiting(move || full.push(2) == Err(PushError::Closed)),
        waiting(move || empty.pop() == Err(PopError::Closed)),
    ]
}

#[track_caller]
fn all_were_told(waits: Vec<JoinHandle<bool>>) {
    for wait in waits {
        assert!(wait.join().expect("no panic"));
    }
}

/// An abort from elsewhere.
pub(super) fn abort(setup: &Setup) {
    let pool = setup.pool(2);
    let waits = wait_in_every_way(&pool);
    pool.abort_handle().abort(Duration::from_millis(20));
    all_were_told(waits);
    drop(pool);
    works(&setup.pool(1));
}

/// The pool is dropped.
pub(super) fn drop_pool(setup: &Setup) {
    let pool = setup.pool(2);
    let waits = wait_in_every_way(&pool);
    drop(pool);
    all_were_told(waits);
}

/// The pool is closed: what was pushed before can still be popped.
pub(super) fn close(setup: &Setup) {
    let pool = setup.pool(2);
    let queue = pool.queue::<u64>(100).expect("a queue");
    let event = pool.event().expect("an event");
    let ours = queue.clone();
    let sums = waiting(move || ours.iter().sum::<u64>());
    let waits = waiting(move || event.wait() == Err(EventBroken::Abandoned));
    let push = |(queue, n): (forkyard::Queue<u64>, u64)| queue.push(n).is_ok();
    super::all_ok(pool.map(push, (0..50).map(|n| (queue.clone(), n))));
    pool.close();
    assert_eq!(sums.join().expect("no hang"), 1225);
    assert!(waits.join().expect("no hang"));
    assert_eq!(queue.push(1), Err(PushError::Closed));
}

/// State outlives its pool; none is made for a pool that has ended.
pub(super) fn after_the_end(setup: &Setup) {
    let pool = setup.pool(1);
    let (mutex, cell) = (pool.mutex(1_u64), pool.cell(2_u32));
    let (mutex, cell) = (mutex.expect("a mutex"), cell.expect("a cell"));
    pool.abort_handle().kill();
    tests::until("the pool has ended", tests::patience::LIVENESS, || {
        matches!(pool.event(), Err(StateError::PoolEnded)).then_some(())
    });
    drop(pool);
    *mutex.lock().expect("nobody had it") += cell.fetch_add(1) as u64;
    assert_eq!((*mutex.lock().expect("sound"), cell.load()), (3, 3));
}
