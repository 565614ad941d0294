//! How this crate waits without knowing an operating system. The whole protocol, from both sides, is
//! in `README.md` beside this file.

use core::time::Duration;

use crate::steps::step;
use crate::sync::{AtomicU32, Ordering, spin_hint};

/// Sleeping on a word of shared memory, and waking who sleeps there.
///
/// The contract is that of a futex shared between processes:
///
/// * `park` returns at once when `*word != expected`; otherwise it sleeps until a later
///   [`unpark`](Park::unpark) on the same word from any process, until the timeout, or for
///   no reason at all. The comparison and the falling asleep are one step for `unpark`.
/// * `unpark` wakes at least one sleeper on `word`, if there is one; `unpark_all` all.
///
/// Whoever parks looks again afterwards: a return says nothing.
pub trait Park {
    /// Sleeps while `*word == expected`, at most for `timeout`.
    fn park(&self, word: &AtomicU32, expected: u32, timeout: Option<Duration>);
    /// Wakes one sleeper on `word`.
    fn unpark(&self, word: &AtomicU32);
    /// Wakes every sleeper on `word`.
    fn unpark_all(&self, word: &AtomicU32);
}

/// How long to spin before sleeping, learned from how spinning went.
///
/// The budget is what the two sides of a wake cost, so that spinning in vain costs at most
/// as much again. It is zero while more processes are awake than there are cores, because
/// the one waited for may need the very core that spins. After several spins in vain only
/// every eighth wait spins: enough to find out when spinning pays again, on both sides at
/// once, without burning a core in a pool that is served slowly.
#[derive(Debug, Clone)]
pub struct SpinBudget {
    turns: u32,
    cores: u32,
    in_vain: u32,
}

/// Turns before the first pause instruction.
const EAGER_TURNS: u32 = 128;
/// So many spins in a row may be in vain before only every eighth wait spins.
const PATIENCE: u32 = 8;

impl SpinBudget {
    /// A budget of `turns` (one turn is one look and one pause instruction) on a machine
    /// with `cores` cores.
    pub fn new(cores: u32, turns: u32) -> Self {
        Self {
            turns,
            cores,
            in_vain: 0,
        }
    }

    /// Spins until `ready` says so, or the budget is used up. `awake` holds the number of
    /// processes that are not parked. Returns whether `ready` held.
    #[inline]
    pub fn spin(&mut self, awake: &AtomicU32, mut ready: impl FnMut() -> bool) -> bool {
        if ready() {
            return true;
        }
        // A hint only: a stale value costs a spin too many or too few.
        if awake.load(Ordering::Relaxed) > self.cores {
            return false;
        }
        if self.in_vain >= PATIENCE {
            self.in_vain += 1;
            if !self.in_vain.is_multiple_of(PATIENCE) {
                return false;
            }
        }
        for turn in 0..self.turns {
            // The first looks come without a pause: on recent Intel cores one pause lasts as
            // long as a whole round trip between two cores.
            if turn >= EAGER_TURNS {
                spin_hint();
            }
            if ready() {
                self.in_vain = 0;
                return true;
            }
            if turn % 256 == 255 && awake.load(Ordering::Relaxed) > self.cores {
                return false;
            }
        }
        self.in_vain = (self.in_vain + 1).min(u32::MAX / 2);
        false
    }
}

/// The supervisor's bell: one word that says whether it sleeps, and counts the rings.
///
/// ```text
///   31                              1   0
///  +---------------------------------+-----+
///  |  rings, wrapping                | zzz |
///  +---------------------------------+-----+
/// ```
///
/// To sleep: read the word, look everywhere for work, then [`sleep`](Doorbell::sleep) with
/// what was read. A ring in between changes the count, so the sleep does not happen.
///
/// One thread sleeps here at a time, and it alone clears `zzz`, which it has set. Not the
/// ringer: one that died before it had woken anybody would leave a sleeper whom no later
/// ring wakes.
#[derive(Debug)]
#[repr(transparent)]
pub struct Doorbell(AtomicU32);

const ASLEEP: u32 = 1;
const ONE_RING: u32 = 2;

impl Default for Doorbell {
    fn default() -> Self {
        Self::new()
    }
}

impl Doorbell {
    /// A bell that nobody has rung and nobody sleeps at.
    #[cfg(not(loom))]
    pub const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// A bell that nobody has rung and nobody sleeps at.
    #[cfg(loom)]
    pub fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// The count to hand to [`sleep`](Self::sleep) later.
    #[inline]
    pub fn listen(&self) -> u32 {
        // pairs with the Release in `ring`: what was done before a counted ring is seen by
        // the look that follows.
        self.0.load(Ordering::Acquire) & !ASLEEP
    }

    /// Rings; wakes the sleeper if there is one.
    #[inline]
    pub fn ring(&self, park: &impl Park) {
        step();
        // Release: what the ringer did is seen by whoever reads the new count. Acquire is
        // not needed: the ringer reads nothing that the sleeper wrote.
        let old = self.0.fetch_add(ONE_RING, Ordering::Release);
        if old & ASLEEP != 0 {
            step();
            park.unpark_all(&self.0);
        }
    }

    /// Sleeps until a ring that came after `listen` returned `heard`, at most for `timeout`.
    /// Returns at once if there was one already, or if another thread sleeps here.
    pub fn sleep(&self, park: &impl Park, heard: u32, timeout: Option<Duration>) {
        step();
        // Acquire on failure pairs with the Release in `ring`; on success nothing is read.
        let entered =
            self.0
                .compare_exchange(heard, heard | ASLEEP, Ordering::Relaxed, Ordering::Acquire);
        if entered.is_ok() {
            step();
            park.park(&self.0, heard | ASLEEP, timeout);
            step();
            self.0.fetch_and(!ASLEEP, Ordering::Relaxed);
        }
    }
}
