//! Many at once, who die at random steps and are reaped at once.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use super::super::{GiveBack, PopError, Queue, Semaphore, SharedMutex};
use super::{Memory, Sleepers};
use crate::OwnerIndex;
use crate::steps::armed::die_at;

/// A generator of Knuth's constants: the tests need no better one.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % sides) as u32
    }
}

const EACH: u64 = 2000;

/// Two producers, two consumers, a queue of three, and a death every few operations.
#[test]
fn queue_random_deaths_lose_and_double_nothing() {
    let park = Sleepers::leaked();
    let memory = Memory::leaked(Queue::<[u64; 2]>::bytes(3));
    let queue = Queue::<[u64; 2]>::in_place(&mut memory.place(), 3).unwrap();
    let popped = Mutex::new(vec![]);
    let (doubtful, deaths) = (AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        let producers = [1_u8, 2].map(|number| {
            scope.spawn(move || {
                let (owner, mut dice) = (OwnerIndex::new(number), Dice(number.into()));
                // Dies and begins again where it got to: what was voided is pushed anew, what
                // was in when it died is not.
                for item in 0..EACH {
                    let item = [number.into(), item];
                    while die_at(dice.below(40), || queue.push(owner, item, park)).is_none() {
                        let recovered = queue.give_back(owner, park);
                        let unclaimed = recovered.voided == 0;
                        if unclaimed && !claims_again(queue, item) {
                            break;
                        }
                    }
                }
            })
        });
        for number in [3_u8, 4] {
            let (popped, doubtful, deaths) = (&popped, &doubtful, &deaths);
            scope.spawn(move || {
                let (owner, mut dice) = (OwnerIndex::new(number), Dice(number.into()));
                loop {
                    match die_at(dice.below(40), || queue.pop(owner, park)) {
                        Some(Ok(item)) => popped.lock().unwrap().push(item),
                        Some(Err(PopError::Closed)) => return,
                        Some(Err(other)) => panic!("{other}"),
                        None => {
                            deaths.fetch_add(1, Ordering::Relaxed);
                            let returned = queue.give_back(owner, park).returned;
                            doubtful.fetch_add(1 - returned as u64, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
        for producer in producers {
            producer.join().unwrap();
        }
        queue.close(park);
    });
    while let Ok(item) = queue.try_pop(OwnerIndex::SUPERVISOR, park) {
        popped.lock().unwrap().push(item);
    }
    let mut popped = popped.into_inner().unwrap();
    let all = popped.len() as u64;
    popped.sort_unstable();
    popped.dedup();
    assert_eq!(popped.len() as u64, all, "none is doubled");
    assert!(deaths.into_inner() > 100);
    // Each death that returned nothing may have had one item, or been before or after.
    assert!(all + doubtful.into_inner() + LOST_AT_STEP_ZERO.load(Ordering::Relaxed) >= 2 * EACH);
}
