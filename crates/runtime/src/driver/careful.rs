//! Messages that do not go their usual way: taken out of a worker's line, passed over there, or
//! stopped.

use super::collect::{Stop, receive};
use super::link::Arrived;
use super::{Core, Driver};
use crate::error::{TaskError, TaskTimeout};
use crate::parcel::{Parcel, Ready, Ticket};

use std::time::Duration;

/// The batch of messages that are nobody's any more: their results come, and mean nothing.
pub(super) const NOBODY: u32 = u32::MAX;

/// How many workers may end because they do not begin a message, before it is held to be why.
const MOST_UNBEGUN: u8 = 3;

impl Driver {
    /// Takes back what a worker has in its line from the `nth` message on, as far as it has not
    /// begun it, to the front of what is pending.
    pub(super) fn clear_from(&mut self, core: &Core, index: usize, nth: usize) {
        let in_flight = self.seats[index].in_flight.len();
        let back = self.recall(core, index, in_flight.saturating_sub(nth));
        for ready in back.into_iter().rev() {
            self.pending.push_front(ready);
        }
        let seat = &mut self.seats[index];
        let left = nth..seat.in_flight.len();
        let passed = seat.link.pass_over(left, &core.control, index);
        seat.careful |= seat.link.is_skipping();
        for (nth, mut parcel) in passed.into_iter().rev() {
            let sent = &mut seat.in_flight[nth];
            parcel.keep(sent.extra.take());
            let ticket = std::mem::replace(&mut sent.ticket, nobodys());
            self.pending.push_front(Ready { ticket, parcel });
        }
    }

    /// Makes a message in flight nobody's; whose it was.
    pub(super) fn disown(&mut self, index: usize, nth: usize) -> Option<Ticket> {
        let sent = self.seats[index].in_flight.get_mut(nth)?;
        Some(std::mem::replace(&mut sent.ticket, nobodys()))
    }

    /// A message, now at the front, was taken from a worker that did not begin it.
    pub(super) fn blame_for_a_late_worker(
        &mut self,
        ticket: &Ticket,
        limit: Duration,
        worker: usize,
    ) {
        let of_it = |front: &&mut Ready| {
            (front.ticket.batch, front.ticket.first) == (ticket.batch, ticket.first)
        };
        let Some(front) = self.pending.front_mut().filter(of_it) else {
            return;
        };
        front.ticket.deaths += 1;
        if front.ticket.deaths >= MOST_UNBEGUN
            && let Some(ready) = self.pending.pop_front()
        {
            let error = TaskTimeout {
                limit,
                worker,
                killed: true,
            };
            self.refuse(ready.ticket, TaskError::TimedOut(Box::new(error)));
        }
    }

    /// Takes the oldest result of a worker of which some are not to be believed: of how many
    /// there was one, and why no more.
    pub(super) fn take_carefully(&mut self, core: &Core, index: usize) -> (usize, Stop) {
        let seat = &mut self.seats[index];
        let number = seat.link.number(0);
        let mut parcel = Parcel::default();
        match seat.link.take(&mut parcel, &core.control, index) {
            Arrived::Nothing => return (0, Stop::NothingMore),
            Arrived::Fault(what) => return (0, Stop::Fault(what)),
            Arrived::Result => {}
        }
        let Some(sent) = seat.in_flight.pop_front() else {
            return (0, Stop::NothingMore);
        };
        let mut fault = None;
        if parcel.is_more_than_bytes() {
            // Also of what nobody wants: what moved with it is given back with the parcel.
            let sound = receive(core, &mut parcel);
            seat.keeps |= parcel.is_kept_by_its_worker();
            fault = (!sound).then(|| parcel.fault()).flatten();
        }
        let skipped = seat.link.take_skipped();
        let stopped = match seat.stop.take_if(|stop| stop.is_of(number)) {
            Some(mut stop) => {
                let error = stop.error(index);
                seat.stop = (!stop.is_settled()).then_some(stop);
                Some(error)
            }
            None => None,
        };
        seat.careful = seat.stop.is_some() || seat.link.is_skipping();
        match (stopped, skipped) {
            _ if sent.ticket.batch == NOBODY => {}
            (Some(error), _) => self.refuse(sent.ticket, error),
            (None, Some(mut again)) => {
                again.keep(sent.extra);
                let ticket = sent.ticket;
                self.pending.push_front(Ready {
                    ticket,
                    parcel: again,
                });
            }
            (None, None) => self.hand_in(sent.ticket, index, parcel),
        }
        let stop = fault.map_or(Stop::BatchEnds, Stop::Fault);
        (1, stop)
    }

    /// A result for whom it is for.
    fn hand_in(&mut self, ticket: Ticket, index: usize, parcel: Parcel) {
        match self.batches.get_mut(ticket.batch as usize) {
            Some(batch) if !batch.abandoned => {
                let reply = batch.replies.add();
                reply.first = ticket.first;
                reply.items = ticket.items;
                reply.worker = index as u32;
                reply.parcel = parcel;
            }
            _ => drop(parcel),
        }
        self.count_replies(ticket.batch, 1);
    }
}

fn nobodys() -> Ticket {
    Ticket {
        batch: NOBODY,
        ..Ticket::default()
    }
}
