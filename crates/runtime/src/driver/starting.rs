//! Seats between two processes: making ready for the next, and not waiting for ever.

use std::sync::atomic::Ordering;
use std::time::Instant;

use forkyard_os::clock::now_ns;
use forkyard_os::process::{Signal, kill};

use super::{Core, Driver, Escalation, Link, SeatPhase, StartFailure};
use crate::time::after;
use crate::{CheckEvery, Transport};

impl Driver {
    /// Whether an abort has come to killing, and a process that was asked for has not shown.
    pub(crate) fn kills_the_unseen(&self) -> bool {
        matches!(self.escalation, Some((_, Escalation::Kill)))
            && self
                .seats
                .iter()
                .any(|seat| seat.phase == SeatPhase::Ending && seat.pid.is_none())
    }

    /// Makes the next vacant seat ready for a process that is about to be started.
    pub(crate) fn take_vacant(&mut self, core: &Core) -> Option<(usize, u32)> {
        let now = Instant::now();
        loop {
            let index = self.seats.iter().position(|seat| {
                seat.phase == SeatPhase::Vacant && seat.rests_until.is_none_or(|until| until <= now)
            })?;
            match self.prepare(core, index) {
                Ok(generation) => return Some((index, generation)),
                Err(error) => {
                    self.failed_starts += 1;
                    self.start_failed(core, index, StartFailure::NotStarted(error));
                    core.ring();
                }
            }
        }
    }

    /// Clears a vacant seat's page for its next process, whose generation is returned.
    fn prepare(&mut self, core: &Core, index: usize) -> Result<u32, String> {
        let page = core.control.page(index);
        page.reset();
        let seat = &mut self.seats[index];
        if let Link::Pipe(pipe) = &mut seat.link {
            let name = pipe.listen().map_err(|error| error.to_string())?;
            if !page.link.set(&name) {
                return Err(format!(
                    "the pipe's name is too long, make TMPDIR shorter: {name}"
                ));
            }
        }
        if seat.started {
            seat.generation += 1;
        }
        seat.started = true;
        seat.rests_until = None;
        seat.start_timed_out = false;
        seat.last = (0, 0);
        seat.taken = 0;
        seat.phase = SeatPhase::Starting {
            deadline: after(core.options.start_timeout),
        };
        // All of them each time: the last process here could write over its page.
        let orders = &page.orders;
        let copy_path = core.options.transport == Transport::Copy;
        let check_every = match core.options.check_every {
            CheckEvery::Auto => 0,
            CheckEvery::Iterations(n) => n.get(),
        };
        orders
            .copy_path
            .store(u32::from(copy_path), Ordering::Relaxed);
        orders.check_every.store(check_every, Ordering::Relaxed);
        orders.generation.store(seat.generation, Ordering::Relaxed);
        page.setup.set(&core.setup().place);
        orders.spawned_ns.store(now_ns(), Ordering::Relaxed);
        let generation = seat.generation;
        self.note_change(core);
        Ok(generation)
    }

    /// Kills workers that are not ready in time; returns when to look again, for that or for
    /// a seat that has rested, and whether there is one that was asked for and is not even
    /// there.
    pub(crate) fn overdue(&mut self, now: Instant) -> (Option<Instant>, bool) {
        let mut next: Option<Instant> = None;
        let mut unanswered = false;
        for seat in &mut self.seats {
            let deadline = match (seat.phase, seat.rests_until) {
                (SeatPhase::Starting { .. }, _) if seat.start_timed_out => continue,
                (SeatPhase::Starting { deadline }, _) => deadline,
                (SeatPhase::Vacant, Some(rested)) => {
                    next = Some(next.map_or(rested, |at| at.min(rested)));
                    continue;
                }
                _ => continue,
            };
            if now < deadline {
                next = Some(next.map_or(deadline, |at| at.min(deadline)));
            } else {
                seat.start_timed_out = true;
                match seat.pid {
                    Some(pid) => drop(kill(pid, Signal::Kill)),
                    None => unanswered = true,
                }
            }
        }
        (next, unanswered)
    }
}
