//! The semaphore: never more at a time than permits, no lost wake, the dead's given back.

use core::time::Duration;

use loom::sync::Arc;
use loom::thread;

use super::explore;
use super::futex::Futex;
use crate::OwnerIndex;
use crate::state::{GiveBack, Semaphore, SemaphoreCell, SemaphoreCore};
use crate::steps::armed::die_at;
use crate::sync::{AtomicU32, Ordering};

const A: OwnerIndex = OwnerIndex::new(0);
const B: OwnerIndex = OwnerIndex::new(1);
const C: OwnerIndex = OwnerIndex::new(2);

/// A semaphore, and how many are in what it limits.
struct Limited<const N: usize> {
    core: SemaphoreCore,
    permits: [SemaphoreCell; N],
    inside: AtomicU32,
    futex: Futex,
}

impl<const N: usize> Limited<N> {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            core: SemaphoreCore::default(),
            permits: core::array::from_fn(|_| SemaphoreCell::default()),
            inside: AtomicU32::new(0),
            futex: Futex::default(),
        })
    }

    fn semaphore(&self) -> Semaphore<'_> {
        Semaphore::over(&self.core, &self.permits)
    }

    fn count_in(&self) {
        assert!(self.inside.fetch_add(1, Ordering::Relaxed) < N as u32);
    }

    fn count_out(&self) {
        self.inside.fetch_sub(1, Ordering::Relaxed);
    }

    fn enter(&self, owner: OwnerIndex) {
        let permit = self.semaphore().acquire(owner, &self.futex);
        self.count_in();
        self.count_out();
        permit.release();
    }
}

#[test]
fn semaphore_of_one_two_take_turns() {
    explore(4, || {
        let limited = Limited::<1>::new();
        let at_b = Arc::clone(&limited);
        let b = thread::spawn(move || {
            at_b.enter(B);
            at_b.enter(B);
        });
        limited.enter(A);
        limited.enter(A);
        b.join().expect("no panic");
        assert_eq!(limited.semaphore().free(), 1);
    });
}

#[test]
fn semaphore_of_two_lets_two_in() {
    explore(3, || {
        let limited = Limited::<2>::new();
        let others = [B, C].map(|owner| {
            let limited = Arc::clone(&limited);
            thread::spawn(move || limited.enter(owner))
        });
        limited.enter(A);
        for other in others {
            other.join().expect("no panic");
        }
        assert_eq!(limited.semaphore().free(), 2);
    });
}

/// One of two is free at every instant, so nobody is told that none is, although the other is
/// another one before and after: C looks for its permit first where A does, and B there last.
#[test]
fn semaphore_a_search_is_not_fooled() {
    explore(None, || {
        let limited = Limited::<2>::new();
        let at_b = Arc::clone(&limited);
        let b = thread::spawn(move || {
            at_b.enter(C);
            at_b.enter(B);
        });
        let permit = limited.semaphore().try_acquire(A, &limited.futex);
        assert!(permit.is_ok());
        drop(permit);
        b.join().expect("no panic");
        assert_eq!(limited.semaphore().free(), 2);
    });
}

#[test]
fn semaphore_a_timeout_swallows_no_wake() {
    explore(2, || {
        let limited = Limited::<1>::new();
        let at_b = Arc::clone(&limited);
        let b = thread::spawn(move || {
            let permits = at_b.semaphore();
            let permit = permits.acquire_timeout(B, Duration::ZERO, &at_b.futex);
            permit.is_ok()
        });
        let at_c = Arc::clone(&limited);
        let c = thread::spawn(move || at_c.enter(C));
        limited.enter(A);
        b.join().expect("no panic");
        c.join().expect("no panic");
        assert_eq!(limited.semaphore().free(), 1);
    });
}

/// B dies at a step; its permit, if it had one, is there again, and who waited gets it.
#[test]
fn semaphore_the_permits_of_the_dead_are_given_back() {
    for at in 0..7 {
        explore(1, move || {
            let limited = Limited::<1>::new();
            let at_b = Arc::clone(&limited);
            let b = thread::spawn(move || {
                let permits = at_b.semaphore();
                let _ = die_at(at, || permits.acquire(B, &at_b.futex).release());
                permits.give_back(B, &at_b.futex)
            });
            let at_c = Arc::clone(&limited);
            let c = thread::spawn(move || at_c.enter(C));
            limited.enter(A);
            assert!(b.join().expect("no panic") <= 1);
            c.join().expect("no panic");
            assert_eq!(limited.semaphore().free(), 1);
        });
    }
}
