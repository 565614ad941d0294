//! The state word of a slot: who may touch the rest of the slot, and who sleeps.
//!
//! ```text
//!                       supervisor: publish (swap)
//!        +-------------------------------------------------+
//!        |                                                 |
//!        v                                                 |
//!     [READY] --- worker: start (CAS) ---> [RUNNING]       |
//!      |   ^                                   |           |
//!      |   |                    worker: finish (swap)      |
//!      |   | publish                           v           |
//!      |   +------------- [FREE]            [DONE] --------+
//!      |                    ^                (its result is taken first)
//!      +--------------------+
//!       supervisor: retract (CAS)
//!
//!  bits   31 ....... 4     3         2       1 0
//!        +-----------+---------+---------+-------+
//!        |     0     | WATCHED | SLEEPER | state |
//!        +-----------+---------+---------+-------+
//! ```
//!
//! Who owns the rest of the slot:
//!
//! | state   | owner      | what it holds                                   |
//! |---------|------------|-------------------------------------------------|
//! | FREE    | supervisor | nothing                                         |
//! | READY   | nobody     | a task                                          |
//! | RUNNING | worker     | a task, then the makings of its result          |
//! | DONE    | supervisor | a result, or what is left of one already taken  |
//!
//! `SLEEPER` is set by a worker that is about to sleep on this very word, while the state is
//! FREE or DONE; the swap in `publish` clears it and thereby learns that a wake is owed.
//! `WATCHED` is set by a supervisor that is about to sleep, while the state is READY or
//! RUNNING; the swap in `finish` clears it and learns that the doorbell is to be rung. So
//! neither side ever reads a second word, and neither needs a fence of its own: the flag
//! and the state travel in one read-modify-write, and one of the two sides always sees the
//! other. (One word for state and sleeper: Drepper's futex mutexes, parking_lot.)
//!
//! A slot is DONE until the supervisor publishes the next task in it: whether its result
//! was taken already is the supervisor's own knowledge, and costs no write.

use crate::steps::step;
use crate::sync::{AtomicU32, Ordering};

/// Nothing in it; the state of a fresh lane.
pub const FREE: u32 = 0;
/// A task waits in it.
pub const READY: u32 = 1;
/// The worker has begun the task.
pub const RUNNING: u32 = 2;
/// The result is in it.
pub const DONE: u32 = 3;
const STATE: u32 = 0b11;
/// The worker sleeps on this word.
pub const SLEEPER: u32 = 0b100;
/// The supervisor wants the doorbell when this task is done.
pub const WATCHED: u32 = 0b1000;

/// What [`State::publish`] found.
#[must_use = "a sleeping worker must be woken"]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// The worker is awake, or will look before it sleeps.
    Awake,
    /// The worker sleeps on the state word and must be woken.
    WakeIt,
}

/// What [`State::start`] found.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// The task is the caller's; it may read the slot.
    Started,
    /// No task there (yet, or any more).
    NotReady,
}

/// What [`State::finish`] found.
#[must_use = "a watching supervisor must be rung for"]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finished {
    /// Nobody waits for this very task.
    Quiet,
    /// The supervisor sleeps, or is about to: ring.
    Ring,
}

/// What [`State::watch`] found.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watch {
    /// The worker will ring when it is done.
    Watching,
    /// It is done already.
    Done,
    /// The word holds what no correct worker writes.
    Corrupt(u32),
}

/// What [`State::sleep`] says.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sleep {
    /// A task has come; do not sleep.
    Ready,
    /// Sleep while the word holds this.
    Park(u32),
}

/// What the supervisor sees after a worker's death, or when it polls.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Nothing published.
    Free,
    /// Published, not begun.
    Ready,
    /// Begun, not finished.
    Running,
    /// Finished.
    Done,
    /// The word holds what no correct worker writes.
    Corrupt(u32),
}

/// The transitions, on a word wherever it lives.
#[derive(Debug, Clone, Copy)]
pub struct State<'a>(pub &'a AtomicU32);

