//! A flag to wait for.
//!
//! ```text
//!   31 ......... 12   11       10 ........... 2   1          0
//!  +----------------+--------+------------------+----------+-----+
//!  | sets, wrapping | BROKEN | promised by + 1  | SLEEPERS | SET |
//!  +----------------+--------+------------------+----------+-----+
//!
//!            set                        promise                  give_back: it died
//!   [clear] -----> [set]       [clear] ---------> [promised by o] ----------> [broken by o]
//!      ^             |            ^ ^                   |  |                      |
//!      +--- clear ---+            | +----- clear -------+  +-- set --> [set]      |
//!                                 +------- clear (or set --> [set]) --------------+
//! ```
//!
//! A waiter returns when the event is set, *or has been set since the wait began*: it compares
//! the count of sets. So no set is missed by one that waited, however soon a clear follows.
//!
//! An event belongs to nobody, and waits of those who rely on a dead setter could not end. So
//! whoever is going to set it can [promise](Event::promise) to; its death then ends the waits
//! with an error. When nobody is left who could set it, it is [abandoned](Event::abandon):
//! broken, by nobody.
//!
//! The count is of 20 bits. A waiter that does not run while exactly 2^20 sets, and a clear
//! after the last, go by misses them all, and waits for the next.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::GiveBack;
use super::deadline::Deadline;
use super::place::InPlace;
use crate::OwnerIndex;
use crate::steps::step;
use crate::sync::{AtomicU32, Ordering};
use crate::wait::Park;

const SET: u32 = 1;
const SLEEPERS: u32 = 1 << 1;
const PROMISE_SHIFT: u32 = 2;
const PROMISE: u32 = 0x1ff << PROMISE_SHIFT;
const BROKEN: u32 = 1 << 11;
const ONE_SET: u32 = 1 << 12;
const SETS: u32 = u32::MAX << 12;

fn promise_of(owner: OwnerIndex) -> u32 {
    (u32::from(owner.get()) + 1) << PROMISE_SHIFT
}

/// The event will not be set by whom it was to be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum EventBroken {
    /// Whoever had promised to set the event died before it did.
    #[error(
        "{0} died and had promised to set the event; set it in its stead, or clear it and have another promise"
    )]
    SetterDied(OwnerIndex),
    /// The pool of the event has ended.
    #[error("the pool has ended, and with it all who could have set the event")]
    Abandoned,
}

/// Why a wait for an event ended without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum EventWaitError {
    /// It will not be set.
    #[error(transparent)]
    Broken(#[from] EventBroken),
    /// It was not set in time.
    #[error("the event was not set in time; wait longer, or see what its setter does")]
    TimedOut,
}

/// See the module. All zero is clear.
///
/// What came before a `set` is seen by whoever waited for it, or found it set.
#[derive(Debug, Default)]
#[repr(transparent)]
pub struct Event(AtomicU32);

#[cfg(not(loom))]
const _: () = assert!(size_of::<Event>() == 4 && align_of::<Event>() == 4);

// SAFETY: transparent over one atomic; zero is clear, and every word means something to every
// method, none of which uses it to reach memory.
unsafe impl InPlace for Event {}

impl Event {
    /// A clear event.
    pub fn new() -> Self {
        Self::default()
    }

    /// Changes the word by `next`; the word before.
    fn change(&self, next: impl Fn(u32) -> u32) -> u32 {
        let mut seen = self.0.load(Ordering::Relaxed);
        loop {
            step();
            // Release: what the setter did is seen by the Acquire in `look`.
            match self
                .0
                .compare_exchange(seen, next(seen), Ordering::Release, Ordering::Relaxed)
            {
                Ok(before) => return before,
                Err(now) => seen = now,
            }
        }
    }

    /// Sets it, which keeps the promise of whoever had made one, and wakes all who wait.
    pub fn set(&self, park: &impl Park) {
        let before = self.change(|word| (word & SETS).wrapping_add(ONE_SET) | SET);
        if before & SLEEPERS != 0 {
            step();
            park.unpark_all(&self.0);
        }
    }

    /// Clears it: who waits from now on waits for the next set. Forgets a promise, and that
    /// one was broken; whoever still waits, waits on.
    pub fn clear(&self) {
        self.change(|word| word & (SETS | SLEEPERS));
    }

    /// Breaks it, unless it is set: nobody is left who could set it. Wakes all who wait.
    pub fn abandon(&self, park: &impl Park) {
        self.change(|word| match word & (SET | BROKEN) {
            0 => word & SETS | BROKEN,
            _ => word,
        });
        step();
        park.unpark_all(&self.0);
    }

    /// Whether it is set.
    pub fn is_set(&self) -> bool {
        self.look() & SET != 0
    }

    fn look(&self) -> u32 {
        // Acquire pairs with the Release in `change`.
        self.0.load(Ordering::Acquire)
    }

