//! Cancelling what was submitted, and telling how far it is.

use std::sync::Arc;
use std::time::Instant;

use super::careful::NOBODY;
use super::stop::Why;
use super::{Core, Driver, Locked};
use crate::error::TaskError;
use crate::parcel::Ready;

/// How often it is tried to take back what is about to be begun, but is not.
const TRIES: u32 = 100;

/// What a cancellation has met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cancelled {
    /// Everything had its result already.
    Done,
    /// What had no result will never run; its error is there.
    NeverRan,
    /// Something runs, and is being stopped; its error comes when it has ended.
    Running,
}

/// How far a batch is: its foremost message that has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Whereabouts {
    /// All results are there.
    Done,
    /// No worker has it.
    Pending,
    /// It stands in a worker's line.
    Sent,
    /// A worker has begun it.
    Running,
}

impl Core {
    /// Ends with [`TaskError::Cancelled`] whatever no worker has begun, of one batch or of all. What
    /// runs goes on. Returns how many tasks these were.
    pub(crate) fn cancel_unbegun(
        core: &Arc<Self>,
        mut driver: Locked<'_>,
        batch: Option<u32>,
    ) -> u64 {
        if batch.is_some_and(|batch| !driver.batches.contains(batch as usize)) {
            return 0; // it has all its results
        }
        let tasks = driver.cancel_unbegun(core, batch);
        Self::go_on(core, driver);
        tasks
    }

    /// After tasks were ended: what is left is sent, and whoever waits looks again.
    pub(crate) fn go_on(core: &Arc<Self>, mut driver: Locked<'_>) {
        driver.feed(core);
        Self::ensure_fed(core, &mut driver);
        core.ring(); // before others' callbacks are run here, as the lock is let go of
    }
}

impl Driver {
    /// Ends what is left of a batch with [`TaskError::Cancelled`]: what waits never runs, what
    /// runs is asked to stop and killed after its grace.
    pub(crate) fn cancel(&mut self, core: &Core, batch: u32) -> Cancelled {
        self.poll(core);
        let mut met = match self.cancel_pending(|key| key == batch) {
            0 => Cancelled::Done,
            _ => Cancelled::NeverRan,
        };
        for index in 0..self.seats.len() {
            // From the back: what is taken out moves those behind it.
            for nth in (0..self.seats[index].in_flight.len()).rev() {
                let sent = self.seats[index].in_flight.get(nth);
                if sent.is_some_and(|sent| sent.ticket.batch == batch) {
                    met = met.max(self.cancel_sent(core, index, nth));
                }
            }
        }
        met
    }

    fn cancel_unbegun(&mut self, core: &Core, batch: Option<u32>) -> u64 {
        let is_meant = |key: u32| key != NOBODY && batch.is_none_or(|batch| batch == key);
        self.poll(core);
        for index in 0..self.seats.len() {
            let mut in_flight = self.seats[index].in_flight.iter();
            if in_flight.any(|sent| is_meant(sent.ticket.batch)) {
                self.clear_from(core, index, 0);
                self.note_sent(core, index);
            }
        }
        self.cancel_pending(is_meant)
    }

    /// Ends what no worker has, of the batches that are meant. Returns how many tasks these were.
    fn cancel_pending(&mut self, is_meant: impl Fn(u32) -> bool) -> u64 {
        let mut meant = Vec::new();
        self.pending.retain(|ready| {
            let stays = !is_meant(ready.ticket.batch);
            if !stays {
                meant.push(ready.ticket);
            }
            stays
        });
        let tasks = meant.iter().map(|ticket| u64::from(ticket.items)).sum();
        for ticket in meant {
            self.refuse(ticket, TaskError::Cancelled);
        }
        tasks
    }

