//! When a worker is gone: what it had done, what it was doing, what it had not begun.
//!
//! ```text
//!   reaped ─> take its last results ─> the message it ran: WorkerDied (or Fault)
//!          ─> messages it had not begun: back to the front of `pending`
//!          ─> its blocks, its claim, its lock, what it had of shared state: given back
//!          ─> its row of timings: closed
//!          ─> the seat: a replacement, or Gone
//! ```

use std::sync::atomic::Ordering;

use forkyard_os::clock::now_ns;
use forkyard_os::process::Exit;
use forkyard_shm::first::settle;
use forkyard_wire::packets::PACKET_BYTES;

use super::careful::NOBODY;
use super::link::{OVERWRITTEN, Remains};
use super::stop::Stopping;
use super::{Core, Driver, LastWords, SeatPhase, StartFailure};
use crate::error::{RunningTask, TaskError, WorkerDeath};
use crate::life::{Event, Yield};
use crate::parcel::{Parcel, Ready, Ticket};
use crate::start::OsPark;
use crate::{mapped, timings, trace};

impl Driver {
    /// A worker was reaped.
    pub(crate) fn on_exit(&mut self, core: &Core, index: usize, exit: &Exit) {
        let exit = &exit.without_image(self.seats[index].image_peak_bytes);
        // What it did before it died counts, also when it was ready for a moment only.
        self.seats[index].link.drain();
        self.poll(core);
        let page = core.control.page(index);
        let was = self.seats[index].phase;
        let generation = self.seats[index].generation;
        // It is heard of now: its zygote owes nothing for it.
        self.seats[index].is_unheard = false;
        let known = core.witness.testimony(index, generation, exit.cause);
        let death = WorkerDeath {
            pool: core.setup().name.clone(),
            worker: index,
            generation,
            pid: exit.pid.as_raw(),
            cause: exit.cause,
            task: self.task_at_death(core, index),
            peak_rss_bytes: exit.peak_rss_bytes,
            out_of_memory: known.out_of_memory,
            stderr_tail: known.stderr_tail,
        };
        trace::worker_ended(core, &death, was == SeatPhase::Ending);
        let fault = self.seats[index].fault.take();
        let running = self.bury_messages(core, index, &death, fault.as_deref())
            || self.seats[index].cut_short;
        let row = timings::of_reaped(core, &self.seats[index], exit, now_ns(), running);
        self.past.add(row);
        self.note_gone(core, index);
        let owner = self.seats[index].owner;
        let header = core.control.header();
        settle(
            core.control.result(),
            &header.lock.0,
            &header.stop.0,
            owner,
            now_ns,
            &OsPark,
        );
        let reclaimed = mapped::reclaim(&core.arena, owner);
        trace::reclaimed(core, &self.seats[index], &reclaimed);
        for why in core.states.give_back(&core.arena, owner) {
            trace::state_untold(core, &why);
        }
        let phase_at_death = LastWords::of(page);
        self.seats[index].link.sever();
        self.seats[index].is_worn = true;
        self.seats[index].pid = None;
        self.seats[index].mean_ns = 0;
        self.seats[index].item_ps = 0;
        self.seats[index].depth = 0;
        self.seats[index].allowance = core.options.lifecycle.allowance();
        let had = match self.seats[index].taken {
            // Whoever was stopped for its message's sake is not to blame.
            0 if running || self.seats[index].stop.is_some() => Yield::Begun,
            0 => Yield::Nothing,
            _ => Yield::Results,
        };
        self.dispose(core, death, phase_at_death, had, fault);
        self.seats[index].stop = None;
        self.seats[index].blocked = false;
        self.seats[index].clock = None;
        self.seats[index].careful = false;
        self.recount_awake(core);
        self.give_up_if_hopeless();
        self.note_change(core);
    }