impl State<'_> {
    /// Supervisor: FREE or DONE → READY. The slot must be filled before.
    #[inline]
    pub fn publish(self) -> Published {
        step();
        // Release: the task in the slot is seen by the Acquire in `start`.
        let old = self.0.swap(READY, Ordering::Release);
        if old & SLEEPER != 0 {
            Published::WakeIt
        } else {
            Published::Awake
        }
    }

    /// Worker: is there a task? A cheap look; [`start`](Self::start) decides.
    #[inline]
    pub fn looks_ready(self) -> bool {
        self.0.load(Ordering::Relaxed) & STATE == READY
    }

    /// Worker: READY → RUNNING.
    #[inline]
    pub fn start(self) -> Start {
        let mut seen = self.0.load(Ordering::Relaxed);
        while seen & STATE == READY {
            step();
            // Acquire pairs with the Release in `publish`: the task is seen whole. A failure
            // reads only this word, so Relaxed is enough there.
            match self.0.compare_exchange_weak(
                seen,
                (seen & !STATE) | RUNNING,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Start::Started,
                Err(now) => seen = now,
            }
        }
        Start::NotReady
    }

    /// Worker: RUNNING → DONE. The result must be in the slot before.
    #[inline]
    pub fn finish(self) -> Finished {
        step();
        // Release: the result is seen by the Acquire in `see` and `watch`.
        let old = self.0.swap(DONE, Ordering::Release);
        if old & WATCHED != 0 {
            Finished::Ring
        } else {
            Finished::Quiet
        }
    }

    /// Supervisor: what is there?
    #[inline]
    pub fn see(self) -> Seen {
        // Acquire pairs with the Release in `finish`: a DONE slot's result is seen whole.
        match self.0.load(Ordering::Acquire) {
            raw if raw & !(STATE | SLEEPER | WATCHED) != 0 => Seen::Corrupt(raw),
            raw => match raw & STATE {
                FREE => Seen::Free,
                READY => Seen::Ready,
                RUNNING => Seen::Running,
                _ => Seen::Done,
            },
        }
    }

    /// Supervisor: takes back a task that was not begun, READY → FREE. Returns whether it
    /// was taken back.
    pub fn retract(self) -> bool {
        let seen = self.0.load(Ordering::Relaxed);
        if seen & STATE != READY {
            return false;
        }
        step();
        // Relaxed: the supervisor wrote the task itself; nothing of the worker's is read.
        self.0
            .compare_exchange(seen, FREE, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }

    /// Supervisor, before it sleeps: asks for a ring when this task is done.
    pub fn watch(self) -> Watch {
        let mut seen = self.0.load(Ordering::Relaxed);
        loop {
            match seen & STATE {
                READY | RUNNING if seen & !(STATE | WATCHED) == 0 => {}
                DONE => {
                    // pairs with the Release in `finish`, read through `see` afterwards.
                    return Watch::Done;
                }
                _ => return Watch::Corrupt(seen),
            }
            step();
            // Release on success orders nothing that is needed; Relaxed: the worker's swap
            // in `finish` either comes before (then this CAS fails and sees DONE) or after
            // (then it sees WATCHED). Both are on this one word.
            match self.0.compare_exchange_weak(
                seen,
                seen | WATCHED,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Watch::Watching,
                Err(now) => seen = now,
            }
        }
    }

    /// Worker, before it sleeps on this word: leaves word that it does.
    pub fn sleep(self) -> Sleep {
        let mut seen = self.0.load(Ordering::Relaxed);
        loop {
            if seen & STATE == READY {
                return Sleep::Ready;
            }
            if seen & SLEEPER != 0 {
                return Sleep::Park(seen);
            }
            step();
            // Relaxed: as in `watch`, both sides meet on this one word.
            match self.0.compare_exchange_weak(
                seen,
                seen | SLEEPER,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Sleep::Park(seen | SLEEPER),
                Err(now) => seen = now,
            }
        }
    }

    /// Supervisor, when no worker is attached any more: back to FREE.
    pub fn reset(self) {
        step();
        self.0.store(FREE, Ordering::Relaxed);
    }
}
