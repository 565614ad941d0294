//! Deadlines.

use std::time::{Duration, Instant};

/// As good as never, and far from where the clock ends.
const AGES: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// The instant `wait` from now; a wait that no clock can count ends in a hundred years.
pub(crate) fn after(wait: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(wait.min(AGES)).unwrap_or(now)
}

/// The instant `wait` after another, as [`after`].
pub(crate) fn later(at: Instant, wait: Duration) -> Instant {
    at.checked_add(wait.min(AGES)).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_wait_is_no_panic() {
        assert!(after(Duration::MAX) > after(Duration::from_secs(1)));
    }
}
