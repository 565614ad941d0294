//! The mutex: exclusion, waking one at a time, timeouts, and its holder's death.

use core::time::Duration;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

use super::explore;
use super::futex::Futex;
use crate::OwnerIndex;
use crate::state::{GiveBack, RawMutex, Taken};
use crate::steps::armed::die_at;

const A: OwnerIndex = OwnerIndex::new(0);
const B: OwnerIndex = OwnerIndex::new(1);
const C: OwnerIndex = OwnerIndex::new(255);

/// A mutex and what it guards: two counts, equal but for a holder's death between them.
struct Guarded {
    raw: RawMutex,
    counts: UnsafeCell<[u32; 2]>,
    futex: Futex,
}

impl Guarded {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            raw: RawMutex::new(),
            counts: UnsafeCell::new([0; 2]),
            futex: Futex::default(),
        })
    }

    fn count(&self, which: usize) {
        // SAFETY: loom checks that no other access is concurrent.
        self.counts
            .with_mut(|counts| unsafe { (*counts)[which] += 1 });
    }

    fn counts(&self) -> [u32; 2] {
        // SAFETY: loom checks that no write is concurrent.
        self.counts.with(|counts| unsafe { *counts })
    }

    /// With the lock held: a death between the counts is known, and is put right.
    fn use_it(&self, taken: Taken) {
        let [first, second] = self.counts();
        match taken {
            Taken::Sound => assert_eq!(first, second),
            Taken::Broken(dead) => {
                assert_eq!(dead, B);
                if first != second {
                    self.count(1);
                }
                self.raw.repair();
            }
        }
        self.count(0);
        crate::steps::step();
        self.count(1);
        self.raw.unlock(&self.futex);
    }

    fn enter(&self, owner: OwnerIndex) {
        let taken = self.raw.lock(owner, &self.futex);
        self.use_it(taken);
    }

    fn enter_in_time(&self, owner: OwnerIndex) -> bool {
        let taken = self.raw.lock_timeout(owner, Duration::ZERO, &self.futex);
        taken.map(|taken| self.use_it(taken)).is_some()
    }

    fn reap(&self, dead: OwnerIndex) {
        self.raw.give_back(dead, &self.futex);
    }
}

#[test]
fn mutex_two_take_turns() {
    explore(4, || {
        let guarded = Guarded::new();
        let at_b = Arc::clone(&guarded);
        let b = thread::spawn(move || {
            at_b.enter(B);
            at_b.enter(B);
        });
        guarded.enter(A);
        guarded.enter(A);
        b.join().expect("no panic");
        assert_eq!(guarded.counts(), [4, 4]);
    });
}

/// An unlock wakes one; that one wakes the next.
#[test]
fn mutex_three_take_turns() {
    explore(3, || {
        let guarded = Guarded::new();
        let others = [B, C].map(|owner| {
            let guarded = Arc::clone(&guarded);
            thread::spawn(move || guarded.enter(owner))
        });
        guarded.enter(A);
        for other in others {
            other.join().expect("no panic");
        }
        assert_eq!(guarded.counts(), [3, 3]);
    });
}

/// One gives up, at once or after a while; what it did to the word costs nobody the lock.
#[test]
fn mutex_a_timeout_hangs_nobody() {
    explore(3, || {
        let guarded = Guarded::new();
        let at_b = Arc::clone(&guarded);
        let b = thread::spawn(move || u32::from(at_b.enter_in_time(B)));
        let at_c = Arc::clone(&guarded);
        let c = thread::spawn(move || at_c.enter(C));
        guarded.enter(A);
        let entered = 2 + b.join().expect("no panic");
        c.join().expect("no panic");
        assert_eq!(guarded.counts(), [entered; 2]);
    });
}

#[test]
fn mutex_try_lock_excludes() {
    explore(4, || {
        let guarded = Guarded::new();
        let at_b = Arc::clone(&guarded);
        let b = thread::spawn(move || {
            let taken = at_b.raw.try_lock(B);
            taken.map(|taken| at_b.use_it(taken)).is_some()
        });
        guarded.enter(A);
        let entered = 1 + u32::from(b.join().expect("no panic"));
        assert_eq!(guarded.counts(), [entered; 2]);
    });
}

/// B dies at any step. Who comes next is told if the data may be half changed, and gets in.
#[test]
fn mutex_of_a_dead_holder_goes_on_broken() {
    for at in 0..7 {
        explore(4, move || {
            let guarded = Guarded::new();
            let at_b = Arc::clone(&guarded);
            let b = thread::spawn(move || {
                let _ = die_at(at, || at_b.enter(B));
                at_b.reap(B);
            });
            guarded.enter(A);
            b.join().expect("no panic");
            guarded.enter(C);
            assert_eq!(guarded.raw.try_lock(A), Some(Taken::Sound), "repaired");
            let [first, second] = guarded.counts();
            assert_eq!(first, second);
        });
    }
}

/// The same with two that wait: also if B was woken, and dies before it looks.
#[test]
fn mutex_of_a_dead_waiter_or_holder_hangs_nobody() {
    for at in 0..9 {
        explore(2, move || {
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
            assert_eq!(guarded.raw.holder(), None);
        });
    }
}
