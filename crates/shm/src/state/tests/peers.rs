//! Other processes, as threads that really sleep.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::Park;

/// After so long a test is taken to hang.
const HANG: Duration = Duration::from_secs(30);

/// A futex among threads, which wakes exactly whom it is told to.
#[derive(Default)]
pub(super) struct Sleepers {
    asleep: Mutex<Vec<(usize, Arc<AtomicU32>)>>,
    changed: Condvar,
}

impl Sleepers {
    pub(super) fn leaked() -> &'static Self {
        Box::leak(Box::default())
    }

    /// Until so many sleep.
    pub(super) fn until(&self, count: usize) {
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
pub(super) struct Peer<R>(Receiver<R>);

impl<R: Send + 'static> Peer<R> {
    pub(super) fn start(body: impl FnOnce() -> R + Send + 'static) -> Self {
        let (sender, receiver) = channel();
        thread::spawn(move || sender.send(body()));
        Self(receiver)
    }

    /// What came of it, which has to come soon.
    pub(super) fn end(self, what: &str) -> R {
        let ended = self.0.recv_timeout(HANG);
        ended.unwrap_or_else(|why| panic!("{what}: the peer hangs or has failed: {why}"))
    }
}

/// Does something as another process does it: it does not die in the victim's stead.
pub(super) fn elsewhere<R: Send>(body: impl FnOnce() -> R + Send) -> R {
    thread::scope(|scope| scope.spawn(body).join().unwrap())
}
