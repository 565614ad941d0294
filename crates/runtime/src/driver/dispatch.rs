//! Sending: which worker, how many ahead, and taking back from the busy for the idle.

use std::sync::atomic::Ordering;

use forkyard_shm::lane::Message;

use super::link::OVERWRITTEN;
use super::{Core, Driver, InFlight, PoolPhase, SeatPhase, Ticket};
use crate::error::TaskError;
use crate::parcel::{Body, InPlace, Parcel};

/// How much work lies ahead of a worker, in time: enough to outlast the waking of the
/// supervisor (some 50 µs on a virtual machine) a few times over.
const AHEAD_NS: u64 = 400_000;
/// Messages ahead while nothing is known about their time.
const AHEAD_UNKNOWN: usize = 16;
/// Messages ahead at least: one to run and one to go on with.
const AHEAD_LEAST: usize = 2;
/// A backlog shorter than this is not worth moving to another worker.
const WORTH_STEALING_NS: u64 = 50_000;

impl Driver {
    /// How many messages a worker should have in flight.
    fn depth(&self, index: usize) -> usize {
        match self.seats[index].depth {
            0 => AHEAD_UNKNOWN,
            depth => depth,
        }
    }

    /// How many messages a worker may be sent now.
    fn wants(&self, index: usize) -> usize {
        let seat = &self.seats[index];
        if !seat.takes_tasks() || seat.fault.is_some() {
            return 0;
        }
        self.depth(index)
            .saturating_sub(seat.in_flight.len())
            .min(seat.link.room())
    }

    /// How many messages the pool may be sent now.
    pub(crate) fn appetite(&self) -> usize {
        (0..self.seats.len()).map(|seat| self.wants(seat)).sum()
    }

    /// Mean times of messages, from the workers' own counters.
    pub(crate) fn refresh_means(&mut self, core: &Core) {
        for seat in &mut self.seats {
            let counters = &core.control.page(seat.index).counters;
            let begun = counters.begun.load(Ordering::Relaxed);
            // A worker's word: whatever it says, nothing here may overflow.
            let busy = [
                &counters.decode,
                &counters.compute,
                &counters.encode,
                &counters.send,
            ]
            .iter()
            .fold(0u64, |sum, stage| {
                sum.saturating_add(stage.load(Ordering::Relaxed))
            });
            // The time of the one in hand is not in yet: a worker that has finished none must
            // not look infinitely fast, or what lies behind its first task stays there.
            let ended = begun - u64::from(begun > seat.taken);
            let (last_ended, last_busy) = seat.last;
            let messages = ended.saturating_sub(last_ended);
            let ticks = busy.saturating_sub(last_busy).checked_div(messages);
            // No ticks: its last message is counted, and the time of it is not in yet.
            if let Some(ticks) = ticks.filter(|ticks| *ticks > 0) {
                seat.mean_ns = core.scale.ticks_to_ns(ticks).max(1);
                seat.depth = ((AHEAD_NS / seat.mean_ns) as usize).max(AHEAD_LEAST);
                seat.last = (ended, busy);
            }
        }
    }

    /// Mean time of a message over all workers, in nanoseconds; zero while unknown.
    pub(crate) fn mean_ns(&self) -> u64 {
        let known = self.seats.iter().filter(|seat| seat.mean_ns > 0);
        let (sum, count) = known.fold((0u64, 0), |(sum, count), seat| {
            (sum.saturating_add(seat.mean_ns), count + 1)
        });
        u64::checked_div(sum, count).unwrap_or(0)
    }

    /// Sends a parcel to the worker that wants it most, or leaves it pending.
    ///
    /// # Errors
    /// When the pool takes no tasks (any more).
    pub(crate) fn submit(
        &mut self,
        core: &Core,
        ticket: Ticket,
        parcel: Parcel,
    ) -> Result<(), TaskError> {
        match self.phase {
            PoolPhase::Open => {}
            PoolPhase::Closing => return Err(TaskError::Closed),
            PoolPhase::Aborted => return Err(TaskError::Aborted),
        }
        if let Some(error) = self.hopeless() {
            return Err(error);
        }
        if let Some(batch) = self.batches.get_mut(ticket.batch as usize) {
            batch.outstanding += 1;
        }
        match self.hungriest() {
            Some(seat) if self.pending.is_empty() => self.send(core, seat, ticket, parcel),
            _ => self.pending.push_back((ticket, parcel)),
        }
        Ok(())
    }

    /// Why no task will ever run here any more, if that is so.
    pub(super) fn hopeless(&self) -> Option<TaskError> {
        if !self.all_gone() || self.phase == PoolPhase::Aborted {
            return None;
        }
        Some(match (&self.start_failure, self.deaths.first()) {
            (Some(failure), _) => TaskError::NoWorkers(failure.to_string().into()),
            (None, Some(first)) => TaskError::NoWorkers(first.to_string().into()),
            (None, None) => TaskError::Closed,
        })
    }

