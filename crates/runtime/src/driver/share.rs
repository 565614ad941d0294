//! To whom messages are sent, and taking back from the busy for the idle.
//!
//! Messages are shared out like water: to the workers with the fewest in flight, up to one
//! level, as far as each of them wants more. Each gets its share in one run of slots.
//!
//! ```text
//!   in flight             3 messages more
//!
//!    #                     #
//!    #     #               #  +  #  <- level
//!    #     #               #  +  #  +
//!    #  _  #  _            #  #  #  #
//!    a  b  c  d            a  b  c  d
//! ```

use std::sync::atomic::Ordering;

use super::dispatch::AHEAD_NS;
use super::link::OVERWRITTEN;
use super::{Core, Driver, SeatPhase};
use crate::error::TaskError;
use crate::parcel::{Extra, Parcel, Ready, Ticket};

/// More than any worker can have in flight.
const MOST_LEVEL: usize = 1 << 20;
/// Work for less than this is not worth waking another worker for: to wake it takes as long.
const WORTH_WAKING_NS: u64 = 50_000;
/// The same while as many processes are awake as there are cores: it would have to wait for one.
const WORTH_CROWDING_NS: u64 = AHEAD_NS;

/// Which workers are given messages first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rank {
    /// Those awake, as long as they have little to do: waking another takes longer.
    Awake,
    /// All that are ready.
    Up,
    /// Those that are still starting, and may be for a while.
    Starting,
}

impl Rank {
    const ALL: [Self; 3] = [Self::Awake, Self::Up, Self::Starting];
}

impl Driver {
    /// The worker with the fewest messages in flight that wants more; among equals one that is
    /// awake, else in turn, or, when those that are not needed are let go, the first.
    pub(super) fn hungriest(&mut self, core: &Core) -> Option<usize> {
        let count = self.seats.len();
        let start = if self.keeps_few { 0 } else { self.next_seat };
        let best = (start..count)
            .chain(0..start)
            .filter(|seat| self.wants(*seat) > 0)
            .min_by_key(|seat| {
                let seat = &self.seats[*seat];
                let parked = core
                    .control
                    .page(seat.index)
                    .vitals
                    .parked
                    .load(Ordering::Relaxed);
                (
                    seat.phase != SeatPhase::Up,
                    seat.in_flight.len(),
                    parked != 0,
                )
            })?;
        self.next_seat = if best + 1 == count { 0 } else { best + 1 };
        Some(best)
    }

    /// Sends as many messages as the workers want, from the front; returns how many.
    pub(super) fn share_out(&mut self, core: &Core, ready: &mut [Ready]) -> usize {
        let mut sent = 0;
        // Again, because one that must travel alone ends its worker's share, and others get less.
        while sent < ready.len() {
            match self.share_out_once(core, &mut ready[sent..]) {
                0 if !std::mem::take(&mut self.has_closed) => break,
                more => sent += more,
            }
        }
        sent
    }

    fn share_out_once(&mut self, core: &Core, mut ready: &mut [Ready]) -> usize {
        let all = ready.len();
        for rank in Rank::ALL {
            if ready.is_empty() {
                break;
            }
            let level = self.level(core, rank, ready.len());
            let count = self.seats.len();
            let start = if self.keeps_few { 0 } else { self.next_seat };
            for index in (start..count).chain(0..start) {
                let share = self.below(core, index, rank, level).min(ready.len());
                if share > 0 {
                    let given = self.give(core, index, &mut ready[..share]);
                    self.next_seat = if index + 1 == count { 0 } else { index + 1 };
                    ready = &mut ready[given..];
                }
            }
        }
        all - ready.len()
    }

    /// The lowest number of messages in flight up to which `messages` more fill the workers of
    /// a rank, or, when they want fewer than that, one up to which they get all that they want.
    fn level(&self, core: &Core, rank: Rank, messages: usize) -> usize {
        let seats = 0..self.seats.len();
        let fits = |level: usize| {
            let shares = seats
                .clone()
                .map(|seat| self.below(core, seat, rank, level));
            shares.sum::<usize>() >= messages
        };
        let (mut low, mut high) = (0, MOST_LEVEL);
        while low + 1 < high {
            let middle = usize::midpoint(low, high);
            if fits(middle) {
                high = middle;
            } else {
                low = middle;
            }
        }
        high
    }

    /// How many more messages a worker wants below a level, if it is of this rank.
    fn below(&self, core: &Core, index: usize, rank: Rank, level: usize) -> usize {
        let seat = &self.seats[index];
        let level = match rank {
            Rank::Awake => level.min(self.worth_waking(core, index)),
            Rank::Up if seat.phase == SeatPhase::Up => level,
            Rank::Starting if seat.phase != SeatPhase::Up => level,
            Rank::Up | Rank::Starting => 0,
        };
        let gap = level.saturating_sub(seat.in_flight.len());
        if gap == 0 {
            0
        } else {
            gap.min(self.wants(index))
        }
    }

