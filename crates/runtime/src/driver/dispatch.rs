//! Sending: which worker, how many ahead, and taking back from the busy for the idle.
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

use super::link::OVERWRITTEN;
use super::{Core, Driver, PoolPhase, SeatPhase};
use crate::bulk::Bulk;
use crate::error::TaskError;
use crate::parcel::{Extra, Parcel, Ready, Ticket};

/// How much work lies ahead of a worker, in time: enough to outlast the waking of the
/// supervisor (some 50 µs on a virtual machine) a few times over.
const AHEAD_NS: u64 = 400_000;
/// Messages ahead while nothing is known about their time.
const AHEAD_UNKNOWN: usize = 16;
/// Messages ahead at least: one to run and one to go on with.
const AHEAD_LEAST: usize = 2;
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
        let last = seat.in_flight.back();
        let is_shut = last.is_some_and(|last| Extra::is_alone(last.extra.as_deref()));
        if is_shut || !seat.takes_tasks() || seat.fault.is_some() {
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

    /// Sends messages of one batch to the workers that want them most, or leaves them pending.
    ///
    /// # Errors
    /// When the pool takes no tasks (any more): then they stay in `ready`.
    pub(crate) fn submit(
        &mut self,
        core: &Core,
        batch: u32,
        ready: &mut Bulk<Ready>,
    ) -> Result<(), TaskError> {
        self.expect(batch, ready.len())?;
        let sent = if self.pending.is_empty() {
            self.share_out(core, ready.as_mut_slice())
        } else {
            0
        };
        if sent < ready.len() {
            self.pending.extend(ready.drain().skip(sent));
        }
        ready.clear();
        Ok(())
    }

    /// The same for one message.
    pub(crate) fn submit_one(&mut self, core: &Core, mut ready: Ready) -> Result<(), TaskError> {
        self.expect(ready.ticket.batch, 1)?;
        match self.hungriest() {
            Some(seat) if self.pending.is_empty() => {
                self.send(core, seat, std::slice::from_mut(&mut ready));
            }
            _ => self.pending.push_back(ready),
        }
        Ok(())
    }

    /// Counts messages of a batch that are to come, unless they would never run.
    fn expect(&mut self, batch: u32, messages: usize) -> Result<(), TaskError> {
        match self.phase {
            PoolPhase::Open => {}
            PoolPhase::Closing => return Err(TaskError::Closed),
            PoolPhase::Aborted => return Err(TaskError::Aborted),
        }
        if let Some(error) = self.hopeless() {
            return Err(error);
        }
        if let Some(batch) = self.batches.get_mut(batch as usize) {
            batch.outstanding += messages;
        }
        Ok(())
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
                (seat.phase != SeatPhase::Up, seat.in_flight.len())
            })?;
        self.next_seat = if best + 1 == count { 0 } else { best + 1 };
        Some(best)
    }

    /// Sends as many messages as the workers want, from the front; returns how many.
    fn share_out(&mut self, core: &Core, ready: &mut [Ready]) -> usize {
        let mut sent = 0;
        // Again, because one that must travel alone ends its worker's share, and others get less.
        while sent < ready.len() {
            match self.share_out_once(core, &mut ready[sent..]) {
                0 => break,
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
            let start = self.next_seat;
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
    #[inline]
    fn worth_waking(&self, core: &Core, index: usize) -> usize {
        let seat = &self.seats[index];
        let is_awake = core
            .control
            .page(index)
            .vitals
            .parked
            .load(Ordering::Relaxed)
            == 0;
        if seat.phase != SeatPhase::Up || !is_awake || seat.mean_ns == 0 {
            return 0;
        }
        (worth_waking_ns(core) / seat.mean_ns) as usize
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

    /// Sends messages to one worker, up to the first behind which nothing may stand. Returns how
    /// many.
    #[inline]
    fn give(&mut self, core: &Core, index: usize, messages: &mut [Ready]) -> usize {
        let is_alone = |ready: &Ready| Extra::is_alone(ready.parcel.extra.as_deref());
        let alone = messages.iter().position(is_alone);
        let count = alone.map_or(messages.len(), |at| at + 1);
        if count > 0 {
            self.send(core, index, &mut messages[..count]);
        }
        count
    }

    #[inline]
    fn send(&mut self, core: &Core, index: usize, messages: &mut [Ready]) {
        self.unwatched = true;
        let seat = &mut self.seats[index];
        seat.link
            .send(messages, &mut seat.in_flight, &core.control, index);
    }

    /// Sends what is pending, then evens out, then, when the pool closes, the pills.
    pub(crate) fn feed(&mut self, core: &Core) {
        if !self.pending.is_empty() {
            self.refresh_means(core);
            let mut pending = std::mem::take(&mut self.pending);
            let sent = self.share_out(core, pending.make_contiguous());
            pending.drain(..sent);
            self.pending = pending;
        }
        if self.pending.is_empty() {
            self.even_out(core, worth_waking_ns(core));
            if self.phase == PoolPhase::Closing {
                self.send_pills(core);
            }
        }
    }

    /// Wakes workers that have nothing to do, so that they let go of what their last results
    /// spoke of, and of memory that nobody uses any more.
    pub(crate) fn nudge_idle(&mut self, core: &Core) {
        for seat in &mut self.seats {
            if seat.phase == SeatPhase::Up && seat.in_flight.is_empty() {
                seat.link.nudge(&core.control, seat.index);
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
            let mut taken = self.recall(busy, (load / 2).max(usize::from(!is_up)));
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
        batch.is_some_and(|batch| batch.entry == found.message.entry)
            && ticket.items == found.message.items
    }

    /// Up to `most` messages that a worker has not begun, in their order.
    fn recall(&mut self, index: usize, most: usize) -> Vec<Ready> {
        let mut taken = Vec::new();
        let seat = &mut self.seats[index];
        let in_flight = &mut seat.in_flight;
        let retracted = seat.link.retract(most, |mut parcel| {
            if let Some(sent) = in_flight.pop_back() {
                parcel.keep(sent.extra);
                taken.push(Ready {
                    ticket: sent.ticket,
                    parcel,
                });
            }
        });
        if let Err(fault) = retracted {
            self.condemn(index, fault);
        }
        taken.reverse();
        let torn = taken.extract_if(.., |ready| !self.is_intact(&ready.ticket, &ready.parcel));
        for ready in torn.collect::<Vec<_>>() {
            self.condemn(index, OVERWRITTEN.to_owned());
            self.refuse(ready.ticket, TaskError::Fault(OVERWRITTEN.into()));
        }
        taken
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
        self.seats[index].link.send_pill(&core.control, index);
    }
}

/// How much work is worth waking a worker for.
fn worth_waking_ns(core: &Core) -> u64 {
    let awake = core.control.header().awake.0.load(Ordering::Relaxed);
    if awake < core.cores {
        WORTH_WAKING_NS
    } else {
        WORTH_CROWDING_NS
    }
}
