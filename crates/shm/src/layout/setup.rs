//! How a worker is told to set itself up, and how far its task is.

use super::{Ordering, Phase, WorkerPage};
use crate::steps::step;
use crate::sync::{AtomicU32, AtomicU64};

/// Where the pool's settings for its workers lie, by the supervisor, before the worker starts.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct Setup {
    pub(super) place: [AtomicU64; 4],
    pub(super) head_bytes: AtomicU64,
    pub(super) head_hash: AtomicU64,
    pub(super) levels: AtomicU32,
    pub(super) _reserved: u32,
}

/// The same as numbers.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct SetupPlace {
    /// The words of the descriptor of the block that they lie in.
    pub place: [u64; 4],
    /// Bytes at the front of the block on which what the worker runs depends; 0: there are no
    /// settings.
    pub head_bytes: u64,
    /// A hash over these bytes: any worker can write over the block.
    pub head_hash: u64,
    /// How many levels of pools tasks may build below.
    pub levels: u32,
}

impl Setup {
    /// Writes all of it.
    pub fn set(&self, setup: &SetupPlace) {
        for (word, value) in self.place.iter().zip(setup.place) {
            step();
            word.store(value, Ordering::Relaxed);
        }
        step();
        self.head_bytes.store(setup.head_bytes, Ordering::Relaxed);
        step();
        self.head_hash.store(setup.head_hash, Ordering::Relaxed);
        step();
        self.levels.store(setup.levels, Ordering::Relaxed);
    }

    /// Reads all of it.
    #[must_use]
    pub fn get(&self) -> SetupPlace {
        SetupPlace {
            place: [0, 1, 2, 3].map(|nth: usize| self.place[nth].load(Ordering::Relaxed)),
            head_bytes: self.head_bytes.load(Ordering::Relaxed),
            head_hash: self.head_hash.load(Ordering::Relaxed),
            levels: self.levels.load(Ordering::Relaxed),
        }
    }
}

/// How far the running task is, as it says itself: plain relaxed stores by the worker alone.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct Progress {
    /// Which message it is of: the count of messages begun. Zero: none has said anything yet.
    pub message: AtomicU64,
    /// What is done.
    pub done: AtomicU64,
    /// What there is to do.
    pub total: AtomicU64,
}

impl WorkerPage {
    /// Clears what is here of the last worker.
    pub(super) fn reset_setup(&self) {
        for word in [
            &self.progress.message,
            &self.progress.done,
            &self.progress.total,
        ] {
            step();
            word.store(0, Ordering::Relaxed);
        }
        self.note.clear();
    }

    /// Says why this worker does not start.
    pub fn refuse(&self, phase: Phase, why: &str) {
        self.note.set_front(why);
        self.vitals.enter(phase);
    }
}
