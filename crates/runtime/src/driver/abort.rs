//! Ending a pool before its work is done: ask, then SIGTERM, then SIGKILL (see [`life`](crate::life)).

use std::time::Duration;

use super::careful::NOBODY;
use super::link::Remains;
use super::{Core, Driver, PoolPhase};
use crate::error::TaskError;
use crate::life::Event;
use crate::parcel::Ready;
use crate::report::CutShort;
use crate::trace;

impl Driver {
    /// Ends the pool without finishing its work. Results that are there are kept.
    pub(crate) fn abort(&mut self, core: &Core, grace: Duration) {
        self.grace = grace;
        if self.phase == PoolPhase::Aborted {
            // Already on its way: it can only be hurried.
            self.tell(core, Event::Abort);
            return;
        }
        self.poll(core);
        core.control.header().stop.0.raise_for_ever();
        for seat in &mut self.seats {
            seat.stop = None; // all are stopped now
            core.control.page(seat.index).stops.flag.raise_for_ever();
        }
        let mut cut = CutShort::default();
        for Ready { ticket, .. } in std::mem::take(&mut self.pending) {
            cut.waiting += u64::from(ticket.items);
            self.refuse(ticket, TaskError::Aborted);
        }
        for index in 0..self.seats.len() {
            let runs = !self.seats[index].in_flight.is_empty()
                && matches!(
                    self.seats[index].link.remains(0, &core.control, index),
                    Remains::Running
                );
            self.seats[index].cut_short = runs;
            // It is at the oldest, if at any.
            let mut is_at_it = runs;
            while let Some(lost) = self.seats[index].in_flight.pop_front() {
                let of = match std::mem::take(&mut is_at_it) {
                    true => &mut cut.running,
                    false => &mut cut.waiting,
                };
                if lost.ticket.batch != NOBODY {
                    *of += u64::from(lost.ticket.items);
                }
                self.refuse(lost.ticket, TaskError::Aborted);
            }
        }
        self.cut_short = Some(cut);
        self.tell(core, Event::Abort);
        self.note_change(core);
        trace::aborted(core, grace);
    }
}
