//! The queue: nothing lost, nothing doubled, in order by producer, whoever dies when.
//!
//! Each item is a pair of equal numbers: a torn one shows. The items lie in loom cells, so that
//! a push that does not happen after the pop before it in the same slot is a failure.

use loom::sync::Arc;
use loom::thread;

use super::explore;
use super::futex::Futex;
use crate::OwnerIndex;
use crate::state::{GiveBack, Head, PopError, PushError, Queue, Recovered, Slot};
use crate::steps::armed::die_at;

const A: OwnerIndex = OwnerIndex::new(0);
const B: OwnerIndex = OwnerIndex::new(1);
const C: OwnerIndex = OwnerIndex::new(2);

struct Shared {
    head: Head,
    slots: Vec<Slot<[u32; 2]>>,
    futex: Futex,
}

impl Shared {
    fn new(capacity: usize) -> Arc<Self> {
        Arc::new(Self {
            head: Head::default(),
            slots: (0..capacity).map(|_| Slot::new()).collect(),
            futex: Futex::default(),
        })
    }

    fn queue(&self) -> Queue<'_, [u32; 2]> {
        Queue::over(&self.head, &self.slots)
    }

    fn push(&self, owner: OwnerIndex, number: u32) {
        let pushed = self.queue().push(owner, [number; 2], &self.futex);
        assert_eq!(pushed, Ok(()));
    }

    fn pop(&self, owner: OwnerIndex) -> u32 {
        self.try_number(self.queue().pop(owner, &self.futex))
            .expect("not closed")
    }

    fn try_number(&self, popped: Result<[u32; 2], PopError>) -> Option<u32> {
        match popped {
            Ok([first, second]) => {
                assert_eq!(first, second, "whole");
                Some(first)
            }
            Err(PopError::Empty | PopError::Closed) => None,
            Err(PopError::Fault(fault)) => panic!("{fault}"),
        }
    }

    /// What is in it, at the end.
    fn drain(&self) -> Vec<u32> {
        let next = || self.try_number(self.queue().try_pop(A, &self.futex));
        core::iter::from_fn(next).collect()
    }

    /// Every slot is of use: it takes as many as it should.
    fn check_capacity(&self) {
        for number in 0..self.slots.len() as u32 {
            self.push(A, number);
        }
        let one_more = self.queue().try_push(A, [0; 2], &self.futex);
        assert_eq!(one_more, Err(PushError::Full));
        assert_eq!(self.drain().len(), self.slots.len());
    }

    fn reap(&self, dead: OwnerIndex) -> Recovered {
        self.queue().give_back(dead, &self.futex)
    }
}

/// Both sleep, in turn.
#[test]
fn queue_of_one_slot_loses_no_wake() {
    explore(3, || {
        let shared = Shared::new(1);
        let at_b = Arc::clone(&shared);
        let b = thread::spawn(move || {
            at_b.push(B, 1);
            at_b.push(B, 2);
            at_b.push(B, 3);
        });
        for number in 1..=3 {
            assert_eq!(shared.pop(A), number);
        }
        b.join().expect("no panic");
    });
}

/// The one producer's items in their order, the other's anywhere among them.
#[test]
fn queue_two_producers_keep_their_order() {
    explore(1, || {
        let shared = Shared::new(2);
        let at_b = Arc::clone(&shared);
        let b = thread::spawn(move || {
            at_b.push(B, 1);
            at_b.push(B, 2);
        });
        let at_c = Arc::clone(&shared);
        let c = thread::spawn(move || at_c.push(C, 9));
        let mut popped: Vec<_> = (0..3).map(|_| shared.pop(A)).collect();
        assert!(popped.contains(&9), "{popped:?}");
        popped.retain(|&number| number != 9);
        assert_eq!(popped, [1, 2]);
        b.join().expect("no panic");
        c.join().expect("no panic");
    });
}

#[test]
fn queue_two_consumers_share_the_items() {
    explore(1, || {
        let shared = Shared::new(2);
        let consumers = [B, C].map(|owner| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.pop(owner))
        });
        shared.push(A, 1);
        shared.push(A, 2);
        let mut popped = consumers.map(|consumer| consumer.join().expect("no panic"));
        popped.sort_unstable();
        assert_eq!(popped, [1, 2]);
        assert!(shared.queue().is_empty());
    });
}

/// A close and a push at once: either the item is popped, or its push was refused.
#[test]
fn queue_closed_while_one_pushes() {
    explore(3, || {
        let shared = Shared::new(1);
        let at_b = Arc::clone(&shared);
        let b = thread::spawn(move || {
            let pushed = at_b.queue().push(B, [1; 2], &at_b.futex);
            assert!(matches!(pushed, Ok(()) | Err(PushError::Closed)));
            pushed.is_ok()
        });
        let at_c = Arc::clone(&shared);
        let c = thread::spawn(move || at_c.queue().close(&at_c.futex));
        let mut popped = vec![];
        loop {
            match shared.queue().pop(A, &shared.futex) {
                Err(PopError::Closed) => break,
                other => popped.extend(shared.try_number(other)),
            }
        }
        c.join().expect("no panic");
        assert_eq!(b.join().expect("no panic"), popped == [1]);
        assert!(shared.drain().is_empty());
    });
}

