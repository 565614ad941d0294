//! The worker's end of a lane.

use core::ptr::NonNull;

use super::ring::Ring;
use super::slot::{INLINE_BYTES, Message, Slot};
use super::state::{Finished, Sleep, Start};
use crate::steps::step;
use crate::sync::AtomicU32;

/// How many slots ahead lines are asked for: tiny tasks take about half as long as a line does.
const AHEAD: u64 = 4;

/// The worker's end: takes tasks in order and leaves each result in the task's slot.
#[derive(Debug)]
pub struct WorkerLane {
    ring: Ring,
    cursor: u64,
}

impl WorkerLane {
    /// An end over `count` slots.
    ///
    /// # Safety
    /// `slots` points to `count` slots that stay mapped as long as this end lives, and have
    /// no other worker's end.
    ///
    /// # Panics
    /// If `count` is not a power of two.
    pub unsafe fn new(slots: NonNull<Slot>, count: usize) -> Self {
        Self {
            // SAFETY: the caller's word.
            ring: unsafe { Ring::new(slots, count) },
            cursor: 0,
        }
    }

    /// Whether a task waits. A cheap look at one word.
    #[inline]
    pub fn looks_ready(&self) -> bool {
        self.ring.slot(self.cursor).task_word().looks_ready()
    }

    /// Begins the next task, if there is one.
    #[inline]
    pub fn start(&mut self) -> Option<Message> {
        let slot = self.ring.slot(self.cursor);
        step();
        match slot.task_word().start() {
            Start::NotReady => None,
            Start::Started => {
                // They come while tasks before them are run.
                let ahead = self.ring.slot(self.cursor + AHEAD);
                ahead.task().prefetch();
                ahead.result().prefetch();
                // SAFETY: RUNNING: both halves are the worker's until `finish`.
                Some(unsafe { slot.task().read() })
            }
        }
    }

    /// The payload of the task that was started, and where its result's goes. Meaningful
    /// between [`start`](Self::start) and [`finish`](Self::finish).
    #[inline]
    pub fn payloads(&mut self) -> (&[u8; INLINE_BYTES], &mut [u8; INLINE_BYTES]) {
        let slot = self.ring.slot(self.cursor);
        // SAFETY: mapped and initialised. Between `start` and `finish` both halves are the
        // worker's, and `&mut self` keeps these references the only ones in the process;
        // at other times it is the worker's own process that would break its own protocol.
        unsafe { (&*slot.task().payload(), &mut *slot.result().payload_mut()) }
    }

    /// Ends the task that was started: its slot now holds the result.
    #[inline]
    pub fn finish(&mut self, message: Message) -> Finished {
        let slot = self.ring.slot(self.cursor);
        let lap = self.ring.lap(self.cursor);
        step();
        // SAFETY: RUNNING: the slot is the worker's until the swap in `finish`.
        unsafe { slot.result().write(message) };
        self.cursor += 1;
        step();
        slot.result_word().finish(lap)
    }

    /// Leaves word that the worker is about to sleep on the word that [`Self::word`] names.
    pub fn sleep(&self) -> Sleep {
        step();
        self.ring.slot(self.cursor).task_word().sleep()
    }

    /// The word to sleep on.
    pub fn word(&self) -> &AtomicU32 {
        self.ring.slot(self.cursor).task_word().0
    }

    /// Tasks begun and finished since the lane was attached.
    #[inline]
    pub fn finished(&self) -> u64 {
        self.cursor
    }
}