    /// What a worker ran when it died. Messages are run in their order, and the results of those
    /// that it had finished are taken, so it can only be the oldest.
    fn task_at_death(&self, core: &Core, index: usize) -> Option<RunningTask> {
        let seat = &self.seats[index];
        let ticket = seat.in_flight.front()?.ticket;
        let begun = seat.link.is_begun(0, &core.control, index);
        begun.then(|| self.running_task(&ticket))?
    }

    /// A message, as it is told of; `None` when it is nobody's any more.
    fn running_task(&self, ticket: &Ticket) -> Option<RunningTask> {
        let batch = self.batches.get(ticket.batch as usize)?;
        Some(RunningTask {
            function: batch.function.name,
            first: ticket.first,
            items: ticket.items,
        })
    }

    /// What becomes of a seat whose process is gone.
    fn dispose(
        &mut self,
        core: &Core,
        death: WorkerDeath,
        phase_at_death: LastWords,
        had: Yield,
        fault: Option<String>,
    ) {
        let index = death.worker;
        let was = self.seats[index].phase;
        // It was killed by this process, for that reason.
        let refused = fault.filter(|_| was == SeatPhase::Starting);
        let failure = if was == SeatPhase::Starting && self.seats[index].start_timed_out {
            StartFailure::TimedOut {
                worker: index,
                pid: death.pid,
                within: core.options.start_timeout,
                initializing: phase_at_death.is_initializing(),
            }
        } else if let Some(why) = refused {
            StartFailure::Refused {
                worker: index,
                pid: death.pid,
                why,
            }
        } else {
            StartFailure::Died {
                worker: index,
                pid: death.pid,
                cause: death.cause,
                phase: phase_at_death,
            }
        };
        if was.is_at_work() {
            let stop = self.seats[index].stop.as_ref();
            if !stop.is_some_and(Stopping::kills) {
                self.past.add_death(death);
            }
        } else if was == SeatPhase::Starting {
            trace::start_failed(core, &self.seats[index], &failure);
            // The first cause is the one to tell.
            self.start_failure.get_or_insert(failure.clone());
        }
        let event = Event::Exited {
            seat: index,
            had,
            waiting: !self.pending.is_empty(),
            getting_on: self.gets_on(index),
        };
        self.tell(core, event);
        if self.seats[index].phase == SeatPhase::Gone && was.is_at_work() {
            // One process after the other that dies without doing anything.
            self.start_failure.get_or_insert(failure);
        }
        self.call_up(core);
        self.end_if_drained(core);
    }

    /// Resolves or takes back what a dead worker had in flight. Returns whether it died in
    /// the middle of a task.
    fn bury_messages(
        &mut self,
        core: &Core,
        index: usize,
        death: &WorkerDeath,
        fault: Option<&str>,
    ) -> bool {
        let was_up = self.seats[index].phase.is_at_work();
        let mut running = false;
        let mut unbegun = Vec::new();
        let first = self.seats[index].link.number(0);
        for nth in 0..self.seats[index].in_flight.len() {
            let remains = self.seats[index].link.remains(nth, &core.control, index);
            let Some(message) = self.seats[index].in_flight.pop_front() else {
                break;
            };
            let mut ticket = message.ticket;
            if ticket.batch == NOBODY {
                continue;
            }
            let stop = self.seats[index].stop.as_ref();
            let stopped = stop.filter(|stop| stop.is_of(first + nth as u64));
            if let Some(error) = stopped.map(|stop| stop.error(index)) {
                running = true;
                self.refuse(ticket, error);
                continue;
            }
            let fault_error = |fault: &str| TaskError::Fault(fault.into());
            match remains {
                Remains::Unbegun(parcel) if !self.is_intact(&ticket, &parcel) => {
                    self.refuse(ticket, fault_error(fault.unwrap_or(OVERWRITTEN)));
                }
                Remains::Unbegun(mut parcel) => {
                    let suspect = nth == 0 && was_up && kills_unbegun(&parcel);
                    ticket.deaths += u8::from(suspect);
                    if ticket.deaths >= MOST_DEATHS {
                        // It is what the worker was about to run.
                        let mut death = death.clone();
                        death.task = self.running_task(&ticket);
                        self.refuse(ticket, TaskError::WorkerDied(Box::new(death)));
                    } else {
                        parcel.keep(message.extra);
                        unbegun.push(Ready { ticket, parcel });
                    }
                }
                Remains::Running => {
                    running = true;
                    let mut death = death.clone();
                    death.task = self.running_task(&ticket);
                    let again = match fault {
                        Some(fault) => Err(fault_error(fault)),
                        None => self.run_again(core, (index, nth), ticket, message.extra, death),
                    };
                    match again {
                        Ok(ready) => unbegun.push(ready),
                        Err(error) => self.refuse(ticket, error),
                    }
                }
                Remains::Fault(found) => {
                    self.refuse(ticket, fault_error(fault.unwrap_or(&found)));
                }
            }
        }
        for item in unbegun.into_iter().rev() {
            self.pending.push_front(item);
        }
        running
    }