    /// `owner` is going to set it: if it dies before, those who wait learn of it. `false`
    /// when it is set, or another has promised, or a promise was broken.
    #[must_use = "without the promise nobody learns of the death"]
    pub fn promise(&self, owner: OwnerIndex) -> bool {
        let seen = self.0.load(Ordering::Relaxed);
        let mut clear = seen & (SETS | SLEEPERS);
        loop {
            step();
            // Relaxed: a promise publishes nothing.
            match self.0.compare_exchange(
                clear,
                clear | promise_of(owner),
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) if now & (SET | PROMISE | BROKEN) != 0 => return false,
                Err(now) => clear = now,
            }
        }
    }

    /// Waits until it is set.
    ///
    /// # Errors
    /// [`EventBroken`], when whoever had promised to set it has died, or it was abandoned; at
    /// once, when that was before.
    pub fn wait(&self, park: &impl Park) -> Result<(), EventBroken> {
        match self.wait_before(Deadline::never(), park) {
            Ok(()) => Ok(()),
            Err(EventWaitError::Broken(broken)) => Err(broken),
            Err(EventWaitError::TimedOut) => {
                unreachable!("a deadline that never comes has passed")
            }
        }
    }

    /// Waits until it is set, for `timeout` at most.
    ///
    /// # Errors
    /// [`EventWaitError`].
    pub fn wait_timeout(&self, timeout: Duration, park: &impl Park) -> Result<(), EventWaitError> {
        self.wait_before(Deadline::after(timeout), park)
    }

    fn wait_before(&self, mut deadline: Deadline, park: &impl Park) -> Result<(), EventWaitError> {
        let first = self.look();
        let mut seen = first;
        loop {
            if seen & SET != 0 || (seen ^ first) & SETS != 0 {
                return Ok(());
            }
            if seen & BROKEN != 0 {
                return Err(broken_by((seen & PROMISE) >> PROMISE_SHIFT).into());
            }
            let left = deadline.left().map_err(|_| EventWaitError::TimedOut)?;
            let asleep = seen | SLEEPERS;
            if seen != asleep {
                step();
                // Acquire, when it fails, pairs with the Release in `change`.
                let entered =
                    self.0
                        .compare_exchange(seen, asleep, Ordering::Relaxed, Ordering::Acquire);
                if let Err(now) = entered {
                    seen = now;
                    continue;
                }
            }
            step();
            park.park(&self.0, asleep, left);
            seen = self.look();
        }
    }
}

/// What a broken event's promise, or none, says.
fn broken_by(promise: u32) -> EventBroken {
    match promise.checked_sub(1) {
        None => EventBroken::Abandoned,
        // The mask leaves nine bits: a number beyond an owner's was not written here.
        Some(number) => EventBroken::SetterDied(
            u8::try_from(number).map_or(OwnerIndex::SUPERVISOR, OwnerIndex::new),
        ),
    }
}

impl GiveBack for Event {
    /// Whether the dead had promised to set it.
    type Report = bool;

    fn give_back(&self, dead: OwnerIndex, park: &impl Park) -> bool {
        let promised = |word| word & PROMISE == promise_of(dead) && word & (SET | BROKEN) == 0;
        let before = self.change(|word| {
            if promised(word) {
                (word | BROKEN) & !SLEEPERS
            } else {
                word
            }
        });
        step();
        // In any case: it may have set the event without having come to wake anybody.
        park.unpark_all(&self.0);
        promised(before)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::tests::Hook;
    use super::*;

    const A: OwnerIndex = OwnerIndex::SUPERVISOR;
    const Z: OwnerIndex = OwnerIndex::new(255);

    #[test]
    fn it_is_set_until_cleared() {
        let (event, park) = (Event::new(), Hook::never());
        let late = event.wait_timeout(Duration::ZERO, &park);
        assert_eq!(late, Err(EventWaitError::TimedOut));
        event.set(&park);
        assert!(event.is_set());
        assert_eq!(event.wait(&park), Ok(()));
        event.clear();
        assert!(!event.is_set());
    }

    #[test]
    fn a_waiter_sees_a_set_that_is_cleared_at_once() {
        let event = Event::new();
        let seen = event.wait(&Hook::once(|| {
            event.set(&Hook::never());
            event.clear();
        }));
        assert_eq!((seen, event.is_set()), (Ok(()), false));
    }

    #[test]
    fn a_broken_promise_ends_the_waits() {
        let event = Event::new();
        assert!(event.promise(Z));
        assert!(!event.promise(A), "one is enough");
        assert!(!event.give_back(A, &Hook::never()));
        let waited = event.wait(&Hook::once(|| {
            assert!(event.give_back(Z, &Hook::never()));
        }));
        assert_eq!(waited, Err(EventBroken::SetterDied(Z)));
        assert!(!event.give_back(Z, &Hook::never()), "once");
        assert!(!event.promise(A), "while it is broken");
        event.clear();
        assert!(event.promise(A));
        event.set(&Hook::never());
        assert!(!event.give_back(A, &Hook::never()), "it was kept");
        assert_eq!(event.wait(&Hook::never()), Ok(()));
    }

    #[test]
    fn an_abandoned_event_is_waited_for_no_more() {
        let event = Event::new();
        let waited = event.wait(&Hook::once(|| event.abandon(&Hook::never())));
        assert_eq!(waited, Err(EventBroken::Abandoned));
        event.set(&Hook::never());
        event.abandon(&Hook::never());
        assert_eq!(event.wait(&Hook::never()), Ok(()), "it was set after all");
    }
}
