//! The two words of a slot: who may touch which half of it, and who sleeps.
//!
//! ```text
//!   task word                                      result word
//!
//!              supervisor: publish                     supervisor: watch (CAS)
//!        +---------------------------+                  +------------------+
//!        v                           |                  |                  v
//!     [READY] -- worker: start --> [RUNNING]       [lap before]     [lap before, WATCHED]
//!      |   ^        (CAS)                               |                  |
//!      |   | publish                                    +---------+--------+
//!      v   |                                                      |  worker: finish (swap)
//!     [FREE]                                                      v
//!       supervisor: retract (CAS)                               [lap]
//!
//!  bits  31 ..... 3     2       1 0          bits  31 .................. 1      0
//!       +----------+---------+-------+            +-----------------------+---------+
//!       |    0     | SLEEPER | state |            |  lap, wrapping        | WATCHED |
//!       +----------+---------+-------+            +-----------------------+---------+
//! ```
//!
//! Each half of the slot has its own word, and each side spins on the other's half only: the
//! worker on the task word, the supervisor on the result word. A side that spins pulls the line
//! to itself again and again; if it were the line that the other side works on, every step of
//! the other would have to pull it back.
//!
//! Who owns the halves of a slot whose position is in flight:
//!
//! | task word | result word | the task half      | the result half |
//! |-----------|-------------|--------------------|-----------------|
//! | READY     | lap before  | nobody             | worker          |
//! | RUNNING   | lap before  | worker             | worker          |
//! | RUNNING   | this lap    | supervisor         | supervisor      |
//!
//! A slot that is not in flight is the supervisor's, task half and result half.
//!
//! A *lap* counts how often the ring has gone round, so that "done" needs no taking back: the
//! result word of a position holds its lap once it is done, and the lap before until then.
//!
//! `SLEEPER` is set by a worker that is about to sleep on this very word, while no task is
//! there; the swap in `publish` clears it and thereby learns that a wake is owed. `WATCHED` is
//! set by a supervisor that is about to sleep, while the result is not there; the swap in
//! `finish` clears it and learns that the doorbell is to be rung. So neither side ever reads a
//! second word, and neither needs a fence of its own: flag and state travel in one
//! read-modify-write, and one of the two sides always sees the other. (One word for state and
//! sleeper: Drepper's futex mutexes, parking_lot.)

use crate::sync::{AtomicU32, Ordering};

/// No task in it; the state of a fresh lane.
pub const FREE: u32 = 0;
/// A task waits in it.
pub const READY: u32 = 1;
/// The worker has begun the task.
pub const RUNNING: u32 = 2;
const STATE: u32 = 0b11;
/// The worker sleeps on this word.
pub const SLEEPER: u32 = 0b100;
/// The supervisor wants the doorbell when this task is done.
pub const WATCHED: u32 = 1;

/// What [`TaskWord::publish`] found.
#[must_use = "a sleeping worker must be woken"]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// The worker is awake, or will look before it sleeps.
    Awake,
    /// The worker sleeps on the task word and must be woken.
    WakeIt,
}

/// What [`TaskWord::start`] found.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// The task is the caller's; it may read the slot.
    Started,
    /// No task there (yet, or any more).
    NotReady,
}

/// What [`ResultWord::finish`] found.
#[must_use = "a watching supervisor must be rung for"]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finished {
    /// Nobody waits for this very task.
    Quiet,
    /// The supervisor sleeps, or is about to: ring.
    Ring,
}

/// What [`ResultWord::watch`] found.
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

/// What [`TaskWord::sleep`] says.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sleep {
    /// A task has come; do not sleep.
    Ready,
    /// Sleep while the word holds this.
    Park(u32),
}

/// What the supervisor sees of a slot, when it polls or after a worker's death.
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
    /// A word holds what no correct worker writes.
    Corrupt(u32),
}

/// How often the ring has gone round, as it stands in a result word: without the lowest bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lap(u32);

impl Lap {
    /// The lap with this number; the first is 1, since fresh memory holds 0.
    #[inline]
    pub fn nth(number: u64) -> Self {
        // Neighbouring laps are told apart, which is all that is needed: the rest may wrap.
        Self((number as u32) << 1)
    }

