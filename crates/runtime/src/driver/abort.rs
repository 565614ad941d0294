//! Ending a pool before its work is done: ask, then SIGTERM, then SIGKILL.

use std::time::{Duration, Instant};

use forkyard_os::process::{Pid, Signal, kill};

use super::link::Remains;
use super::{Core, Driver, Escalation, PoolPhase, SeatPhase};
use crate::error::TaskError;
use crate::parcel::Ready;
use crate::time::after;
use crate::trace;

impl Driver {
    /// Ends the pool without finishing its work. Results that are there are kept.
    pub(crate) fn abort(&mut self, core: &Core, grace: Duration) {
        let due = after(grace);
        if self.phase == PoolPhase::Aborted {
            // Already on its way: it can only be hurried.
            if let Some((at, Escalation::Term)) = &mut self.escalation {
                *at = (*at).min(due);
            }
            return;
        }
        self.poll(core);
        self.phase = PoolPhase::Aborted;
        core.control.header().stop.0.raise_for_ever();
        for seat in &mut self.seats {
            seat.stop = None; // all are stopped now
            core.control.page(seat.index).stops.flag.raise_for_ever();
        }
        for Ready { ticket, .. } in std::mem::take(&mut self.pending) {
            self.refuse(ticket, TaskError::Aborted);
        }
        for index in 0..self.seats.len() {
            let runs = !self.seats[index].in_flight.is_empty()
                && matches!(
                    self.seats[index].link.remains(0, &core.control, index),
                    Remains::Running
                );
            self.seats[index].cut_short = runs;
            while let Some(lost) = self.seats[index].in_flight.pop_front() {
                self.refuse(lost.ticket, TaskError::Aborted);
            }
            let seat = &mut self.seats[index];
            match seat.phase {
                SeatPhase::Vacant => seat.phase = SeatPhase::Gone,
                SeatPhase::Starting { .. } | SeatPhase::Up => {
                    seat.phase = SeatPhase::Ending;
                    // Wakes a lane's worker that sleeps; one on a pipe sees its end.
                    if seat.link.works_before_ready() {
                        self.send_pill(core, index);
                    } else {
                        seat.link.sever();
                    }
                }
                SeatPhase::Ending | SeatPhase::Gone => {}
            }
        }
        self.escalation = Some((due, Escalation::Term));
        self.note_change(core);
        trace::aborted(core, grace);
    }

    /// Does what is due of an abort, and says when to look again.
    pub(crate) fn escalate(&mut self, core: &Core, now: Instant) -> Option<Instant> {
        let (due, step) = self.escalation?;
        if self.all_gone() {
            self.escalation = None;
            return None;
        }
        if now < due {
            return Some(due);
        }
        match step {
            Escalation::Term => {
                trace::escalated(core, Signal::Term);
                self.signal_all(Signal::Term);
                let next = now + TERM_TO_KILL;
                self.escalation = Some((next, Escalation::Kill));
                Some(next)
            }
            Escalation::Kill => {
                trace::escalated(core, Signal::Kill);
                self.signal_all(Signal::Kill);
                self.escalation = Some((now + TERM_TO_KILL, Escalation::Kill));
                Some(now + TERM_TO_KILL)
            }
        }
    }

    /// Sends every worker process a signal.
    pub(crate) fn signal_all(&self, signal: Signal) {
        for pid in self.seats.iter().filter_map(|seat| seat.pid) {
            signal_pid(pid, signal);
        }
    }
}

/// How long a worker has between SIGTERM and SIGKILL.
pub(super) const TERM_TO_KILL: Duration = Duration::from_millis(500);

pub(super) fn signal_pid(pid: Pid, signal: Signal) {
    // The process is ours and not yet reaped, so the pid is still its own.
    if let Err(error) = kill(pid, signal) {
        tracing::warn!(%pid, %error, "signal not delivered");
    }
}