    /// How many messages a worker that is awake should have before another is woken for more.
    /// What went into a pipe comes back only from behind a long task (see `unblock`), so there
    /// nobody is preferred.
    #[inline]
    fn worth_waking(&self, core: &Core, index: usize) -> usize {
        let seat = &self.seats[index];
        let page = core.control.page(index);
        let is_awake = page.vitals.parked.load(Ordering::Relaxed) == 0;
        if seat.phase != SeatPhase::Up || !is_awake || !seat.link.can_retract() {
            return 0;
        }
        let worth = worth_waking_ns(core).checked_div(seat.mean_ns);
        worth.map_or(1, |messages| messages.max(1) as usize)
    }

    /// Sends messages to one worker, up to the first behind which nothing may stand. Returns how
    /// many.
    #[inline]
    fn give(&mut self, core: &Core, index: usize, messages: &mut [Ready]) -> usize {
        let is_alone = |ready: &Ready| Extra::is_alone(ready.parcel.extra.as_deref());
        let alone = messages.iter().position(is_alone);
        let mut count = alone.map_or(messages.len(), |at| at + 1);
        let is_limited = self.seats[index].allowance != u64::MAX;
        if is_limited {
            count = count.min(self.allowed(core, index, messages));
        }
        if count > 0 {
            self.send(core, index, &mut messages[..count]);
        } else if is_limited {
            self.seats[index].allowance = 0;
            self.has_closed = true;
            self.replace_if_spent(core, index);
        }
        count
    }

    /// How many of these messages a worker may be sent before it is replaced. One that would be
    /// too many is for the next, unless it alone is.
    #[cold]
    fn allowed(&self, core: &Core, index: usize, messages: &[Ready]) -> usize {
        let mut left = self.seats[index].allowance;
        let mut is_fresh = left == core.options.lifecycle.allowance();
        let fits = |ready: &&Ready| {
            let items = u64::from(ready.ticket.items);
            let fits = items <= left || is_fresh;
            left = left.saturating_sub(items);
            is_fresh = false;
            fits
        };
        messages.iter().take_while(fits).count()
    }

    /// Gives idle workers what the busy have not begun, where it seems to take `worth_ns`.
    pub(super) fn even_out(&mut self, core: &Core, worth_ns: u64) {
        if !self.pending.is_empty() || self.seats.len() < 2 {
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
                    let has_more = seat.in_flight.len() > usize::from(seat.phase.is_at_work());
                    has_more && seat.fault.is_none()
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
            let is_up = self.seats[busy].phase.is_at_work();
            let mut taken = self.recall(core, busy, (load / 2).max(usize::from(!is_up)));
            self.note_sent(core, busy);
            if taken.is_empty() {
                continue;
            }
            let given = self.give(core, idle, &mut taken);
            for ready in taken.drain(given..).rev() {
                self.pending.push_front(ready);
            }
        }
    }

    /// Whether a message that was taken back is still the one that was sent: a slot is memory
    /// that its worker can write. Its payload is not compared: whoever runs the task checks that
    /// anyway, by decoding it.
    pub(super) fn is_intact(&self, ticket: &Ticket, found: &Parcel) -> bool {
        let batch = self.batches.get(ticket.batch as usize);
        batch.is_some_and(|batch| batch.function.entry == found.message.entry)
            && ticket.items == found.message.items
    }

    /// Up to `most` messages that a worker has not begun, in their order.
    pub(super) fn recall(&mut self, core: &Core, index: usize, most: usize) -> Vec<Ready> {
        let mut taken = Vec::new();
        let seat = &mut self.seats[index];
        // The youngest is its pill; or it is about to be killed, and its lane is not to be believed.
        if seat.phase == SeatPhase::Ending || seat.fault.is_some() {
            return taken;
        }
        let most_allowed = core.options.lifecycle.allowance();
        let in_flight = &mut seat.in_flight;
        let allowance = &mut seat.allowance;
        let retracted = seat.link.retract(most, |mut parcel| {
            if let Some(sent) = in_flight.pop_back() {
                parcel.keep(sent.extra);
                let items = u64::from(sent.ticket.items);
                *allowance = allowance.saturating_add(items).min(most_allowed);
                taken.push(Ready {
                    ticket: sent.ticket,
                    parcel,
                });
            }
        });
        if seat.in_flight.is_empty() {
            seat.clock = None; // the next message may have the same number
        }
        if let Err(fault) = retracted {
            self.condemn(core, index, fault);
        }
        taken.reverse();
        let torn = taken.extract_if(.., |ready| !self.is_intact(&ready.ticket, &ready.parcel));
        for ready in torn.collect::<Vec<_>>() {
            self.condemn(core, index, OVERWRITTEN.to_owned());
            self.refuse(ready.ticket, TaskError::Fault(OVERWRITTEN.into()));
        }
        taken
    }
}

/// How much work is worth waking a worker for.
pub(super) fn worth_waking_ns(core: &Core) -> u64 {
    let awake = core.control.header().awake.0.load(Ordering::Relaxed);
    if awake < core.cores {
        WORTH_WAKING_NS
    } else {
        WORTH_CROWDING_NS
    }
}
