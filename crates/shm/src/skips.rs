//! Messages that were sent and are not to be run after all.
//!
//! What went into a pipe cannot be taken out again. So the supervisor leaves word beside it: a
//! bit for each message that its worker is to pass over. Whether it was in time, both sides agree
//! on as they do about a lane's tasks that are taken back: each writes its own word, fences, and
//! reads the other's.
//!
//! ```text
//!               the worker                             the supervisor
//!
//!               1  begun := number                     1  skips := bits
//!               2  fence                               2  fence
//!               3  its bit in skips?                   3  begun >= number?
//!                    yes: pass it over                      yes: maybe too late
//!                    no: run it                             no: it will not be run
//! ```
//!
//! Of the two at least one sees the other's word. When both do, the message is passed over, and
//! the supervisor learns of it by the reply. A worker answers every message in its order, also
//! those that it passes over.

use crate::steps::step;
use crate::sync::{AtomicU64, Ordering, full_fence};

/// How many messages in a row have a bit of their own.
pub const SKIPS: u64 = 64;

/// See the module. Written by the supervisor alone, which keeps its own copy: a worker can write
/// here, too.
#[derive(Debug, Default)]
#[repr(transparent)]
pub struct Skips(AtomicU64);

impl Skips {
    /// The bit of a message; the first that a worker is sent has the number 1. At most [`SKIPS`]
    /// are under way at a time, so that no two of them have the same.
    #[must_use]
    pub fn bit(number: u64) -> u64 {
        1 << (number % SKIPS)
    }

    /// The supervisor's side: the messages of these bits, and no others, are to be passed over.
    /// Returns how many messages were begun: those above that number will be.
    pub fn ask(&self, bits: u64, begun: &AtomicU64) -> u64 {
        step();
        self.0.store(bits, Ordering::Relaxed);
        full_fence();
        begun.load(Ordering::Relaxed)
    }

    /// The worker's side: begins a message; whether it is to be run.
    #[inline]
    pub fn begin(&self, number: u64, begun: &AtomicU64) -> bool {
        step();
        begun.store(number, Ordering::Relaxed);
        full_fence();
        self.0.load(Ordering::Relaxed) & Self::bit(number) == 0
    }

    /// As in fresh memory, when nobody else is attached.
    pub fn reset(&self) {
        step();
        self.0.store(0, Ordering::Relaxed);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_in_time_is_passed_over() {
        let (skips, begun) = (Skips::default(), AtomicU64::new(0));
        assert!(skips.begin(1, &begun));
        let bits = Skips::bit(1) | Skips::bit(3);
        assert_eq!(skips.ask(bits, &begun), 1, "too late for the first");
        assert!(skips.begin(2, &begun));
        assert!(!skips.begin(3, &begun));
        assert_eq!(skips.ask(0, &begun), 3);
        assert!(skips.begin(3 + SKIPS, &begun));
    }
}
