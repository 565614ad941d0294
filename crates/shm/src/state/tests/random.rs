//! Many at once, who die at random steps and are reaped at once.

use core::mem::ManuallyDrop;
use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use super::super::{GiveBack, NotLocked, OwnerDied, PopError, Queue, Semaphore, SharedMutex};
use super::Memory;
use super::peers::Sleepers;
use crate::OwnerIndex;
use crate::steps::armed::die_at;

/// A linear congruential generator of Knuth's: the tests need no better one.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % sides) as u32
    }

    /// A step to die at: in about every third operation.
    fn step(&mut self) -> u32 {
        self.below(24)
    }
}

const ATTEMPTS: u64 = 1500;

/// Who made an item, and its number among all that this one tried to push.
type Item = [u64; 2];

/// What became of a producer's attempts.
#[derive(Default)]
struct Pushed {
    in_it: Vec<Item>,
    voided: Vec<Item>,
}

fn produce(queue: Queue<'_, Item>, number: u8, park: &Sleepers) -> Pushed {
    let (owner, mut dice) = (OwnerIndex::new(number), Dice(number.into()));
    let mut pushed = Pushed::default();
    for attempt in 0..ATTEMPTS {
        let item = [number.into(), attempt];
        if die_at(dice.step(), || queue.push(owner, item, park).unwrap()).is_some() {
            pushed.in_it.push(item);
        } else if queue.give_back(owner, park).voided == 1 {
            pushed.voided.push(item);
        }
    }
    pushed
}

/// What a consumer got, and how often it died and may have taken an item.
fn consume(queue: Queue<'_, Item>, number: u8, dies: bool, park: &Sleepers) -> (Vec<Item>, usize) {
    let (owner, mut dice) = (OwnerIndex::new(number), Dice(number.into()));
    let (mut popped, mut doubtful) = (vec![], 0);
    loop {
        let step = if dies { dice.step() } else { u32::MAX };
        match die_at(step, || queue.pop(owner, park)) {
            Some(Ok(item)) => popped.push(item),
            Some(Err(PopError::Closed)) => return (popped, doubtful),
            Some(Err(other)) => panic!("{other}"),
            None => doubtful += 1 - queue.give_back(owner, park).returned,
        }
    }
}

/// Two producers, two consumers, a queue of three, and a death every few operations.
fn queue_life(consumers_die: bool) {
    let park = Sleepers::leaked();
    let memory = Memory::leaked(Queue::<Item>::bytes(3));
    let queue = Queue::<Item>::in_place(&mut memory.place(), 3).unwrap();
    let (pushed, popped) = thread::scope(|scope| {
        let producers = [1, 2].map(|n| scope.spawn(move || produce(queue, n, park)));
        let consumers = [3, 4].map(|n| scope.spawn(move || consume(queue, n, consumers_die, park)));
        let pushed = producers.map(|producer| producer.join().unwrap());
        queue.close(park);
        (pushed, consumers.map(|consumer| consumer.join().unwrap()))
    });
    let doubtful: usize = popped.iter().map(|(_, doubtful)| doubtful).sum();
    let mut all: Vec<_> = popped
        .iter()
        .flat_map(|(items, _)| items)
        .copied()
        .collect();
    while let Ok(item) = queue.try_pop(OwnerIndex::SUPERVISOR, park) {
        all.push(item);
    }
    let found: HashSet<_> = all.iter().collect();
    assert_eq!(found.len(), all.len(), "none is doubled");
    let mut lost = 0;
    for Pushed { in_it, voided } in &pushed {
        assert!(voided.len() > 10, "{}", voided.len());
        assert!(voided.iter().all(|item| !found.contains(item)));
        lost += in_it.iter().filter(|item| !found.contains(item)).count();
    }
    // Each consumer that died had taken one item at most.
    assert!(lost <= doubtful, "{lost} lost, {doubtful} deaths");
    if !consumers_die {
        for (items, _) in &popped {
            for producer in [1, 2] {
                let mine = items.iter().filter(|item| item[0] == producer);
                assert!(mine.is_sorted(), "in the order of the pushes");
            }
        }
    }
}

#[test]
fn queue_random_deaths_of_producers() {
    queue_life(false);
}

#[test]
fn queue_random_deaths_of_all() {
    queue_life(true);
}

#[test]
fn mutex_random_deaths_leave_no_half_change_unknown() {
    let park = Sleepers::leaked();
    let pair = SharedMutex::new([0_u64; 2]);
    let deaths = AtomicU32::new(0);
    thread::scope(|scope| {
        for number in 1..=3_u8 {
            let (pair, deaths) = (&pair, &deaths);
            scope.spawn(move || {
                let (owner, mut dice) = (OwnerIndex::new(number), Dice(number.into()));
                for _ in 0..ATTEMPTS {
                    let life = || {
                        let (guard, sound) = match pair.lock(owner, park) {
                            Ok(guard) => (guard, true),
                            Err(OwnerDied { guard, .. }) => (guard, false),
                        };
                        let mut guard = ManuallyDrop::new(guard);
                        assert!(!sound || guard[0] == guard[1]);
                        guard[1] = guard[0];
                        guard.repair();
                        guard[0] += 1;
                        crate::steps::step();
                        guard[1] += 1;
                        drop(ManuallyDrop::into_inner(guard));
                    };
                    if die_at(dice.below(12), life).is_none() {
                        deaths.fetch_add(1, Ordering::Relaxed);
                        pair.give_back(owner, park);
                    }
                }
            });
        }
    });
    assert!(deaths.into_inner() > 100);
    let last = pair.try_lock(OwnerIndex::SUPERVISOR, park);
    assert!(
        !matches!(last, Err(NotLocked::Held { .. })),
        "broken at worst"
    );
}

#[test]
fn semaphore_random_deaths_keep_the_limit() {
    let park = Sleepers::leaked();
    let memory = Memory::leaked(Semaphore::bytes(2));
    let permits = Semaphore::in_place(&mut memory.place(), 2).unwrap();
    let inside = AtomicU32::new(0);
    thread::scope(|scope| {
        for number in 1..=4_u8 {
            let inside = &inside;
            scope.spawn(move || {
                let (owner, mut dice) = (OwnerIndex::new(number), Dice(number.into()));
                for _ in 0..ATTEMPTS {
                    let mut counted = false;
                    let life = || {
                        let permit = ManuallyDrop::new(permits.acquire(owner, park));
                        assert!(inside.fetch_add(1, Ordering::Relaxed) < 2);
                        counted = true;
                        crate::steps::step();
                        inside.fetch_sub(1, Ordering::Relaxed);
                        counted = false;
                        ManuallyDrop::into_inner(permit).release();
                    };
                    if die_at(dice.below(12), life).is_none() {
                        inside.fetch_sub(u32::from(counted), Ordering::Relaxed);
                        permits.give_back(owner, park);
                    }
                }
            });
        }
    });
    assert_eq!(permits.free(), 2);
}
