//! The supervisor's end of a lane.

use core::ptr::NonNull;

use super::inline::{Inline, SHORT_BYTES, Short};
use super::ring::Ring;
use super::slot::{Half, INLINE_BYTES, Message, MessageFault, Slot};
use super::state::{LaneFault, LaneHead, Published, Seen, Watch};
use crate::steps::step;
use crate::sync::{AtomicU32, Ordering, full_fence};

/// The supervisor's end: publishes tasks at the head, takes results at the tail.
///
/// Positions count tasks since the lane was made or reset, and never wrap.
///
/// ```text
///             tail                              head
///   -----------+---------------------------------+-----------
///    ours      | in flight: READY, RUNNING, done | ours
/// ```
#[derive(Debug)]
pub struct SupervisorLane {
    ring: Ring,
    head: u64,
    tail: u64,
}

impl SupervisorLane {
    /// An end over `count` slots.
    ///
    /// # Safety
    /// `head` and `count` slots at `slots` stay mapped as long as this end lives, start out
    /// zeroed or reset, and have no other supervisor's end.
    ///
    /// # Panics
    /// If `count` is not a power of two.
    pub unsafe fn new(head: NonNull<LaneHead>, slots: NonNull<Slot>, count: usize) -> Self {
        Self {
            // SAFETY: the caller's word.
            ring: unsafe { Ring::new(head, slots, count) },
            head: 0,
            tail: 0,
        }
    }

    /// Tasks published whose results were not taken.
    #[inline]
    pub fn in_flight(&self) -> usize {
        (self.head - self.tail) as usize
    }

    /// Slots in which a task can be published now.
    #[inline]
    pub fn room(&self) -> usize {
        self.ring.count() - self.in_flight()
    }

    /// The position that the next task will have.
    #[inline]
    pub fn head(&self) -> u64 {
        self.head
    }

    /// The position of the oldest task in flight.
    #[inline]
    pub fn tail(&self) -> u64 {
        self.tail
    }

