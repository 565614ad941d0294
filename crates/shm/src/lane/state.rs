//! How the two ends of a lane agree: on a task, on who sleeps, on what is taken back.
//!
//! # Laps
//! Each half of a slot begins with a word that one side writes and the other reads. It holds a
//! *lap*: how often the ring has gone round. A position's task is there when its task word holds
//! the position's lap, and its result when its result word does; until then they hold the lap
//! before. So neither word is ever reset, and neither needs a read-modify-write.
//!
//! ```text
//!   task word          result word      the task half    the result half
//!
//!   lap before         lap before       supervisor       worker            not published
//!   lap                lap before       worker           worker            READY, or RUNNING
//!   lap                lap              supervisor       supervisor        done
//! ```
//!
//! READY and RUNNING are told apart by `begun`, which the worker writes: how many tasks it has
//! begun. A slot that is not in flight is the supervisor's, both halves.
//!
//! # Three agreements
//! Each is two words, one written by each side. A side writes its own, then a sequentially
//! consistent fence, then reads the other's. Of two that do so at least one sees the other's
//! word (Dekker): that is what a fence is paid for, and why no flag stands in the words above,
//! where setting it would take the line away from the side that works there.
//!
//! ```text
//!               the worker                             the supervisor
//!
//!   sleep       1  asleep := 1                         1  task word := lap
//!               2  fence                               2  fence
//!               3  task word = lap?                    3  asleep = 1?
//!                    yes: work   no: sleep                  yes: asleep := 0, wake it
//!
//!   ring        1  result word := lap                  1  watched := position + 1
//!               2  fence                               2  fence
//!               3  watched <= begun?                   3  result word = lap?
//!                    yes: ring the bell                     yes: take it   no: sleep
//!
//!   take back   1  begun := position + 1               1  held := position + 1
//!               2  fence                               2  fence
//!               3  held <= position?                   3  begun > position?
//!                    yes: begun := position, wait           yes: too late
//!               4  task word = lap still?                   no:  task word := lap before
//!                    no: begun := position, wait       4  held := 0, then as in sleep, 2 and 3
//! ```
//!
//! *Sleep.* If the worker does not see the task, the supervisor sees `asleep`. The worker sleeps
//! on `asleep` itself, so that a wake between its look and its sleep is not lost.
//!
//! *Ring.* If the worker does not see `watched`, the supervisor sees the result. It sleeps at the
//! [doorbell](crate::Doorbell), which it has listened to before, so that a ring between its look
//! and its sleep is not lost. The worker rings once for one value of `watched`: the supervisor
//! sets the same value again only while that result is not there. A worker that would sleep while
//! a later position is watched rings as well: either that task was taken back, or something has
//! written over the lane, and the supervisor must look.
//!
//! *Take back.* If the worker does not see `held`, the supervisor sees `begun`, and leaves the
//! task alone. If both see the other, neither gets the task at once: the supervisor leaves it,
//! and the worker takes it when `held` is gone, for which it is woken if it fell asleep. Step 4
//! is for a worker that saw the task before the supervisor took it back altogether: it reads
//! `held` gone, so it reads the task word as it was left, or as it was published anew.
//!
//! The models in `model::lane` try these against each other at every interleaving.
//!
//! # After a death
//! The worker's words tell what became of each position in flight: a result that is there is
//! taken, begun or not; else what was begun has died with it; else it goes elsewhere. A worker
//! that dies between the steps of taking a task has begun it. (It says so with the fence of the
//! result before, if the task is there by then: one fence a task, not two.)

use crate::sync::{AtomicU32, AtomicU64};

/// How often the ring has gone round, as it stands in a slot's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lap(u32);

impl Lap {
    /// The lap with this number; the first is 1, since fresh memory holds 0.
    #[inline]
    pub(super) fn nth(number: u64) -> Self {
        // Neighbouring laps are told apart, which is all that is needed: the rest may wrap.
        Self(number as u32)
    }

    #[inline]
    pub(super) fn before(self) -> Self {
        Self(self.0.wrapping_sub(1))
    }

    /// As it stands in a word.
    #[inline]
    pub(super) fn word(self) -> u32 {
        self.0
    }
}

/// What a lane has besides its slots; each line has one writer. Zero is its initial state.
///
/// Positions stand in it as position + 1, so that zero is none.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct LaneHead {
    pub(super) by_supervisor: Asks,
    pub(super) by_worker: Naps,
    pub(super) begun: Begun,
}

/// By the supervisor, now and then. The worker reads it at every task.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Asks {
    /// The position whose result it wants a ring for.
    pub(super) watched: AtomicU64,
    /// The position from which on it is taking tasks back.
    pub(super) held: AtomicU64,
}

/// By both, now and then. The supervisor reads it whenever it publishes.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Naps {
    /// 1 while the worker sleeps on this word, or is about to.
    pub(super) asleep: AtomicU32,
}

/// By the worker, at every task. The supervisor reads it when it takes tasks back.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Begun {
    /// How many tasks were begun.
    pub(super) count: AtomicU64,
}

impl LaneHead {
    /// As in fresh memory.
    #[cfg(all(test, loom))]
    pub(crate) fn new() -> Self {
        Self {
            by_supervisor: Asks {
                watched: AtomicU64::new(0),
                held: AtomicU64::new(0),
            },
            by_worker: Naps {
                asleep: AtomicU32::new(0),
            },
            begun: Begun {
                count: AtomicU64::new(0),
            },
        }
    }
}

/// What publishing found.
#[must_use = "a sleeping worker must be woken"]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// The worker is awake, or will look before it sleeps.
    Awake,
    /// The worker sleeps and must be woken.
    WakeIt,
}

/// What a worker that ends a task is to do.
#[must_use = "a watching supervisor must be rung for"]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finished {
    /// Nobody waits for this very task.
    Quiet,
    /// The supervisor sleeps, or is about to: ring.
    Ring,
}

/// What a supervisor that is about to sleep found.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watch {
    /// The worker will ring when it is done.
    Watching(Published),
    /// It is done already.
    Done,
}

/// What a worker that is about to sleep found.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sleep {
    /// A task has come; do not sleep.
    Ready,
    /// Sleep while the word holds this.
    Park(u32),
}

/// What became of a position in flight.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Published, not begun.
    Ready,
    /// Begun, not finished.
    Running,
    /// Finished.
    Done,
}

/// What no correct worker writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LaneFault {
    /// A result word is neither of the lap nor of the one before.
    #[error("a slot's result word holds {found:#x}, where {lap:#x} or the one before belongs")]
    ResultWord {
        /// What stands there.
        found: u32,
        /// What belongs there.
        lap: u32,
    },
    /// A task word is not as the supervisor left it.
    #[error("a slot's task word holds {found:#x}, where the supervisor had written {lap:#x}")]
    TaskWord {
        /// What stands there.
        found: u32,
        /// What belongs there.
        lap: u32,
    },
    /// More was begun than was sent.
    #[error("the worker says that it has begun {begun} tasks, of {sent} that it was sent")]
    Begun {
        /// What it says.
        begun: u64,
        /// How many were sent.
        sent: u64,
    },
    /// A message cannot be.
    #[error(transparent)]
    Message(#[from] super::MessageFault),
}
