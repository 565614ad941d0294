//! Waiting for a condition, with a deadline. The one place of this package that sleeps.

use std::time::{Duration, Instant};

/// How long anything may take that a correct program does at once: for hangs, not for speed.
pub const LIVENESS: Duration = Duration::from_secs(60);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(1);

/// Looks until `look` has an answer.
///
/// # Panics
/// When there is none within `limit`; the message names `what`.
pub fn until<T>(what: &str, limit: Duration, look: impl FnMut() -> Option<T>) -> T {
    match within(limit, look) {
        Some(found) => found,
        None => panic!("waited {limit:?} in vain: {what}"),
    }
}

/// Looks until `look` has an answer; `None` when there is none within `limit`.
pub fn within<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        // Looked at before the clock: a slow machine gets its last look after the deadline.
        let over = Instant::now() >= end;
        if let Some(found) = look() {
            return Some(found);
        }
        if over {
            return None;
        }
        std::thread::sleep(PAUSE);
    }
}

/// Lets `time` pass, for a measurement that lasts so long.
pub fn observe_for(time: Duration) {
    std::thread::sleep(time);
}
