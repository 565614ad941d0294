//! The event: no wake is lost, what came before a set is seen, a dead setter is told of.

use core::time::Duration;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

use super::explore;
use super::futex::Futex;
use crate::OwnerIndex;
use crate::state::{Event, EventBroken, GiveBack};
use crate::steps::armed::die_at;

const B: OwnerIndex = OwnerIndex::new(1);

/// An event and what its setter leaves.
struct Told {
    event: Event,
    news: UnsafeCell<u32>,
    futex: Futex,
}

impl Told {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            event: Event::new(),
            news: UnsafeCell::new(0),
            futex: Futex::default(),
        })
    }

    fn tell(&self) {
        // SAFETY: loom checks that no other access is concurrent.
        self.news.with_mut(|news| unsafe { *news = 7 });
        self.event.set(&self.futex);
    }

    fn heard(&self) {
        // SAFETY: loom checks that no write is concurrent.
        self.news.with(|news| assert_eq!(unsafe { *news }, 7));
    }
}

#[test]
fn event_wakes_all_who_wait() {
    explore(3, || {
        let told = Told::new();
        let waiters = [(); 2].map(|()| {
            let told = Arc::clone(&told);
            thread::spawn(move || {
                assert_eq!(told.event.wait(&told.futex), Ok(()));
                told.heard();
            })
        });
        told.tell();
        for waiter in waiters {
            waiter.join().expect("no panic");
        }
    });
}

/// One gives up, and what was set is cleared and set again: the other is woken.
#[test]
fn event_a_timeout_and_a_clear_swallow_no_wake() {
    explore(3, || {
        let told = Told::new();
        let at_b = Arc::clone(&told);
        let b = thread::spawn(move || {
            let in_time = at_b.event.wait_timeout(Duration::ZERO, &at_b.futex);
            if in_time.is_ok() {
                at_b.heard();
            }
        });
        let at_c = Arc::clone(&told);
        let c = thread::spawn(move || {
            assert_eq!(at_c.event.wait(&at_c.futex), Ok(()));
            at_c.heard();
        });
        told.tell();
        told.event.clear();
        told.event.set(&told.futex);
        b.join().expect("no panic");
        c.join().expect("no panic");
    });
}

/// B promises, and dies at a step. A hears of the set, or of the death if there was a promise.
#[test]
fn event_a_dead_setter_is_told_of() {
    for at in 0..6 {
        explore(4, move || {
            let told = Told::new();
            assert!(told.event.promise(B));
            let at_b = Arc::clone(&told);
            let b = thread::spawn(move || {
                let survived = die_at(at, || at_b.tell()).is_some();
                (at_b.event.give_back(B, &at_b.futex), survived)
            });
            let waited = told.event.wait(&told.futex);
            let (broken, survived) = b.join().expect("no panic");
            match waited {
                Ok(()) => told.heard(),
                Err(died) => assert_eq!((died, survived), (EventBroken::SetterDied(B), false)),
            }
            assert_eq!(waited.is_err(), broken);
            assert!(told.event.is_set() ^ broken);
        });
    }
}
