//! The barrier: all see what all did, none is left behind, and a death is told to all.

use core::time::Duration;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

use super::explore;
use super::futex::Futex;
use crate::OwnerIndex;
use crate::state::{Barrier, BarrierBroken, BarrierCore, GiveBack, Passed};
use crate::steps::armed::die_at;

const A: OwnerIndex = OwnerIndex::new(0);
const B: OwnerIndex = OwnerIndex::new(1);
const C: OwnerIndex = OwnerIndex::new(2);

/// A barrier, and what each did before it came, by owner.
struct Met {
    core: BarrierCore,
    done: [UnsafeCell<u32>; 3],
    futex: Futex,
}

impl Met {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            core: BarrierCore::default(),
            done: core::array::from_fn(|_| UnsafeCell::new(0)),
            futex: Futex::default(),
        })
    }

    fn barrier(&self, parties: usize) -> Barrier<'_> {
        Barrier::over(&self.core, parties).expect("some")
    }

    fn work(&self, owner: OwnerIndex, round: u32) {
        let mine = &self.done[usize::from(owner.get())];
        // SAFETY: loom checks that no other access is concurrent.
        mine.with_mut(|done| unsafe { *done = round });
    }

    fn see(&self, parties: usize, round: u32) {
        for done in &self.done[..parties] {
            // SAFETY: loom checks that no write is concurrent.
            done.with(|done| assert_eq!(unsafe { *done }, round));
        }
    }

    fn meet(&self, owner: OwnerIndex, parties: usize, round: u32) -> Passed {
        self.work(owner, round);
        let passed = self.barrier(parties).wait(owner, &self.futex);
        let passed = passed.expect("all live");
        self.see(parties, round);
        passed
    }
}

#[test]
fn barrier_two_meet_twice() {
    explore(2, || {
        let met = Met::new();
        let at_b = Arc::clone(&met);
        let b = thread::spawn(move || {
            let first = at_b.meet(B, 2, 1);
            // What all have seen may be done over.
            at_b.barrier(2).wait(B, &at_b.futex).expect("all live");
            (first, at_b.meet(B, 2, 2))
        });
        let first = met.meet(A, 2, 1);
        met.barrier(2).wait(A, &met.futex).expect("all live");
        let second = met.meet(A, 2, 2);
        let (first_b, second_b) = b.join().expect("no panic");
        assert_ne!(first, first_b, "one is last");
        assert_ne!(second, second_b, "one is last");
    });
}

#[test]
fn barrier_three_meet() {
    explore(2, || {
        let met = Met::new();
        let others = [B, C].map(|owner| {
            let met = Arc::clone(&met);
            thread::spawn(move || met.meet(owner, 3, 1))
        });
        let mut passed = vec![met.meet(A, 3, 1)];
        passed.extend(others.map(|other| other.join().expect("no panic")));
        let last = passed.iter().filter(|&&passed| passed == Passed::Last);
        assert_eq!(last.count(), 1);
    });
}

/// B gives up, or does not: A is left alone exactly if it did, and the count is right after.
#[test]
fn barrier_a_timeout_takes_the_arrival_back() {
    explore(4, || {
        let met = Met::new();
        let at_b = Arc::clone(&met);
        let b = thread::spawn(move || {
            let in_time = at_b.barrier(2).wait_timeout(B, Duration::ZERO, &at_b.futex);
            if in_time.is_err() {
                at_b.barrier(2).wait(B, &at_b.futex).expect("all live");
            }
        });
        met.barrier(2).wait(A, &met.futex).expect("all live");
        b.join().expect("no panic");
        assert_eq!(met.barrier(2).waiting(), 0);
    });
}

/// B is a member, and dies at a step. A passes with it, or learns of the death.
#[test]
fn barrier_a_dead_participant_breaks_it() {
    for at in 0..7 {
        explore(3, move || {
            let met = Met::new();
            met.barrier(2).join(B);
            let at_b = Arc::clone(&met);
            let b = thread::spawn(move || {
                let barrier = at_b.barrier(2);
                let came = die_at(at, || barrier.wait(B, &at_b.futex)).is_some();
                assert!(barrier.give_back(B, &at_b.futex), "a member");
                came
            });
            let broken = BarrierBroken { by: Some(B) };
            let waited = met.barrier(2).wait(A, &met.futex);
            assert!(waited.is_ok() || waited == Err(broken));
            let came = b.join().expect("no panic");
            assert!(waited.is_ok() || !came);
            assert_eq!(met.barrier(2).wait(A, &met.futex), Err(broken), "to come");
            met.barrier(2).reset(&met.futex);
            let at_c = Arc::clone(&met);
            let c = thread::spawn(move || at_c.barrier(2).wait(C, &at_c.futex).is_ok());
            assert!(met.barrier(2).wait(A, &met.futex).is_ok());
            assert!(c.join().expect("no panic"));
        });
    }
}

/// A reset while one waits, and another meeting right after it: the one is told.
#[test]
fn barrier_a_reset_is_not_taken_for_a_passage() {
    explore(3, || {
        let met = Met::new();
        let at_b = Arc::clone(&met);
        let b = thread::spawn(move || at_b.barrier(2).wait(B, &at_b.futex));
        let a = {
            met.barrier(2).abort(&met.futex);
            met.barrier(2).reset(&met.futex);
            // B may come only now: then they meet.
            met.barrier(2).wait_timeout(A, Duration::ZERO, &met.futex)
        };
        if a.is_err() {
            met.barrier(2).abort(&met.futex);
        }
        let b = b.join().expect("no panic");
        assert_eq!(a.is_ok(), b.is_ok());
    });
}
