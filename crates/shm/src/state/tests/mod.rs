//! What the tests of this module stand on: memory, sleepers, and deaths.

mod crash;
mod crash_queue;
mod random;
mod threads;

use std::cell::UnsafeCell;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::Place;
use crate::Park;

/// After so long a test is taken to hang.
const HANG: Duration = Duration::from_secs(30);

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
    pub(super) fn leaked(bytes: usize) -> &'static Self {
        Box::leak(Box::new(Self::new(bytes)))
    }

    pub(super) fn place(&self) -> Place<'_> {
        let ptr = NonNull::from(&self.lines[..]).cast();
        // SAFETY: lives as long as the place; each test takes one type from the start.
        unsafe { Place::attach(ptr, self.bytes) }
    }
}

/// A park for one thread: in place of the first sleep it does something, and there must be no
/// second. Wakes go nowhere, as if the one woken had died.
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
            None => assert!(timeout.is_some(), "it would sleep for ever"),
        }
    }

    fn unpark(&self, _: &AtomicU32) {}

    fn unpark_all(&self, _: &AtomicU32) {}
}

/// A futex among threads, which wakes exactly whom it is told to.
#[derive(Default)]
pub(super) struct Sleepers {
    asleep: Mutex<Vec<(usize, Arc<AtomicU32>)>>,
    changed: Condvar,
}

impl Sleepers {
    fn leaked() -> &'static Self {
        Box::leak(Box::default())
    }

    /// Until so many sleep.
    fn until(&self, count: usize) {
        let asleep = self.asleep.lock().unwrap();
        let (_asleep, out) = self
            .changed
            .wait_timeout_while(asleep, HANG, |asleep| asleep.len() != count)
            .unwrap();
        assert!(!out.timed_out(), "nobody went to sleep");
    }

    fn wake(&self, word: &AtomicU32, most: usize) {
        let at = core::ptr::from_ref(word).addr();
        let mut asleep = self.asleep.lock().unwrap();
        let woken = asleep.extract_if(.., |(word, _)| *word == at).take(most);
        woken.for_each(|(_, woken)| woken.store(1, Ordering::SeqCst));
        self.changed.notify_all();
    }
}

impl Park for Sleepers {
    fn park(&self, word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
        let end = timeout.map(|timeout| Instant::now() + timeout);
        let mut asleep = self.asleep.lock().unwrap();
        if word.load(Ordering::SeqCst) != expected {
            return;
        }
        let woken = Arc::new(AtomicU32::new(0));
        asleep.push((core::ptr::from_ref(word).addr(), Arc::clone(&woken)));
        self.changed.notify_all();
        while woken.load(Ordering::SeqCst) == 0 {
            let left = end.map_or(HANG, |end| end.saturating_duration_since(Instant::now()));
            let (now, out) = self.changed.wait_timeout(asleep, left).unwrap();
            asleep = now;
            if out.timed_out() && end.is_some() {
                asleep.retain(|(_, other)| !Arc::ptr_eq(other, &woken));
                return;
            }
        }
    }

    fn unpark(&self, word: &AtomicU32) {
        self.wake(word, 1);
    }

    fn unpark_all(&self, word: &AtomicU32) {
        self.wake(word, usize::MAX);
    }
}

/// Another process: does `body`, which may sleep, and says what came of it.
struct Peer<R>(Receiver<R>);

impl<R: Send + 'static> Peer<R> {
    fn start(body: impl FnOnce() -> R + Send + 'static) -> Self {
        let (sender, receiver) = channel();
        thread::spawn(move || sender.send(body()));
        Self(receiver)
    }

    /// What came of it, which has to come soon.
    fn end(self, what: &str) -> R {
        let ended = self.0.recv_timeout(HANG);
        ended.unwrap_or_else(|why| panic!("{what}: the peer hangs or has failed: {why}"))
    }
}

/// Does something as another process does it: it does not die in the victim's stead.
fn elsewhere<R: Send>(body: impl FnOnce() -> R + Send) -> R {
    thread::scope(|scope| scope.spawn(body).join().unwrap())
}
