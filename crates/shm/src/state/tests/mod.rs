//! What the tests of this module stand on: memory, and a park that does as it is told.

// There are crash points in debug builds only: see `crate::steps`.
#[cfg(debug_assertions)]
mod crash;
#[cfg(debug_assertions)]
mod crash_queue;
#[cfg(debug_assertions)]
mod peers;
#[cfg(debug_assertions)]
mod random;

use std::cell::UnsafeCell;
use std::ptr::NonNull;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::Place;
use crate::Park;

#[repr(C, align(64))]
struct Line(UnsafeCell<[u8; 64]>);

/// Zeroed memory, as a mapping would be. Each place attaches to all of it.
pub(super) struct Memory {
    lines: Box<[Line]>,
    bytes: usize,
}

// SAFETY: the bytes are reached through places only, which share them as processes do.
unsafe impl Sync for Memory {}

impl Memory {
    pub(super) fn new(bytes: usize) -> Self {
        let line = || Line(UnsafeCell::new([0; 64]));
        Self {
            lines: (0..bytes.div_ceil(64)).map(|_| line()).collect(),
            bytes,
        }
    }

    /// Memory that lasts as long as the test program.
    #[cfg(debug_assertions)]
    pub(super) fn leaked(bytes: usize) -> &'static Self {
        Box::leak(Box::new(Self::new(bytes)))
    }

    /// Writes words over and over, as a peer that goes wrong may.
    #[cfg(debug_assertions)]
    fn scribble(&self, mut word: impl FnMut() -> u64) {
        for line in &self.lines {
            let words = (0..8).flat_map(|_| word().to_le_bytes());
            let bytes: Vec<_> = words.collect();
            // SAFETY: in bounds, and nobody has taken anything from here yet.
            unsafe { line.0.get().cast::<u8>().copy_from(bytes.as_ptr(), 64) };
        }
    }

    pub(super) fn place(&self) -> Place<'_> {
        let ptr = NonNull::from(&self.lines[..]).cast();
        // SAFETY: lives as long as the place; each test takes one type from the start.
        unsafe { Place::attach(ptr, self.bytes) }
    }
}

/// A park for one thread: in place of the first sleep it does something, and every other has
/// to end by its timeout. Wakes go nowhere, as if the one woken had died.
pub(super) struct Hook<F>(Mutex<Option<F>>);

impl Hook<fn()> {
    pub(super) fn never() -> Self {
        Self(Mutex::new(None))
    }
}

impl<F: FnOnce()> Hook<F> {
    pub(super) fn once(body: F) -> Self {
        Self(Mutex::new(Some(body)))
    }
}

impl<F: FnOnce()> Park for Hook<F> {
    fn park(&self, word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
        if word.load(Ordering::SeqCst) != expected {
            return;
        }
        let body = self.0.lock().unwrap().take();
        match body {
            Some(body) => body(),
            // Nobody wakes it: the time goes by.
            None => std::thread::sleep(timeout.expect("it would sleep for ever")),
        }
    }

    fn unpark(&self, _: &AtomicU32) {}

    fn unpark_all(&self, _: &AtomicU32) {}
}