    /// Publishes tasks, one after the other in the next slots.
    ///
    /// # Panics
    /// If there is no room.
    #[inline]
    pub fn push_all<'a>(
        &mut self,
        tasks: impl Iterator<Item = (&'a Message, &'a Inline)>,
    ) -> Published {
        for (message, payload) in tasks {
            assert!(self.room() > 0, "a lane was pushed to without room");
            self.publish(*message, payload);
        }
        self.look_for_a_sleeper()
    }

    /// Publishes one task.
    ///
    /// # Panics
    /// If there is no room.
    #[inline]
    pub fn push(&mut self, message: &Message, payload: &Inline) -> Published {
        self.push_all(core::iter::once((message, payload)))
    }

    #[inline]
    fn publish(&mut self, message: Message, payload: &Inline) {
        let half = self.ring.slot(self.head).task();
        step();
        // SAFETY: not in flight: the half is ours until its word is written.
        unsafe {
            payload.write_to(&mut *half.payload_mut());
            half.write(message);
        }
        step();
        // Release: the task is seen by the Acquire in `WorkerLane::is_published`.
        half.word
            .store(self.ring.lap(self.head).word(), Ordering::Release);
        self.head += 1;
    }

    /// After something was done for the worker: whether it sleeps and must be woken for it.
    #[inline]
    fn look_for_a_sleeper(&self) -> Published {
        full_fence();
        self.rouse()
    }

    /// Whether the worker sleeps; then it counts as awake from now on, and must be woken.
    #[inline]
    fn rouse(&self) -> Published {
        step();
        let asleep = self.sleeper_word();
        if asleep.load(Ordering::Relaxed) == 0 {
            return Published::Awake;
        }
        step();
        asleep.swap(0, Ordering::Relaxed);
        Published::WakeIt
    }

    /// Has a worker that sleeps, or is about to, look again at what the caller wrote before: as
    /// for a task, but there is none.
    pub fn nudge(&self) -> Published {
        self.look_for_a_sleeper()
    }

    /// The word that the worker sleeps on.
    pub fn sleeper_word(&self) -> &AtomicU32 {
        &self.ring.head().by_worker.asleep
    }

    /// What the result word of the oldest task will hold when it is done.
    #[inline]
    pub fn awaited(&self) -> u32 {
        self.ring.lap(self.tail).word()
    }

    #[inline]
    fn is_done(&self, position: u64) -> Result<bool, LaneFault> {
        let lap = self.ring.lap(position);
        // Acquire pairs with the Release in `WorkerLane::finish`: the result is seen whole.
        let found = self
            .ring
            .slot(position)
            .result()
            .word
            .load(Ordering::Acquire);
        if found == lap.word() {
            Ok(true)
        } else if found == lap.before().word() {
            Ok(false)
        } else {
            let lap = lap.word();
            Err(LaneFault::ResultWord { found, lap })
        }
    }

    /// Takes the oldest result into `message` and `payload`, and says whether it was there.
    /// Otherwise these hold nothing of meaning.
    ///
    /// # Errors
    /// What the worker wrote that no correct one writes.
    #[inline]
    pub fn take(&mut self, message: &mut Message, payload: &mut Inline) -> Result<bool, LaneFault> {
        if self.head == self.tail {
            return Ok(false);
        }
        if !self.is_done(self.tail)? {
            return Ok(false);
        }
        // SAFETY: done: the slot is ours.
        unsafe { copy_out(self.ring.slot(self.tail).result(), message, payload)? };
        self.tail += 1;
        Ok(true)
    }

    /// Asks for a ring when the task at `position`, which is in flight, is done.
    ///
    /// A correct worker is never asleep then. One that wrote over its own lane may be: it is
    /// found out, or woken, rather than waited for.
    ///
    /// # Errors
    /// What the worker wrote that no correct one writes.
    pub fn watch(&self, position: u64) -> Result<Watch, LaneFault> {
        let asks = &self.ring.head().by_supervisor;
        step();
        asks.held.store(0, Ordering::Relaxed);
        step();
        asks.watched.store(position + 1, Ordering::Relaxed);
        full_fence();
        step();
        if self.is_done(position)? {
            return Ok(Watch::Done);
        }
        self.check_next()?;
        // Last: a sleeper that is found must be woken.
        Ok(Watch::Watching(self.rouse()))
    }

    /// Whether the tasks that the worker comes to next are there for it.
    fn check_next(&self) -> Result<(), LaneFault> {
        let begun = self.begun()?;
        let next = self.tail.max(begun.saturating_sub(1))..self.head.min(begun + 1);
        for position in next {
            let lap = self.ring.lap(position).word();
            let found = self.ring.slot(position).task().word.load(Ordering::Relaxed);
            if found != lap {
                return Err(LaneFault::TaskWord { found, lap });
            }
        }
        Ok(())
    }

    /// Takes back up to `most` of the youngest tasks, those that the worker has not begun, and
    /// hands them out, the youngest first. Says whether the worker must be woken.
    ///
    /// # Errors
    /// When a peer wrote over one of them: it and those before it are still in flight, in a lane that
    /// is not to be believed.
    pub fn retract(
        &mut self,
        most: usize,
        mut each: impl FnMut(Message, Inline),
    ) -> Result<Published, LaneFault> {
        let ring = self.ring;
        let held = &ring.head().by_supervisor.held;
        let from = self.head - most.min(self.in_flight()) as u64;
        step();
        held.store(from + 1, Ordering::Relaxed);
        full_fence();
        step();
        let outcome = self.begun().and_then(|begun| {
            while self.head > from.max(begun) {
                let (message, payload) = self.take_back()?;
                each(message, payload);
            }
            Ok(())
        });
        step();
        // Release: a worker that sees the hold gone sees the task words as they were left.
        held.store(0, Ordering::Release);
        let published = self.look_for_a_sleeper();
        outcome.map(|()| published)
    }

    /// Takes the youngest task back, which the worker has not begun, and holds off.
    fn take_back(&mut self) -> Result<(Message, Inline), LaneFault> {
        let position = self.head - 1;
        let half = self.ring.slot(position).task();
        let lap = self.ring.lap(position);
        let found = half.word.load(Ordering::Relaxed);
        if found != lap.word() {
            let lap = lap.word();
            return Err(LaneFault::TaskWord { found, lap });
        }
        step();
        // Relaxed: seen with the end of the hold.
        half.word.store(lap.before().word(), Ordering::Relaxed);
        // SAFETY: not in flight any more: ours. We wrote it ourselves, but a peer can write here
        // too, so it is checked like any other.
        let task = unsafe { copied_out(half)? };
        self.head = position;
        Ok(task)
    }

    /// How many tasks the worker has begun. One too many while it tries one that is held.
    fn begun(&self) -> Result<u64, LaneFault> {
        let begun = self.ring.head().begun.count.load(Ordering::Relaxed);
        if begun > self.head + 1 {
            let sent = self.head;
            return Err(LaneFault::Begun { begun, sent });
        }
        Ok(begun)
    }

    /// What became of the task at `position`, which is in flight. While the worker lives it may
    /// be further by now.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub fn see(&self, position: u64) -> Result<Seen, LaneFault> {
        if self.is_done(position)? {
            return Ok(Seen::Done);
        }
        Ok(if self.begun()? > position {
            Seen::Running
        } else {
            Seen::Ready
        })
    }

    /// After the worker's death: copies out a task that was not begun.
    ///
    /// # Errors
    /// When a peer wrote over it.
    pub fn copy_task(&self, position: u64) -> Result<(Message, Inline), LaneFault> {
        // SAFETY: the worker is gone (the caller has reaped it), so the slot is ours.
        unsafe { copied_out(self.ring.slot(position).task()) }
    }

    /// After the worker's death: everything as in fresh memory, positions from zero, for its
    /// replacement.
    pub fn reset(&mut self) {
        for position in 0..self.ring.count() as u64 {
            let slot = self.ring.slot(position);
            for word in [&slot.task().word, &slot.result().word] {
                step();
                // Most slots were never used. A look at them has the system map many pages at
                // once; a store would take a fault for each.
                if word.load(Ordering::Relaxed) != 0 {
                    word.store(0, Ordering::Relaxed);
                }
            }
        }
        let head = self.ring.head();
        step();
        head.by_supervisor.watched.store(0, Ordering::Relaxed);
        step();
        head.by_supervisor.held.store(0, Ordering::Relaxed);
        step();
        head.by_worker.asleep.store(0, Ordering::Relaxed);
        step();
        head.begun.count.store(0, Ordering::Relaxed);
        self.head = 0;
        self.tail = 0;
    }
}

