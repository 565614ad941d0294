//! The worker's end of a lane.

use core::ptr::NonNull;

use super::ring::Ring;
use super::slot::{INLINE_BYTES, Message, Slot};
use super::state::{Finished, LaneHead, Sleep};
use crate::steps::step;
use crate::sync::{AtomicU32, Ordering, full_fence};

/// How many slots ahead lines are asked for: tiny tasks take about half as long as a line does.
const AHEAD: u64 = 3;

/// The worker's end: takes tasks in order and leaves each result in the task's slot.
#[derive(Debug)]
pub struct WorkerLane {
    ring: Ring,
    cursor: u64,
    /// The last value of `watched` that was rung for.
    rung: u64,
    /// Whether the next task was said to be begun already, and fenced.
    tries: bool,
}

impl WorkerLane {
    /// An end over `count` slots.
    ///
    /// # Safety
    /// `head` and `count` slots at `slots` stay mapped as long as this end lives, and have no
    /// other worker's end.
    ///
    /// # Panics
    /// If `count` is not a power of two.
    pub unsafe fn new(head: NonNull<LaneHead>, slots: NonNull<Slot>, count: usize) -> Self {
        Self {
            // SAFETY: the caller's word.
            ring: unsafe { Ring::new(head, slots, count) },
            cursor: 0,
            rung: 0,
            tries: false,
        }
    }

    /// Whether a task waits. [`start`](Self::start) decides.
    #[inline]
    pub fn looks_ready(&self) -> bool {
        self.is_published() && !self.is_held()
    }

    #[inline]
    fn is_published(&self) -> bool {
        // Acquire pairs with the Release in `SupervisorLane::publish`: the task is seen whole.
        let word = self
            .ring
            .slot(self.cursor)
            .task()
            .word
            .load(Ordering::Acquire);
        word == self.ring.lap(self.cursor).word()
    }

    /// Whether the supervisor is taking the next task back.
    #[inline]
    fn is_held(&self) -> bool {
        let held = &self.ring.head().by_supervisor.held;
        // Acquire pairs with the Release in `SupervisorLane::release`: the task word is seen as
        // it was left. Zero, for none, becomes the largest position.
        held.load(Ordering::Acquire).wrapping_sub(1) <= self.cursor
    }

    /// Begins the next task, if there is one.
    #[inline]
    pub fn start(&mut self) -> Option<Message> {
        if !core::mem::take(&mut self.tries) {
            if !self.is_published() {
                return None;
            }
            self.say_begun(self.cursor + 1);
            full_fence();
        }
        if self.is_held() || !self.is_published() {
            self.say_begun(self.cursor);
            return None;
        }
        // They come while tasks before them are run.
        let ahead = self.ring.slot(self.cursor + AHEAD);
        ahead.task().prefetch();
        ahead.result().prefetch();
        // SAFETY: published, begun and not held: both halves are the worker's until `finish`.
        Some(unsafe { self.ring.slot(self.cursor).task().read() })
    }

    #[inline]
    fn say_begun(&self, count: u64) {
        step();
        // Relaxed: the supervisor reads it after its fence, or after this process's death.
        self.ring.head().begun.count.store(count, Ordering::Relaxed);
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
        let half = self.ring.slot(self.cursor).result();
        let lap = self.ring.lap(self.cursor);
        step();
        // SAFETY: begun: the half is the worker's until its word is written.
        unsafe { half.write(message) };
        step();
        // Release: the result is seen by the Acquire in `SupervisorLane::is_done`.
        half.word.store(lap.word(), Ordering::Release);
        self.cursor += 1;
        // One fence for two agreements: this one, and the next task's if it is there.
        self.tries = self.is_published();
        if self.tries {
            self.say_begun(self.cursor + 1);
        }
        full_fence();
        let watched = self
            .ring
            .head()
            .by_supervisor
            .watched
            .load(Ordering::Relaxed);
        if watched == self.rung || watched > self.cursor {
            return Finished::Quiet;
        }
        self.rung = watched;
        self.give_up_trying(); // to ring takes a while
        Finished::Ring
    }

    fn give_up_trying(&mut self) {
        if core::mem::take(&mut self.tries) {
            self.say_begun(self.cursor);
        }
    }

    /// Leaves word that the worker is about to sleep on the word that [`Self::word`] names.
    pub fn sleep(&mut self) -> Sleep {
        self.give_up_trying();
        let asleep = self.word();
        step();
        // A read-modify-write, as is each change of this word: they come after one another.
        asleep.swap(1, Ordering::Relaxed);
        full_fence();
        if self.looks_ready() {
            step();
            asleep.swap(0, Ordering::Relaxed);
            return Sleep::Ready;
        }
        Sleep::Park(1)
    }

    /// Whether the supervisor waits for what is not there to be done: it must be rung for before
    /// the worker sleeps.
    pub fn is_awaited(&self) -> bool {
        let watched = &self.ring.head().by_supervisor.watched;
        watched.load(Ordering::Relaxed) > self.cursor
    }

    /// The word to sleep on.
    pub fn word(&self) -> &AtomicU32 {
        &self.ring.head().by_worker.asleep
    }

    /// Tasks begun and finished since the lane was attached.
    #[inline]
    pub fn finished(&self) -> u64 {
        self.cursor
    }
}
