//! The stop flag: one word that tells every worker that a round is over.
//!
//! A one-shot boolean cannot be used twice: whoever is late still sees the last round's
//! *true* in the next. Here every round has a number, and the flag holds the number of the
//! last round that was stopped. Arming a new round writes nothing.

use crate::steps::step;
use crate::sync::{AtomicU64, Ordering};

/// The number of a round, tagged on everything that belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Round(u64);

impl Round {
    /// The round with this number; the first is 1.
    pub fn from_number(number: u32) -> Self {
        Self(u64::from(number))
    }

    /// The round of a worker's message with this number, of which there are more than there are
    /// searches; the first is 1. That of `u64::MAX` is stopped only for ever.
    pub fn of_message(number: u64) -> Self {
        Self(number)
    }

    /// Its number; of a message, the lower half of it.
    pub fn number(self) -> u32 {
        self.0 as u32
    }
}

/// The value that stops every round, past and to come.
const EVERY_ROUND: u64 = u64::MAX;

/// A stop flag with rounds. One writer arms; anyone raises; everyone reads.
///
/// ```
/// use forkyard_shm::StopFlag;
///
/// let flag = StopFlag::new();
/// let first = flag.arm();
/// flag.raise(first);
/// assert!(flag.is_raised(first));
/// let second = flag.arm();
/// assert!(!flag.is_raised(second));
/// ```
#[derive(Debug)]
#[repr(C)]
pub struct StopFlag {
    /// The last round that was stopped, or [`EVERY_ROUND`].
    stopped: AtomicU64,
    /// The last round that was armed. Readers of the flag never look here.
    armed: AtomicU64,
}

#[cfg(not(loom))]
crate::packed::packed!(StopFlag { stopped, armed } then 0 unused);

impl Default for StopFlag {
    fn default() -> Self {
        Self::new()
    }
}

impl StopFlag {
    /// A flag whose first round is 1.
    pub fn new() -> Self {
        Self {
            stopped: AtomicU64::new(0),
            armed: AtomicU64::new(0),
        }
    }

    /// Begins the next round and returns its number. In shared memory the count is anybody's to
    /// write: a pool counts its rounds by itself.
    ///
    /// # Panics
    /// After 2³² − 1 rounds on one flag.
    pub fn arm(&self) -> Round {
        step();
        let number = self.armed.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        match u32::try_from(number) {
            Ok(number) => Round::from_number(number),
            Err(_) => panic!("a stop flag has 2^32 - 1 rounds; build a new pool"),
        }
    }

    /// Stops `round` and every earlier one. Returns whether this call was the one that did.
    pub fn raise(&self, round: Round) -> bool {
        step();
        // Release: a reader that sees the flag up and then fences with Acquire sees what the
        // raiser did before. Readers that only stop need no more than Relaxed.
        let before = self.stopped.fetch_max(round.0, Ordering::Release);
        before < round.0
    }

    /// Stops every round, also those not yet armed. For aborting; there is no way back.
    pub fn raise_for_ever(&self) {
        step();
        self.stopped.store(EVERY_ROUND, Ordering::Release);
    }

    /// Whether `round` was stopped. One plain load: an unmodified flag is a cache hit.
    #[inline(always)]
    pub fn is_raised(&self, round: Round) -> bool {
        // Relaxed: stopping is a hint to leave; data travels by other words.
        self.stopped.load(Ordering::Relaxed) >= round.0
    }

    /// As in fresh memory, when nobody else is attached.
    pub fn reset(&self) {
        for word in [&self.stopped, &self.armed] {
            step();
            word.store(0, Ordering::Relaxed);
        }
    }

    /// Whether the flag stops every round.
    pub fn is_raised_for_ever(&self) -> bool {
        self.stopped.load(Ordering::Relaxed) == EVERY_ROUND
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_raised_round_does_not_stop_the_next() {
        let flag = StopFlag::new();
        let one = flag.arm();
        assert!(!flag.is_raised(one));
        assert!(flag.raise(one));
        assert!(!flag.raise(one), "only the first raise counts");
        let two = flag.arm();
        assert!(flag.is_raised(one));
        assert!(!flag.is_raised(two));
    }

    #[test]
    fn a_late_raise_of_an_old_round_changes_nothing() {
        let flag = StopFlag::new();
        let one = flag.arm();
        let two = flag.arm();
        flag.raise(two);
        assert!(!flag.raise(one));
        assert!(flag.is_raised(two));
    }

    #[test]
    fn messages_beyond_32_bits_are_told_apart() {
        let flag = StopFlag::new();
        let late = Round::of_message(1 << 32);
        flag.raise(late);
        assert!(flag.is_raised(late));
        assert!(!flag.is_raised(Round::of_message((1 << 32) + 1)));
        assert!(!flag.is_raised(Round::of_message(u64::MAX)));
        flag.reset();
        assert!(!flag.is_raised(Round::of_message(1)));
    }

    #[test]
    fn raised_for_ever_stops_rounds_to_come() {
        let flag = StopFlag::new();
        flag.raise_for_ever();
        assert!(flag.is_raised(flag.arm()));
        assert!(flag.is_raised_for_ever());
    }
}