    #[inline]
    fn before(self) -> Self {
        Self(self.0.wrapping_sub(2))
    }

    /// What a result word holds from this lap on.
    #[inline]
    pub fn word(self) -> u32 {
        self.0
    }
}

/// The transitions of a task, on its word wherever it lives.
#[derive(Debug, Clone, Copy)]
pub struct TaskWord<'a>(pub &'a AtomicU32);

impl TaskWord<'_> {
    /// Supervisor: not in flight → READY. The task half must be filled before.
    #[inline]
    pub fn publish(self) -> Published {
        // Release: the task in the slot is seen by the Acquire in `start`.
        let old = self.0.swap(READY, Ordering::Release);
        if old & SLEEPER != 0 {
            Published::WakeIt
        } else {
            Published::Awake
        }
    }

    /// Supervisor: the same for a slot behind another that is [published](Self::publish) after
    /// it. The worker goes slot by slot, so it cannot sleep here, and nothing is to be learned.
    #[inline]
    pub fn publish_behind(self) {
        // Release: as in `publish`.
        self.0.store(READY, Ordering::Release);
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

    /// Supervisor: what became of a published task that is not done.
    pub fn see(self) -> Seen {
        // Relaxed: what is read next is the supervisor's own writing.
        match self.0.load(Ordering::Relaxed) {
            raw if raw & !(STATE | SLEEPER) != 0 => Seen::Corrupt(raw),
            raw => match raw & STATE {
                FREE => Seen::Free,
                READY => Seen::Ready,
                RUNNING => Seen::Running,
                _ => Seen::Corrupt(raw),
            },
        }
    }

    /// Supervisor: takes back a task that was not begun, READY → FREE. Returns whether it
    /// was taken back.
    pub fn retract(self) -> bool {
        let seen = self.0.load(Ordering::Relaxed);
        // Relaxed: the supervisor wrote the task itself; nothing of the worker's is read.
        seen & STATE == READY
            && self
                .0
                .compare_exchange(seen, FREE, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
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
            // Relaxed: both sides meet on this one word, whatever else they have written.
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
        self.0.store(FREE, Ordering::Relaxed);
    }
}

/// The transitions of a result, on its word wherever it lives.
#[derive(Debug, Clone, Copy)]
pub struct ResultWord<'a>(pub &'a AtomicU32);

impl ResultWord<'_> {
    /// Worker: the result of this lap is in the result half.
    #[inline]
    pub fn finish(self, lap: Lap) -> Finished {
        // Release: the result is seen by the Acquire in `see`.
        let old = self.0.swap(lap.0, Ordering::Release);
        if old & WATCHED != 0 {
            Finished::Ring
        } else {
            Finished::Quiet
        }
    }

    /// Supervisor: whether this lap's result is there.
    ///
    /// # Errors
    /// What stands there, when it is neither of this lap nor of the one before.
    #[inline]
    pub fn is_done(self, lap: Lap) -> Result<bool, u32> {
        // Acquire pairs with the Release in `finish`: the result is seen whole.
        let raw = self.0.load(Ordering::Acquire);
        if raw == lap.0 {
            Ok(true)
        } else if raw & !WATCHED == lap.before().0 {
            Ok(false)
        } else {
            Err(raw)
        }
    }

    /// Supervisor, before it sleeps: asks for a ring when this lap's task is done.
    pub fn watch(self, lap: Lap) -> Watch {
        let mut seen = self.0.load(Ordering::Relaxed);
        loop {
            if seen == lap.0 {
                return Watch::Done; // it is read through `is_done` afterwards
            }
            if seen & !WATCHED != lap.before().0 {
                return Watch::Corrupt(seen);
            }
            // Relaxed: the worker's swap in `finish` either comes before (then this CAS fails
            // and sees it done) or after (then it sees WATCHED). Both are on this one word.
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

    /// Supervisor, when no worker is attached any more: as in fresh memory.
    pub fn reset(self) {
        self.0.store(0, Ordering::Relaxed);
    }
}
