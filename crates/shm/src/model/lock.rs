//! The lock that knows its owner: exclusion, waking, and giving back.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

use super::explore;
use super::futex::Futex;
use crate::OwnerIndex;
use crate::first::OwnerLock;
use crate::steps::armed::die_at;

const A: OwnerIndex = OwnerIndex::new(0);
const B: OwnerIndex = OwnerIndex::new(1);
const C: OwnerIndex = OwnerIndex::new(255);

/// A lock and what it guards.
struct Guarded {
    lock: OwnerLock,
    entered: UnsafeCell<u32>,
    futex: Futex,
}

impl Guarded {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            lock: OwnerLock::new(),
            entered: UnsafeCell::new(0),
            futex: Futex::default(),
        })
    }

    fn enter(&self, owner: OwnerIndex) {
        self.lock.lock(owner, &self.futex);
        // SAFETY: loom checks that no other access is concurrent.
        self.entered.with_mut(|count| unsafe { *count += 1 });
        self.lock.unlock(&self.futex);
    }

    fn entered(&self) -> u32 {
        // SAFETY: loom checks that no write is concurrent.
        self.entered.with(|count| unsafe { *count })
    }

    /// What the supervisor does once `dead` was reaped.
    fn reap(&self, dead: OwnerIndex) {
        let _ = self.lock.give_back(dead, &self.futex);
    }
}

#[test]
fn lock_two_take_turns() {
    explore(None, || {
        let guarded = Guarded::new();
        let at_b = Arc::clone(&guarded);
        let b = thread::spawn(move || {
            at_b.enter(B);
            at_b.enter(B);
        });
        guarded.enter(A);
        guarded.enter(A);
        b.join().expect("no panic");
        assert_eq!(guarded.entered(), 4);
    });
}

#[test]
fn lock_three_take_turns() {
    explore(4, || {
        let guarded = Guarded::new();
        let others = [B, C].map(|owner| {
            let guarded = Arc::clone(&guarded);
            thread::spawn(move || guarded.enter(owner))
        });
        guarded.enter(A);
        for other in others {
            other.join().expect("no panic");
        }
        assert_eq!(guarded.entered(), 3);
    });
}

/// B dies at a step between locking and having unlocked; A gets in all the same.
#[test]
fn lock_of_a_dead_holder_is_given_back() {
    for at in 0..6 {
        explore(None, move || {
            let guarded = Guarded::new();
            let at_b = Arc::clone(&guarded);
            let b = thread::spawn(move || {
                let _ = die_at(at, || at_b.enter(B));
                at_b.reap(B);
            });
            guarded.enter(A);
            b.join().expect("no panic");
            guarded.enter(C);
        });
    }
}

/// The same with two that wait, of which one may get in between and unlock.
#[test]
fn lock_of_a_dead_holder_is_given_back_to_two() {
    for at in 0..6 {
        explore(3, move || {
            let guarded = Guarded::new();
            let at_b = Arc::clone(&guarded);
            let b = thread::spawn(move || {
                let _ = die_at(at, || at_b.enter(B));
                at_b.reap(B);
            });
            let at_c = Arc::clone(&guarded);
            let c = thread::spawn(move || at_c.enter(C));
            guarded.enter(A);
            b.join().expect("no panic");
            c.join().expect("no panic");
        });
    }
}

/// Reaping one that does not hold the lock takes it from nobody.
#[test]
fn lock_is_not_given_back_for_another() {
    explore(None, || {
        let guarded = Guarded::new();
        let at_b = Arc::clone(&guarded);
        let b = thread::spawn(move || at_b.enter(B));
        guarded.reap(C);
        guarded.enter(A);
        b.join().expect("no panic");
        assert_eq!(guarded.entered(), 2);
    });
}
