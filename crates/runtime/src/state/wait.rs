//! Waiting in shared state: asleep like everybody, but what it takes is noted, and a pool whose
//! supervisor waits is still driven.
//!
//! An operation that need not wait comes nowhere near this file, and so pays for no clock.
//!
//! **In a worker** the time counts to the `lock` stage of its timings: it is kept for the
//! thread until the task is over, when the worker splits the task's time into `compute` and
//! `lock`.
//!
//! **In the supervisor** nobody may be driving: the thread that would otherwise join its tasks
//! waits here, perhaps for what one of them is to do. So a wait that takes longer than
//! [`PATIENCE`] has the pools of this process driven in the background for as long as it
//! lasts (see `driver::feeder`).

use std::cell::Cell;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use forkyard_os::clock::ticks;
use forkyard_os::park::{self, Wake};
use forkyard_shm::Park;

use crate::driver::DrivenElsewhere;

/// Waits that are shorter are not worth waking another thread for.
const PATIENCE: Duration = Duration::from_millis(1);

thread_local! {
    static WAITED: Cell<u64> = const { Cell::new(0) };
}

/// Ticks that this thread has waited in shared state since the last call.
#[inline]
pub(crate) fn take_waited() -> u64 {
    WAITED.replace(0)
}

/// Sleeping, for shared state.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StatePark;

impl Park for StatePark {
    fn park(&self, word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
        let began = ticks();
        sleep(word, expected, timeout);
        WAITED.set(WAITED.get() + ticks().wrapping_sub(began));
    }

    fn unpark(&self, word: &AtomicU32) {
        park::wake(word, 1);
    }

    fn unpark_all(&self, word: &AtomicU32) {
        park::wake(word, u32::MAX);
    }
}

fn sleep(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
    let first = timeout.map_or(PATIENCE, |timeout| timeout.min(PATIENCE));
    if park::wait(word, expected, Some(first)) != Wake::TimedOut {
        return;
    }
    let left = timeout.map(|timeout| timeout.saturating_sub(first));
    if left == Some(Duration::ZERO) {
        return;
    }
    let _driven = DrivenElsewhere::begin();
    // Woken, changed or timed out: the caller looks again either way.
    let _ = park::wait(word, expected, left);
}
