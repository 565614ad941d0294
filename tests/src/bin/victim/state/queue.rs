//! Queues: every item once, whoever dies.

use std::time::Duration;

use forkyard::state::{PopError, PushError};
use forkyard::{Queue, SharedArray};

use super::{all_ok, died, kill_one};
use crate::setup::{Setup, works};

/// What a task of either side is given.
type Side = (Queue<u64>, SharedArray<u8>, u64);

/// Pushes the numbers of its range, and marks those that are in.
fn produce((queue, pushed, from): Side) -> u64 {
    let mut count = 0;
    for n in from..from + ITEMS {
        // A range is begun again after a death: what is in is not pushed twice. A number whose
        // producer died between the push and the mark is.
        if pushed[n as usize].load() == 0 {
            queue.push(n).expect("it is open");
            pushed[n as usize].store(1);
            count += 1;
        }
    }
    count
}

/// Pops until the queue is at its end, and counts how often each number came.
fn consume((queue, popped, _): Side) -> u64 {
    queue.iter().fold(0, |count, n| {
        popped[n as usize].fetch_add(1);
        count + 1
    })
}

const ITEMS: u64 = 500;

/// Two producers, two consumers and the supervisor on both sides: exact sums.
pub(super) fn sums(setup: &Setup) {
    let pool = setup.pool(4);
    let queue = pool.queue::<u64>(8).expect("a queue");
    let total = 3 * ITEMS as usize;
    let (pushed, popped) = (pool.array(total), pool.array(total));
    let (pushed, popped) = (pushed.expect("an array"), popped.expect("an array"));
    let eating: Vec<_> = (0..2)
        .map(|_| pool.submit(consume, (queue.clone(), popped.clone(), 0)))
        .collect();
    let making: Vec<_> = (0..2)
        .map(|n| pool.submit(produce, (queue.clone(), pushed.clone(), n * ITEMS)))
        .collect();
    let side = (queue.clone(), popped.clone(), 0);
    let here = std::thread::spawn(move || consume(side));
    assert_eq!(produce((queue.clone(), pushed, 2 * ITEMS)), ITEMS);
    for handle in making {
        assert_eq!(handle.join(), Ok(ITEMS));
    }
    queue.close();
    let mut eaten = here.join().expect("no panic");
    for handle in eating {
        eaten += handle.join().expect("it ends with the queue");
    }
    assert_eq!(eaten, 3 * ITEMS);
    assert!(popped.values().all(|times| times == 1));
    assert_eq!((queue.len(), queue.capacity()), (0, 8));
}

const ROUNDS: u64 = 12;

/// Producers and consumers are killed at random, and begun again: nothing is lost but what was
/// in a dead consumer's hand, and nothing doubled but what a dead producer could not mark.
pub(super) fn deaths(setup: &Setup) {
    let pool = setup.builder().workers(4).most_failed_starts(1000);
    let pool = pool.build().expect("a pool");
    let total = 2 * ITEMS as usize;
    for round in 0..ROUNDS {
        let queue = pool.queue::<u64>(4).expect("a queue");
        let (pushed, popped) = (pool.array::<u8>(total), pool.array::<u8>(total));
        let (pushed, popped) = (pushed.expect("an array"), popped.expect("an array"));
        let (mut dead_producers, mut dead_consumers) = (0, 0);
        let eat = || pool.submit(consume, (queue.clone(), popped.clone(), 0));
        let make = |n: u64| pool.submit(produce, (queue.clone(), pushed.clone(), n * ITEMS));
        let mut eating: Vec<_> = (0..2).map(|_| eat()).collect();
        let mut making: Vec<_> = (0..2).map(|n| (n, make(n))).collect();
        kill_one(&pool, 3 * round);
        kill_one(&pool, 3 * round + 1);
        while let Some((n, mut handle)) = making.pop() {
            // Somebody who eats must be there, or the producers wait for ever.
            for slot in &mut eating {
                if slot.is_done() {
                    let done = std::mem::replace(slot, eat());
                    died(&done.join());
                    dead_consumers += 1;
                }
            }
            match handle.join_timeout(Duration::from_millis(1)) {
                Some(Ok(_)) => {}
                Some(died_too) => {
                    died(&died_too);
                    dead_producers += 1;
                    making.push((n, make(n)));
                }
                None => making.push((n, handle)),
            }
        }
        queue.close();
        for handle in eating {
            dead_consumers += u64::from(handle.join().is_err());
        }
        // What came back from one who died after the others had seen the end.
        consume((queue.clone(), popped.clone(), 0));
        let lost = popped.values().filter(|times| *times == 0).count() as u64;
        let extra: u64 = popped
            .values()
            .map(|times| u64::from(times.saturating_sub(1)))
            .sum();
        assert!(pushed.values().all(|mark| mark == 1));
        assert!(
            lost <= dead_consumers && extra <= dead_producers,
            "{lost} lost, {dead_consumers} consumers; {extra} extra, {dead_producers} producers"
        );
        assert_eq!(queue.try_pop(), Err(PopError::Closed));
    }
    works(&pool);
}

/// Closing wakes those who wait for items, and for room.
pub(super) fn closed(setup: &Setup) {
    let pool = setup.pool(2);
    let (full, empty) = (pool.queue::<u32>(1), pool.queue::<u32>(1));
    let (full, empty) = (full.expect("a queue"), empty.expect("a queue"));
    full.push(1).expect("there is room");
    assert_eq!(full.try_push(2), Err(PushError::Full));
    assert_eq!(empty.try_pop(), Err(PopError::Empty));
    let brief = Duration::from_millis(1);
    assert_eq!(full.push_timeout(2, brief), Err(PushError::Full));
    assert_eq!(empty.pop_timeout(brief), Err(PopError::Empty));
    let pushing = pool.submit(
        |full: Queue<u32>| {
            tests::gate::arrive("waits");
            full.push(3) == Err(PushError::Closed)
        },
        full.clone(),
    );
    let popping = pool.submit(
        |empty: Queue<u32>| {
            tests::gate::arrive("waits");
            empty.pop() == Err(PopError::Closed)
        },
        empty.clone(),
    );
    tests::until("both wait", tests::patience::LIVENESS, || {
        (tests::gate::arrived("waits") == 2).then_some(())
    });
    empty.close();
    full.close();
    assert_eq!((pushing.join(), popping.join()), (Ok(true), Ok(true)));
    assert!(full.is_closed());
    assert_eq!((full.pop(), full.pop()), (Ok(1), Err(PopError::Closed)));
    all_ok(pool.map(|n: u64| n, 0..10));
}
