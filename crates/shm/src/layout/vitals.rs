//! What a worker says about itself.

use super::Ordering;
use crate::steps::step;
use crate::sync::{AtomicU32, AtomicU64};

/// What a worker is about, as it says itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Phase {
    /// No worker yet.
    Empty = 0,
    /// Attached and checked; takes tasks.
    Ready = 1,
    /// Has taken the pill and ends.
    Leaving = 2,
    /// Refused to work: another build than the supervisor's.
    OtherBuild = 3,
    /// Refused to work: could not connect the copy path.
    NoLink = 4,
    /// Refused to work: could not set itself up as the pool was told.
    NotSetUp = 5,
    /// Is in the pool's initializer.
    Initializing = 6,
    /// The initializer failed.
    NotInitialized = 7,
    /// Refused to work: what was to be loaded before it was forked was not.
    NotPreloaded = 8,
}

impl Phase {
    /// The phase with this number; anything else reads as `Empty`.
    fn of(number: u32) -> Self {
        match number {
            1 => Self::Ready,
            2 => Self::Leaving,
            3 => Self::OtherBuild,
            4 => Self::NoLink,
            5 => Self::NotSetUp,
            6 => Self::Initializing,
            7 => Self::NotInitialized,
            8 => Self::NotPreloaded,
            _ => Self::Empty,
        }
    }
}

/// What the worker says about itself, rarely.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct Vitals {
    /// Process id.
    pub pid: AtomicU32,
    pub(super) phase: AtomicU32,
    /// 1 while it sleeps.
    pub parked: AtomicU32,
    /// The generation that wrote this page.
    pub generation: AtomicU32,
    /// When it was ready, CLOCK_MONOTONIC ns.
    pub ready_ns: AtomicU64,
    /// When it took the pill, CLOCK_MONOTONIC ns.
    pub leaving_ns: AtomicU64,
    /// The cost of one look at the stop flag, in picoseconds.
    pub check_ps: AtomicU64,
    /// Peak resident memory in bytes.
    pub peak_rss_bytes: AtomicU64,
    /// Clock ticks at the moment of `ready_ns`.
    pub ready_ticks: AtomicU64,
    /// By how much its private memory had grown since it was ready, in bytes, after some last task; zero unless it was
    /// asked for.
    pub grown_bytes: AtomicU64,
}

impl Vitals {
    /// What the worker says it is about.
    #[must_use]
    pub fn phase(&self) -> Phase {
        // Acquire pairs with the Release in `enter`: what was written before is seen.
        Phase::of(self.phase.load(Ordering::Acquire))
    }

    /// The same, for a process that has the page mapped for reading only.
    pub(crate) fn seen_phase(&self) -> Phase {
        // Relaxed: it is shown, and nothing is read for it.
        Phase::of(self.phase.load(Ordering::Relaxed))
    }

    /// Says so.
    pub fn enter(&self, phase: Phase) {
        step();
        // Release: what the worker wrote before is seen by whoever sees the phase.
        self.phase.store(phase as u32, Ordering::Release);
    }
}
