//! Sending: how many messages ahead, in what order, and the pills at the end.

use std::sync::atomic::Ordering;

use super::share::worth_waking_ns;
use super::{Core, Driver, PoolPhase, SeatPhase};
use crate::bulk::Bulk;
use crate::error::TaskError;
use crate::parcel::{Extra, Ready};
use crate::trace;

/// How much work lies ahead of a worker, in time: enough to outlast the waking of the
/// supervisor (some 50 µs on a virtual machine) a few times over.
pub(super) const AHEAD_NS: u64 = 400_000;
/// Messages ahead while nothing is known about their time.
const AHEAD_UNKNOWN: usize = 16;
/// Messages ahead at least: one to run and one to go on with.
const AHEAD_LEAST: usize = 2;

impl Driver {
    /// How many messages a worker should have in flight.
    fn depth(&self, index: usize) -> usize {
        let depth = match self.seats[index].depth {
            // A pipe gives back only what its worker does not come to soon: too late for one that is
            // called up for it.
            _ if self.others_may_come && !self.seats[index].link.can_retract() => 1,
            0 => AHEAD_UNKNOWN,
            depth => depth,
        };
        depth.min(self.queue_depth)
    }

    /// How many messages a worker may be sent now.
    pub(super) fn wants(&self, index: usize) -> usize {
        let seat = &self.seats[index];
        let last = seat.in_flight.back();
        let is_shut = last.is_some_and(|last| Extra::is_alone(last.extra.as_deref()));
        let is_busy = seat.blocked || seat.stop.is_some();
        if is_shut || is_busy || !seat.takes_tasks() || seat.fault.is_some() {
            return 0;
        }
        self.depth(index)
            .saturating_sub(seat.in_flight.len())
            .min(seat.link.room())
            .min(usize::try_from(seat.allowance).unwrap_or(usize::MAX))
    }

    /// How many messages the pool may be sent now.
    pub(crate) fn appetite(&self) -> usize {
        let wanted: usize = (0..self.seats.len()).map(|seat| self.wants(seat)).sum();
        // What nobody wants now calls up those that were let go, by being there.
        wanted + self.life.dormant().saturating_sub(self.pending.len())
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
            let tasks = counters.tasks.load(Ordering::Relaxed);
            let (last_ended, last_tasks, last_busy) = seat.last;
            let messages = ended.saturating_sub(last_ended);
            let busy_ticks = busy.saturating_sub(last_busy);
            // No ticks: its last message is counted, and the time of it is not in yet.
            let ticks = busy_ticks.checked_div(messages);
            if let Some(ticks) = ticks.filter(|ticks| *ticks > 0) {
                seat.mean_ns = core.scale.ticks_to_ns(ticks).max(1);
                seat.depth = ((AHEAD_NS / seat.mean_ns) as usize).max(AHEAD_LEAST);
                let busy_ps = core.scale.ticks_to_ns(busy_ticks).saturating_mul(1000);
                let item_ps = busy_ps.checked_div(tasks.saturating_sub(last_tasks));
                seat.note_item(item_ps.unwrap_or(0));
                seat.last = (ended, tasks, busy);
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

    /// Time of an item, in picoseconds, in the worker that seems fastest; zero while unknown.
    pub(crate) fn item_ps(&self) -> u64 {
        let known = self.seats.iter().filter(|seat| seat.item_ps > 0);
        known.map(|seat| seat.item_ps).min().unwrap_or(0)
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
            if trace::tasks() {
                ready
                    .iter()
                    .skip(sent)
                    .for_each(|ready| trace::queued(core, &ready.ticket));
            }
            self.pending.extend(ready.drain().skip(sent));
            self.note_pending(core);
        }
        ready.clear();
        self.call_up(core);
        Ok(())
    }

    /// The same for one message.
    pub(crate) fn submit_one(&mut self, core: &Core, mut ready: Ready) -> Result<(), TaskError> {
        self.expect(ready.ticket.batch, 1)?;
        match self.hungriest(core) {
            Some(seat) if self.pending.is_empty() => {
                self.send(core, seat, std::slice::from_mut(&mut ready));
            }
            _ => {
                if trace::tasks() {
                    trace::queued(core, &ready.ticket);
                }
                self.pending.push_back(ready);
                self.note_pending(core);
            }
        }
        self.call_up(core);
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

    /// Why no task will ever run here any more, if that is so.
    pub(super) fn hopeless(&self) -> Option<TaskError> {
        if !self.all_gone() || self.phase == PoolPhase::Aborted {
            return None;
        }
        Some(match (&self.start_failure, self.past.first_death()) {
            (Some(failure), _) => TaskError::NoWorkers(failure.to_string().into()),
            (None, Some(first)) => TaskError::NoWorkers(first.to_string().into()),
            (None, None) => TaskError::Closed,
        })
    }

    /// Whether every task that is submitted now is refused.
    pub(crate) fn can_never_run(&self) -> bool {
        self.phase != PoolPhase::Open || self.all_gone()
    }

    #[inline]
    pub(super) fn send(&mut self, core: &Core, index: usize, messages: &mut [Ready]) {
        self.unwatched = true;
        if self.has_terms {
            self.note_terms(core, index, messages);
        }
        let seat = &mut self.seats[index];
        if seat.allowance != u64::MAX {
            let items: u64 = messages
                .iter()
                .map(|ready| u64::from(ready.ticket.items))
                .sum();
            seat.allowance = seat.allowance.saturating_sub(items);
        }
        if trace::tasks() {
            trace::sent(core, seat, messages);
        }
        seat.link
            .send(messages, &mut seat.in_flight, &core.control, index);
        self.note_sent(core, index);
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
        self.note_pending(core);
        if self.pending.is_empty() {
            self.even_out(core, worth_waking_ns(core));
            self.end_if_drained(core);
        }
        self.call_up(core);
    }

    /// Has workers let go of what their last results spoke of, and of memory that nobody uses any
    /// more: those that have nothing to do, now, the others when they have.
    pub(crate) fn nudge_idle(&mut self, core: &Core) {
        for seat in &mut self.seats {
            if seat.phase == SeatPhase::Up && seat.in_flight.is_empty() {
                seat.link.nudge(&core.control, seat.index);
            } else {
                seat.keeps = true;
            }
        }
    }

    /// Tells one worker to end after what it has.
    pub(super) fn send_pill(&mut self, core: &Core, index: usize) {
        self.seats[index].link.send_pill(&core.control, index);
    }
}