/// Two consumers of one item and a close: one gets it, and both are told of the end.
#[test]
fn queue_closed_while_two_pop() {
    explore(2, || {
        let shared = Shared::new(1);
        shared.push(A, 1);
        let at_b = Arc::clone(&shared);
        let b = thread::spawn(move || {
            let pop = || at_b.try_number(at_b.queue().pop(B, &at_b.futex));
            core::iter::from_fn(pop).count()
        });
        let at_c = Arc::clone(&shared);
        let c = thread::spawn(move || at_c.queue().close(&at_c.futex));
        let pop = || shared.try_number(shared.queue().pop(A, &shared.futex));
        let popped = core::iter::from_fn(pop).count();
        assert_eq!(popped + b.join().expect("no panic"), 1);
        c.join().expect("no panic");
    });
}

/// B dies at a step of a push, while A pops what there is to come, which its successor pushes.
#[test]
fn queue_a_producer_dies_at_any_step() {
    for at in 0..7 {
        explore(2, move || {
            let shared = Shared::new(1);
            let at_b = Arc::clone(&shared);
            let b = thread::spawn(move || {
                let _ = die_at(at, || at_b.push(B, 1));
                let recovered = at_b.reap(B);
                at_b.push(B, 2);
                recovered
            });
            let mut popped = vec![shared.pop(A)];
            if popped == [1] {
                popped.push(shared.pop(A));
            }
            let recovered = b.join().expect("no panic");
            assert!(recovered.returned == 0 && recovered.voided <= 1);
            assert!(popped == [2] || popped == [1, 2], "step {at}: {popped:?}");
            assert!(recovered.voided == 0 || popped == [2], "step {at}");
            shared.check_capacity();
        });
    }
}

/// B dies at a step of a push into the only slot, and another producer waits for it.
#[test]
fn queue_a_void_slot_goes_to_who_waits_for_room() {
    for at in 0..7 {
        explore(2, move || {
            let shared = Shared::new(1);
            let at_b = Arc::clone(&shared);
            let b = thread::spawn(move || {
                let pushed = die_at(at, || at_b.queue().try_push(B, [1; 2], &at_b.futex));
                assert!(matches!(pushed, None | Some(Ok(()) | Err(PushError::Full))));
                at_b.reap(B);
                // Unless it is void, it is taken.
                at_b.try_number(at_b.queue().try_pop(B, &at_b.futex))
            });
            shared.push(A, 2);
            let mut popped: Vec<_> = b.join().expect("no panic").into_iter().collect();
            popped.extend(shared.drain());
            assert!(
                popped == [2] || popped == [1, 2] || popped == [2, 1],
                "step {at}: {popped:?}"
            );
            shared.check_capacity();
        });
    }
}

/// B dies at a step of a pop, while A pops too: each item is popped once, or was B's.
#[test]
fn queue_a_consumer_dies_at_any_step() {
    for at in 0..9 {
        explore(2, move || {
            let shared = Shared::new(2);
            shared.push(A, 1);
            shared.push(A, 2);
            let at_b = Arc::clone(&shared);
            let b = thread::spawn(move || {
                let popped = die_at(at, || at_b.pop(B));
                (popped, at_b.reap(B))
            });
            let mut popped = vec![shared.pop(A)];
            let (by_b, recovered) = b.join().expect("no panic");
            popped.extend(by_b);
            popped.extend(shared.drain());
            popped.sort_unstable();
            // What B took in its last step, only B knew.
            let known = popped == [1, 2] || popped.len() == 1 && by_b.is_none();
            assert!(known, "step {at}: {popped:?}");
            assert!(recovered.returned == 0 || popped == [1, 2], "step {at}");
            shared.check_capacity();
        });
    }
}

/// What a dead consumer gives back wakes one that sleeps at the empty queue; and its place,
/// if it had taken the item, goes to a producer that sleeps at the full one.
#[test]
fn queue_a_returned_item_wakes_who_waits() {
    for at in 0..8 {
        explore(2, move || {
            let shared = Shared::new(1);
            shared.push(A, 1);
            let at_b = Arc::clone(&shared);
            let b = thread::spawn(move || {
                let by_b = die_at(at, || at_b.queue().try_pop(B, &at_b.futex));
                let recovered = at_b.reap(B);
                at_b.push(B, 2);
                (by_b.and_then(|popped| at_b.try_number(popped)), recovered)
            });
            let mut popped = vec![shared.pop(A)];
            if popped == [1] {
                popped.push(shared.pop(A));
            }
            let (by_b, recovered) = b.join().expect("no panic");
            assert!(popped == [2] || popped == [1, 2], "step {at}: {popped:?}");
            assert!(by_b.is_none() || popped == [2], "step {at}");
            assert!(recovered.returned == 0 || popped == [1, 2], "step {at}");
            shared.check_capacity();
        });
    }
}
