//! Ways to sleep: for survivors, for peers that a test waits for, for victims.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use forkyard_os::park;
use forkyard_shm::{Park, crash};

use super::report::Report;

/// As pools sleep.
pub(crate) struct Plain;

impl Park for Plain {
    fn park(&self, word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
        let _ = park::wait(word, expected, timeout);
    }

    fn unpark(&self, word: &AtomicU32) {
        park::wake(word, 1);
    }

    fn unpark_all(&self, word: &AtomicU32) {
        park::wake(word, u32::MAX);
    }
}

/// The same, counted, so that others know of a sleep.
pub(crate) struct Counted;

impl Park for Counted {
    fn park(&self, word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
        Report::get().sleeps().fetch_add(1, Ordering::SeqCst);
        Plain.park(word, expected, timeout);
    }

    fn unpark(&self, word: &AtomicU32) {
        Plain.unpark(word);
    }

    fn unpark_all(&self, word: &AtomicU32) {
        Plain.unpark_all(word);
    }
}

/// Wakes nobody: as if the one that was woken had died of it.
pub(crate) struct Silent;

impl Park for Silent {
    fn park(&self, word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
        Plain.park(word, expected, timeout);
    }

    fn unpark(&self, _: &AtomicU32) {}

    fn unpark_all(&self, _: &AtomicU32) {}
}

/// For a victim: it can die asleep, and what wakes it is done by `body`, once, in the stead of
/// another process. Every other sleep has to end by its timeout.
pub(crate) struct Asleep<F>(Mutex<Option<F>>);

impl<F: FnOnce()> Asleep<F> {
    pub(crate) fn until(body: F) -> Self {
        Self(Mutex::new(Some(body)))
    }
}

impl<F: FnOnce()> Park for Asleep<F> {
    fn park(&self, word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
        if word.load(Ordering::SeqCst) != expected {
            return;
        }
        crash::step();
        let body = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        match body {
            Some(body) => crash::aside(body),
            None => {
                assert!(timeout.is_some(), "the victim would sleep for ever");
                Plain.park(word, expected, timeout);
            }
        }
        crash::step();
    }

    fn unpark(&self, word: &AtomicU32) {
        Plain.unpark(word);
    }

    fn unpark_all(&self, word: &AtomicU32) {
        Plain.unpark_all(word);
    }
}
