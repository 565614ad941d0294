//! A counter that one process bumps and another may wait for.
//!
//! ```text
//!  bits   31        30 .................... 0
//!        +---------+-------------------------+
//!        | WATCHED |  count, wrapping        |
//!        +---------+-------------------------+
//! ```

use crate::steps::step;
use crate::sync::{AtomicU32, Ordering};

const WATCHED: u32 = 1 << 31;

/// See the module.
#[derive(Debug, Default)]
#[repr(transparent)]
pub struct WatchedCount(AtomicU32);

impl WatchedCount {
    /// The count, less the watch bit.
    #[inline]
    pub fn get(&self) -> u32 {
        // Acquire pairs with the Release in `bump`.
        self.0.load(Ordering::Acquire) & !WATCHED
    }

    /// One more. Returns whether somebody watches and must be rung for.
    #[must_use = "a watcher must be rung for"]
    #[inline]
    pub fn bump(&self) -> bool {
        let mut seen = self.0.load(Ordering::Relaxed);
        loop {
            let next = (seen & !WATCHED).wrapping_add(1) & !WATCHED;
            step();
            // Release: what was done before the bump is seen by `get`.
            match self
                .0
                .compare_exchange_weak(seen, next, Ordering::Release, Ordering::Relaxed)
            {
                Ok(_) => return seen & WATCHED != 0,
                Err(now) => seen = now,
            }
        }
    }

    /// Asks for a ring at the next bump, unless the count is no longer `seen`. Returns
    /// whether it is watched now.
    pub fn watch(&self, seen: u32) -> bool {
        let now = self.0.load(Ordering::Relaxed);
        if now & !WATCHED != seen {
            return false;
        }
        if now & WATCHED != 0 {
            return true;
        }
        step();
        // Relaxed: bump and watch meet on this one word.
        self.0
            .compare_exchange(now, now | WATCHED, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }

    /// The word itself, to spin on.
    pub fn word(&self) -> &AtomicU32 {
        &self.0
    }

    /// Back to zero, when nobody else is attached.
    pub fn reset(&self) {
        step();
        self.0.store(0, Ordering::Relaxed);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_watched_count_rings_once_and_a_stale_watch_is_refused() {
        let count = WatchedCount::default();
        assert!(!count.bump());
        assert!(!count.watch(0), "it is 1 by now");
        assert!(count.watch(1));
        assert!(count.bump());
        assert!(!count.bump());
        assert_eq!(count.get(), 3);
    }

    #[test]
    fn it_wraps_below_the_watch_bit() {
        let count = WatchedCount::default();
        count.0.store(!WATCHED, Ordering::Relaxed);
        assert!(!count.bump());
        assert_eq!(count.get(), 0);
    }
}
