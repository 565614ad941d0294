//! What stands in a pipe behind a task that takes long, while another worker has nothing to do.
//!
//! A lane gives back whatever its worker has not begun. A pipe does not, but its worker can be asked to
//! pass messages over, which is worth it when it will not come to them soon.

use std::time::Duration;

use forkyard_os::clock::ticks;
use std::sync::atomic::Ordering;

use super::careful::NOBODY;
use super::{Core, Driver, SeatPhase};
use crate::Transport;

/// A task that has run for so long is likely to go on for a while.
const LONG: Duration = Duration::from_millis(1);

/// Whether there is, or may soon be, something to take back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blocked {
    /// Nothing.
    No,
    /// Something was taken back, and is pending.
    TakenBack,
    /// Something stands behind a task that has not run for long yet: look again.
    Soon,
}

impl Blocked {
    /// When to look again.
    pub(super) fn look_within(self) -> Option<Duration> {
        (self == Self::Soon).then_some(LONG)
    }
}

impl Driver {
    /// Takes back what stands behind long tasks, if a worker has nothing to do.
    pub(super) fn unblock(&mut self, core: &Core) -> Blocked {
        if core.options.transport == Transport::Shared || !self.pending.is_empty() {
            return Blocked::No;
        }
        let is_idle = |seat: usize| {
            let Some(it) = self.seats.get(seat) else {
                return false;
            };
            it.phase == SeatPhase::Up && it.in_flight.is_empty() && self.wants(seat) > 0
        };
        if !(0..self.seats.len()).any(is_idle) {
            return Blocked::No;
        }
        let mut found = Blocked::No;
        for index in 0..self.seats.len() {
            let seat = &self.seats[index];
            let behind = seat.in_flight.iter().skip(1);
            let waits = behind.filter(|sent| sent.ticket.batch != NOBODY).count() > 0;
            if !waits || seat.phase != SeatPhase::Up || seat.stop.is_some() {
                continue;
            }
            if self.runs_long(core, index) {
                self.clear_from(core, index, 1);
                self.seats[index].blocked = true;
                self.note_sent(core, index);
                found = Blocked::TakenBack;
            } else if found == Blocked::No {
                found = Blocked::Soon;
            }
        }
        if found == Blocked::TakenBack && self.pending.is_empty() {
            return Blocked::No; // all of it was begun meanwhile
        }
        found
    }

    /// Whether a worker's oldest message has run for long, as it says itself.
    fn runs_long(&self, core: &Core, index: usize) -> bool {
        let started = &core.control.page(index).counters.started;
        let link = &self.seats[index].link;
        if !link.is_begun(0, &core.control, index) {
            return false;
        }
        let ran = ticks().saturating_sub(started.load(Ordering::Relaxed));
        Duration::from_nanos(core.scale.ticks_to_ns(ran)) >= LONG
    }
}
