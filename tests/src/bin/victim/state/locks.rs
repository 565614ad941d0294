//! Mutexes and semaphores, and those who die with them.

use std::time::Duration;

use forkyard::state::{NotLocked, OwnerDied};
use forkyard::{ProcessTimings, Semaphore, SharedCell, SharedMutex};
use tests::gate;
use tests::patience::{LIVENESS, observe_for, until};

use super::{all_ok, died, hold_on, kill_one, kill_who_said, no_block_is_left, say_who, waiting};
use crate::setup::{Setup, works};

/// Two numbers that are always equal when nobody holds the lock.
type Pair = SharedMutex<[u64; 2]>;

fn add_to_both((pair, times): (Pair, u64)) {
    for _ in 0..times {
        let mut pair = pair.lock().expect("nobody dies");
        pair[0] += 1;
        assert_eq!(pair[0], pair[1] + 1);
        pair[1] += 1;
    }
}

/// Many increments by all workers and the supervisor: none is lost.
pub(super) fn counter(setup: &Setup) {
    let pool = setup.pool(4);
    let pair = pool.mutex([0_u64; 2]).expect("a mutex");
    let cell = pool.cell(0_i64).expect("a cell");
    let ours = pair.clone();
    let here = std::thread::spawn(move || add_to_both((ours, 500)));
    all_ok(pool.map(add_to_both, (0..40).map(|_| (pair.clone(), 200))));
    let count = |cell: SharedCell<i64>| cell.fetch_add(-1);
    all_ok(pool.map(count, vec![cell.clone(); 300]));
    here.join().expect("no panic");
    assert_eq!(*pair.lock().expect("nobody dies"), [8_500; 2]);
    assert_eq!(cell.load(), -300);
    drop((pair, cell));
    no_block_is_left(&pool);
}

fn die_in_the_middle(pair: Pair) -> u64 {
    let mut pair = pair.lock().expect("the first one");
    pair[0] = 7;
    say_who("in the middle");
    hold_on()
}

fn repair(pair: Pair) -> [u64; 2] {
    let mut died = pair.lock().expect_err("broken");
    died.guard[1] = died.guard[0];
    died.guard.repair();
    *died.guard
}

/// The holder of a lock is killed: those who wait, in the supervisor and in workers, get the
/// data and an error, not a hang; until somebody repairs it.
pub(super) fn case_42(setup: &Setup) {
    let pool = setup.pool(2);
    let pair = pool.mutex([1_u64; 2]).expect("a mutex");
    let doomed = pool.submit(die_in_the_middle, pair.clone());
    super::who_said("in the middle");
    let held = pair.try_lock().expect_err("it is held");
    assert!(matches!(held, NotLocked::Held { .. }), "{held}");
    let ours = pair.clone();
    let waits = waiting(move || {
        let OwnerDied { guard, owner } = ours.lock().expect_err("its holder has died");
        (*guard, owner.worker())
    });
    let worker = kill_who_said("in the middle");
    assert_eq!(waits.join().expect("no hang"), ([7, 1], Some(worker)));
    died(&doomed.join());
    let text = pair.lock().expect_err("not repaired yet").to_string();
    assert!(text.starts_with(&format!("worker {worker} died")), "{text}");
    assert_eq!(pool.submit(repair, pair.clone()).join(), Ok([7, 7]));
    assert_eq!(*pair.lock().expect("repaired"), [7, 7]);
    works(&pool);
}

/// A panic with the lock held breaks the data as a death does; the worker lives.
pub(super) fn panic(setup: &Setup) {
    let pool = setup.pool(1);
    let pair = pool.mutex([1_u64; 2]).expect("a mutex");
    let task = |pair: Pair| {
        let mut pair = pair.lock().expect("sound");
        pair[0] = 2;
        panic!("in the middle")
    };
    let panicked: Result<(), _> = pool.submit(task, pair.clone()).join();
    assert!(panicked.is_err());
    let late = pair.lock_timeout(Duration::from_secs(60));
    let Err(NotLocked::OwnerDied(late)) = late else {
        panic!("{late:?}");
    };
    assert_eq!((*late.guard, late.owner.worker()), ([2, 1], Some(0)));
    drop(late);
    assert!(pool.close().deaths.is_empty());
}

/// Adds, with a permit, and puts right what a dead one has left.
fn add_and_repair((pair, permits): (Pair, Semaphore)) {
    for _ in 0..TIMES {
        let _permit = permits.acquire();
        let mut pair = pair.lock().unwrap_or_else(|OwnerDied { mut guard, .. }| {
            guard[1] = guard[0];
            guard.repair();
            guard
        });
        assert_eq!(pair[0], pair[1], "nobody is told of a half change");
        pair[0] += 1;
        pair[1] += 1;
    }
}

const TIMES: u64 = 300;