    /// Takes back what was sent ahead to a process that will not come: a lane takes messages
    /// before its worker is there.
    pub(super) fn take_back(&mut self, core: &Core, index: usize) {
        self.seats[index].allowance = core.options.lifecycle.allowance();
        if self.seats[index].in_flight.is_empty() {
            return self.seats[index].link.sever();
        }
        for nth in (0..self.seats[index].in_flight.len()).rev() {
            let remains = self.seats[index].link.remains(nth, &core.control, index);
            let Some(sent) = self.seats[index].in_flight.pop_back() else {
                break;
            };
            let ticket = sent.ticket;
            match remains {
                Remains::Unbegun(mut parcel) if self.is_intact(&ticket, &parcel) => {
                    parcel.keep(sent.extra);
                    self.pending.push_front(Ready { ticket, parcel });
                }
                Remains::Unbegun(_) | Remains::Running | Remains::Fault(_) => {
                    self.refuse(ticket, TaskError::Fault(OVERWRITTEN.into()));
                }
            }
        }
        self.seats[index].link.reset();
    }

    /// With no worker left and none to come, pending tasks get the reason.
    pub(super) fn give_up_if_hopeless(&mut self) {
        if let Some(error) = self.hopeless() {
            for ready in std::mem::take(&mut self.pending) {
                self.refuse(ready.ticket, error.clone());
            }
        }
    }

    /// The count of processes awake is a hint that a death leaves wrong: count anew.
    fn recount_awake(&self, core: &Core) {
        let awake = self
            .seats
            .iter()
            .filter(|seat| seat.is_occupied())
            .filter(|seat| {
                let vitals = &core.control.page(seat.index).vitals;
                vitals.parked.load(Ordering::Relaxed) == 0
            })
            .count();
        let supervisor = u32::from(!self.leader_sleeps);
        let awake = u32::try_from(awake).unwrap_or(u32::MAX - 1) + supervisor;
        core.control
            .header()
            .awake
            .0
            .store(awake, Ordering::Relaxed);
    }
}

/// Whether a message can be what kills before it is begun: only one that comes in several packets
/// is put together by then, and may be too large to be. Whoever was next in line otherwise is
/// innocent, however many workers died before they came to it.
fn kills_unbegun(parcel: &Parcel) -> bool {
    let frame = parcel.extra.as_ref().map_or(0, |extra| extra.frame.len());
    frame > PACKET_BYTES
}

/// How many workers may die with the same message next in line, before it is held to be why.
const MOST_DEATHS: u8 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_comes_in_several_packets_kills_unbegun() {
        let framed = |bytes: usize| {
            let mut parcel = Parcel::default();
            parcel.extra_mut().frame = vec![0; bytes];
            parcel
        };
        assert!(!kills_unbegun(&Parcel::default()));
        assert!(!kills_unbegun(&framed(PACKET_BYTES)));
        assert!(kills_unbegun(&framed(PACKET_BYTES + 1)));
    }
}