/// Copies a message and its payload out, once, and checks them.
///
/// # Safety
/// The half is the caller's by the slot's words.
#[inline]
unsafe fn copy_out(
    half: &Half,
    message: &mut Message,
    inline: &mut Inline,
) -> Result<(), MessageFault> {
    // SAFETY: ours, by the caller's word. The header is validated before its length is used;
    // the payload is copied before anyone looks at it.
    *message = unsafe { half.read() }.validated()?;
    let payload = half.payload();
    if message.len as usize <= SHORT_BYTES {
        // SAFETY: ours, mapped and initialised; a Short is a prefix of the payload, whose
        // address is a multiple of 32.
        inline.short = unsafe { payload.cast::<Short>().read() };
        inline.long = None;
    } else {
        // SAFETY: as above.
        let bytes = unsafe { payload.cast::<[u8; INLINE_BYTES]>().read() };
        inline.long = Some(Box::new(bytes));
    }
    Ok(())
}

/// The same, into new places.
///
/// # Safety
/// As for [`copy_out`].
unsafe fn copied_out(half: &Half) -> Result<(Message, Inline), LaneFault> {
    let (mut message, mut inline) = (Message::default(), Inline::default());
    // SAFETY: the same contract.
    unsafe { copy_out(half, &mut message, &mut inline)? };
    Ok((message, inline))
}