/// Holders are killed at random, at whatever point: no lock and no permit is lost, no half
/// change goes unnoticed, and what was done was counted.
pub(super) fn deaths(setup: &Setup) {
    let pool = setup.builder().workers(4).most_failed_starts(1000);
    let pool = pool.build().expect("a pool");
    let pair = pool.mutex([0_u64; 2]).expect("a mutex");
    let permits = pool.semaphore(3).expect("a semaphore");
    let (mut done, mut dead) = (0, 0);
    for round in 0..15 {
        let argument = || (pair.clone(), permits.clone());
        let tasks: Vec<_> = (0..6)
            .map(|_| pool.submit(add_and_repair, argument()))
            .collect();
        kill_one(&pool, 2 * round);
        kill_one(&pool, 2 * round + 1);
        for task in tasks {
            match task.join() {
                Ok(()) => done += 1,
                gone => {
                    died(&gone);
                    dead += 1;
                }
            }
        }
    }
    add_and_repair((pair.clone(), permits.clone()));
    done += 1;
    let [sum, _] = *pair.lock().expect("repaired");
    let most = (done + dead) * TIMES;
    assert!((done * TIMES..=most).contains(&sum), "{sum} of {most}");
    // A worker may have died without a task in hand a moment ago.
    until("every permit is back", LIVENESS, || {
        (permits.free() == 3).then_some(())
    });
    works(&pool);
}

/// Never more than there are permits.
pub(super) fn semaphore(setup: &Setup) {
    let pool = setup.pool(4);
    let permits = pool.semaphore(2).expect("a semaphore");
    let (inside, most) = (pool.cell(0_u64), pool.cell(0_u64));
    let (inside, most) = (inside.expect("a cell"), most.expect("a cell"));
    let task = |(permits, inside, most): (Semaphore, SharedCell<u64>, SharedCell<u64>)| {
        let permit = permits.acquire();
        most.fetch_max(inside.fetch_add(1) + 1);
        observe_for(Duration::from_millis(2));
        inside.fetch_add(u64::MAX);
        permit.release();
    };
    let argument = || (permits.clone(), inside.clone(), most.clone());
    all_ok(pool.map(task, (0..40).map(|_| argument())));
    assert_eq!((inside.load(), permits.free()), (0, 2));
    assert!((1..=2).contains(&most.load()), "{most:?}");
}

/// The permits of one who is killed come back, to those who wait for them.
pub(super) fn permits(setup: &Setup) {
    let pool = setup.pool(2);
    let permits = pool.semaphore(2).expect("a semaphore");
    let task = |permits: Semaphore| -> u64 {
        let _both = (permits.acquire(), permits.acquire());
        say_who("has both");
        hold_on()
    };
    let doomed = pool.submit(task, permits.clone());
    super::who_said("has both");
    let none = permits.try_acquire().expect_err("none is free");
    assert_eq!(none.permits, 2);
    assert!(permits.acquire_timeout(Duration::from_millis(1)).is_err());
    let ours = permits.clone();
    let waits = waiting(move || ours.acquire().release());
    let there = pool.submit(
        |permits: Semaphore| {
            gate::say("also waits", "");
            permits.acquire().release();
        },
        permits.clone(),
    );
    gate::wait("also waits");
    kill_who_said("has both");
    died(&doomed.join());
    waits.join().expect("no hang");
    assert_eq!(there.join(), Ok(()));
    assert_eq!((permits.free(), permits.permits()), (2, 2));
}

/// |wall − Σ stages| ≤ 2 % of wall.
#[track_caller]
fn adds_up(row: &ProcessTimings) {
    let residual = Duration::from_nanos(row.residual_ns().unsigned_abs());
    assert!(residual * 50 <= row.wall, "{residual:?} in {row:#?}");
}

/// The time that a worker waits for a lock is in its `lock` stage, and nothing is when it does
/// not wait.
pub(super) fn lock_stage(setup: &Setup) {
    let pool = setup.pool(1);
    let pair = pool.mutex([0_u64; 2]).expect("a mutex");
    all_ok(pool.map(add_to_both, vec![(pair.clone(), 100); 20]));
    let lock = |rows: &[ProcessTimings]| rows[0].stages.lock;
    assert_eq!(lock(&pool.timings()), Duration::ZERO);
    let held = pair.lock().expect("sound");
    let task = |pair: Pair| {
        gate::say("wants it", "");
        drop(pair.lock());
        crate::setup::spin(5_000);
    };
    let waits = pool.submit(task, pair.clone());
    gate::wait("wants it");
    observe_for(Duration::from_millis(50));
    drop(held);
    assert_eq!(waits.join(), Ok(()));
    let report = pool.close();
    let row = &report.processes[0];
    let waited = row.stages.lock;
    assert!(waited >= Duration::from_millis(40), "{waited:?}");
    assert!(row.stages.compute >= Duration::from_millis(5), "{row:#?}");
    adds_up(row);
}