    /// Cancels a message that is in flight.
    fn cancel_sent(&mut self, core: &Core, index: usize, nth: usize) -> Cancelled {
        for _ in 0..TRIES {
            if self.take_out(core, index, nth) {
                return Cancelled::NeverRan;
            }
            let link = &self.seats[index].link;
            if link.is_begun(nth, &core.control, index) {
                return self.cancel_begun(core, index, nth);
            }
            // It was about to be begun, and then was not.
            std::hint::spin_loop();
        }
        self.cancel_begun(core, index, nth)
    }

    /// Takes a message out of a worker's line, if it was not begun, and resolves it. Whether it did.
    fn take_out(&mut self, core: &Core, index: usize, nth: usize) -> bool {
        let Some(ticket) = self.seats[index].in_flight.get(nth).map(|sent| sent.ticket) else {
            return false;
        };
        let behind = self.seats[index].in_flight.len() - nth;
        let mut back = self.recall(core, index, behind);
        self.note_sent(core, index);
        if self.seats[index].in_flight.len() <= nth {
            // It is among them, unless it was torn, and has its error.
            let name = (ticket.batch, ticket.first);
            let ours = |ready: &Ready| (ready.ticket.batch, ready.ticket.first) == name;
            if let Some(at) = back.iter().position(ours) {
                back.remove(at);
                self.refuse(ticket, TaskError::Cancelled);
            }
            self.send_again(core, index, back);
            return true;
        }
        self.send_again(core, index, back);
        let seat = &mut self.seats[index];
        let passed = seat.link.pass_over(nth..nth + 1, &core.control, index);
        seat.careful |= seat.link.is_skipping();
        if passed.is_empty() {
            return false;
        }
        seat.in_flight[nth].extra = None;
        self.disown(index, nth);
        self.refuse(ticket, TaskError::Cancelled);
        true
    }

    /// Puts messages back to the end of the line that they were taken from.
    fn send_again(&mut self, core: &Core, index: usize, mut messages: Vec<Ready>) {
        if !messages.is_empty() {
            self.send(core, index, &mut messages);
        }
    }

    /// Cancels a message that its worker has begun.
    fn cancel_begun(&mut self, core: &Core, index: usize, nth: usize) -> Cancelled {
        let number = self.seats[index].link.number(nth);
        self.take_all(core, index);
        let seat = &self.seats[index];
        let first = seat.link.number(0);
        let Some(nth) = number.checked_sub(first).map(|nth| nth as usize) else {
            return Cancelled::Done;
        };
        if nth >= seat.in_flight.len() {
            return Cancelled::Done;
        }
        let stop = seat.stop.as_ref();
        if stop.is_some_and(|stop| stop.is_of(number)) {
            return Cancelled::Running; // whatever it is stopped for, it is on its way
        }
        // A worker that is about to be killed anyway; or one that cannot be asked about this
        // message without being asked about others.
        if stop.is_some() || !seat.link.is_begun(nth, &core.control, index) {
            if let Some(ticket) = self.disown(index, nth) {
                self.refuse(ticket, TaskError::Cancelled);
            }
            return Cancelled::Running;
        }
        let now = Instant::now();
        self.begin_stop(core, index, nth, Why::Cancelled, now);
        if let Some(due) = self.go_on_stopping(core, index, now) {
            core.look_by(self, due);
        }
        Cancelled::Running
    }

    /// How far a batch is.
    pub(crate) fn whereabouts(&mut self, core: &Core, batch: u32) -> Whereabouts {
        self.poll(core);
        let sent = self.seats.iter().flat_map(|seat| {
            let lines = seat.in_flight.iter().enumerate();
            let ours = lines.filter(|(_, sent)| sent.ticket.batch == batch);
            ours.map(
                |(nth, _)| match seat.link.is_begun(nth, &core.control, seat.index) {
                    true => Whereabouts::Running,
                    false => Whereabouts::Sent,
                },
            )
        });
        let pending = self.pending.iter();
        let waits = |ready: &Ready| ready.ticket.batch == batch;
        match sent.max() {
            Some(sent) => sent,
            None if pending.into_iter().any(waits) => Whereabouts::Pending,
            None => Whereabouts::Done,
        }
    }
}