    /// Whether every task that is submitted now is refused.
    pub(crate) fn can_never_run(&self) -> bool {
        self.phase != PoolPhase::Open || self.all_gone()
    }

    /// The worker with the fewest messages in flight that wants more; among equals in turn.
    fn hungriest(&mut self) -> Option<usize> {
        let count = self.seats.len();
        let start = self.next_seat;
        let best = (start..count)
            .chain(0..start)
            .filter(|seat| self.wants(*seat) > 0)
            .min_by_key(|seat| {
                let seat = &self.seats[*seat];
                // One that is still starting may be for a while.
                (seat.phase != SeatPhase::Up, seat.in_flight.len())
            })?;
        self.next_seat = if best + 1 == count { 0 } else { best + 1 };
        Some(best)
    }

    fn send(&mut self, core: &Core, index: usize, ticket: Ticket, parcel: Parcel) {
        self.unwatched = true;
        let seat = &mut self.seats[index];
        seat.in_flight.push_back(InFlight {
            ticket,
            entry: parcel.message.entry,
            attached: parcel.attached,
        });
        seat.link
            .send(parcel.message, parcel.body, &core.control, index);
    }

    /// Sends what is pending, then evens out, then, when the pool closes, the pills.
    pub(crate) fn feed(&mut self, core: &Core) {
        if !self.pending.is_empty() {
            self.refresh_means(core);
            while let Some(seat) = self.hungriest() {
                let Some((ticket, parcel)) = self.pending.pop_front() else {
                    break;
                };
                self.send(core, seat, ticket, parcel);
            }
        }
        if self.pending.is_empty() {
            self.even_out(core, WORTH_STEALING_NS);
            if self.phase == PoolPhase::Closing {
                self.send_pills(core);
            }
        }
    }

    /// Gives idle workers what the busy have not begun, where it seems to take `worth_ns`.
    pub(super) fn even_out(&mut self, core: &Core, worth_ns: u64) {
        if !self.pending.is_empty() {
            return;
        }
        for idle in 0..self.seats.len() {
            let seat = &self.seats[idle];
            if seat.phase != SeatPhase::Up || !seat.in_flight.is_empty() || self.wants(idle) == 0 {
                continue;
            }
            // A worker keeps what it runs; one that is not up runs nothing.
            let Some(busy) = (0..self.seats.len())
                .filter(|seat| {
                    let seat = &self.seats[*seat];
                    seat.in_flight.len() > usize::from(seat.phase == SeatPhase::Up)
                })
                .max_by_key(|seat| self.seats[*seat].in_flight.len())
            else {
                return;
            };
            let load = self.seats[busy].in_flight.len();
            let mean = self.seats[busy].mean_ns;
            if mean != 0 && mean.saturating_mul(load as u64) < worth_ns {
                continue;
            }
            let is_up = self.seats[busy].phase == SeatPhase::Up;
            for _ in 0..(load / 2).max(usize::from(!is_up)) {
                let (message, body) = match self.seats[busy].link.retract() {
                    Ok(Some(taken)) => taken,
                    Ok(None) => break,
                    Err(fault) => {
                        self.condemn(busy, fault);
                        break;
                    }
                };
                let sent = self.seats[busy].in_flight.back();
                if !sent.is_some_and(|sent| sent.is_intact(&message)) {
                    // The message is answered for with the others when the worker is gone.
                    self.condemn(busy, OVERWRITTEN.to_owned());
                    break;
                }
                let Some(taken) = self.seats[busy].in_flight.pop_back() else {
                    break;
                };
                let parcel = Parcel {
                    message,
                    body,
                    attached: taken.attached,
                };
                self.send(core, idle, taken.ticket, parcel);
            }
        }
    }

    /// One pill behind the last task of each worker.
    fn send_pills(&mut self, core: &Core) {
        let drained = self.seats.iter().all(|seat| seat.in_flight.is_empty());
        for index in 0..self.seats.len() {
            let seat = &mut self.seats[index];
            // A pill that overtook a task sent back by another's death would lose it: pills
            // go out when nothing is in flight any more.
            match seat.phase {
                _ if !drained => {}
                SeatPhase::Vacant => seat.phase = SeatPhase::Gone,
                SeatPhase::Up => {
                    seat.phase = SeatPhase::Ending;
                    self.send_pill(core, index);
                }
                // One that is still starting is waited for: it has a deadline.
                SeatPhase::Starting { .. } | SeatPhase::Ending | SeatPhase::Gone => {}
            }
        }
    }

    /// Tells one worker to end after what it has.
    pub(super) fn send_pill(&mut self, core: &Core, index: usize) {
        let body = match core.options.transport {
            crate::Transport::Shared => Body::Inline(InPlace::EMPTY),
            crate::Transport::Copy => Body::Frame(crate::parcel::pill_frame()),
        };
        self.seats[index]
            .link
            .send(Message::default(), body, &core.control, index);
    }
}
