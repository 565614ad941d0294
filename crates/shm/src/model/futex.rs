//! A futex for models: sleeps and wakes as the kernel does, and orders no more than it must.

use core::time::Duration;
use std::sync::{Mutex, MutexGuard, PoisonError};

use loom::thread::{self, Thread};

use crate::Park;
use crate::sync::{AtomicU32, Ordering};

/// Who sleeps on which word.
///
/// The kernel compares the word and queues the sleeper under one lock, which a waker takes
/// too. Here a read-modify-write of the word itself does that: loom lets it see the newest
/// value only, tries it before and after each other access to the word, and switches to no
/// other thread before its sleeper is queued. Being relaxed it orders nothing else, so that
/// a protocol gets no help from a lock that a real futex need not take. (The queue is a
/// plain mutex that loom does not know; the threads of a model share one real thread.)
#[derive(Debug, Default)]
pub(super) struct Futex(Mutex<Vec<(usize, Thread)>>);

impl Futex {
    fn queue(&self) -> MutexGuard<'_, Vec<(usize, Thread)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self, word: &AtomicU32, most: usize) {
        word.fetch_or(0, Ordering::Relaxed);
        let woken = self
            .queue()
            .extract_if(.., |(at, _)| *at == address(word))
            .take(most)
            .collect::<Vec<_>>();
        for (_, thread) in woken {
            thread.unpark();
        }
    }
}

fn address(word: &AtomicU32) -> usize {
    core::ptr::from_ref(word).addr()
}

impl Park for Futex {
    /// With a timeout: the time is up as soon as the others had a turn.
    fn park(&self, word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
        let (same, relaxed) = (expected, Ordering::Relaxed);
        if word
            .compare_exchange(expected, same, relaxed, relaxed)
            .is_err()
        {
            return;
        }
        if timeout.is_some() {
            thread::yield_now();
            return;
        }
        self.queue().push((address(word), thread::current()));
        thread::park();
    }

    fn unpark(&self, word: &AtomicU32) {
        self.wake(word, 1);
    }

    fn unpark_all(&self, word: &AtomicU32) {
        self.wake(word, usize::MAX);
    }
}
