//! Taking results.

use std::sync::atomic::Ordering;
use std::time::Instant;

use forkyard_shm::arena::Descriptor;
use forkyard_shm::lane::Where;
use forkyard_shm::layout::Phase;

use super::link::Arrived;
use super::{Core, Driver, Link, Reply, Seat, SeatPhase};
use crate::arena::accept;
use crate::bulk::{Bulk, Place};
use crate::error::TaskError;
use crate::life::Event;
use crate::parcel::Parcel;
use crate::sink::DESCRIPTOR_BYTES;
use crate::trace;

/// Why no more results of a batch are taken from a worker.
pub(super) enum Stop {
    /// Its next message is of another batch, or it has none.
    BatchEnds,
    /// The next result is not there yet.
    NothingMore,
    /// The worker wrote what it must not.
    Fault(String),
}

impl Driver {
    /// Takes everything that has come. Returns how many results.
    pub(crate) fn poll(&mut self, core: &Core) -> usize {
        (0..self.seats.len())
            .map(|seat| {
                self.notice_ready(core, seat);
                self.seats[seat].link.pump(&core.control, seat);
                if let Some(fault) = self.seats[seat].link.fault() {
                    self.condemn(core, seat, fault);
                }
                let taken = self.take_all(core, seat);
                self.turn_over(core, seat);
                taken
            })
            .sum()
    }

    /// A worker that was starting and says that it is ready takes its seat.
    fn notice_ready(&mut self, core: &Core, index: usize) {
        let seat = &mut self.seats[index];
        let is_late = seat.start_timed_out || seat.fault.is_some();
        if seat.phase != SeatPhase::Starting || is_late {
            return;
        }
        let vitals = &core.control.page(index).vitals;
        if vitals.phase() != Phase::Ready
            || vitals.generation.load(Ordering::Relaxed) != seat.generation
        {
            return;
        }
        if let Link::Pipe(pipe) = &mut seat.link
            && let Err(error) = pipe.accept()
        {
            self.condemn(core, index, error.to_string());
            return;
        }
        self.tell(core, Event::Ready(index));
        if self.seats[index].phase != SeatPhase::Up {
            return; // too late
        }
        trace::worker_ready(core, &self.seats[index]);
        if self.has_terms {
            core.look_by(self, Instant::now()); // what it was sent before begins now
        }
        let is_well = |seat: &Seat| {
            !matches!(
                seat.phase,
                SeatPhase::Vacant | SeatPhase::Resting | SeatPhase::Starting | SeatPhase::Gone
            )
        };
        if self.seats.iter().all(is_well) {
            self.start_failure = None; // all is well again
        }
    }

    /// Takes every result of one worker.
    pub(super) fn take_all(&mut self, core: &Core, index: usize) -> usize {
        let mut taken = 0;
        let mut fault = None;
        // Those of one batch after those of another; most of the time there is one.
        while let Some(oldest) = self.seats[index].in_flight.front() {
            let key = oldest.ticket.batch;
            let (count, stop) = if self.seats[index].careful {
                self.take_carefully(core, index)
            } else {
                self.take_of_batch(core, index, key)
            };
            taken += count;
            match stop {
                Stop::BatchEnds => {}
                Stop::NothingMore => break,
                Stop::Fault(what) => {
                    fault = Some(what);
                    break;
                }
            }
        }
        if taken > 0 {
            self.acknowledge(core, index, taken);
        }
        let seat = &mut self.seats[index];
        if seat.in_flight.is_empty() && std::mem::take(&mut seat.keeps) {
            // Nothing else would tell it before its next task that its results were taken.
            seat.link.nudge(&core.control, index);
        }
        if let Some(fault) = fault {
            self.condemn(core, index, fault);
        }
        taken
    }

    /// Takes results of one worker as long as they are of this batch. Returns how many, and why
    /// it stopped.
    fn take_of_batch(&mut self, core: &Core, index: usize, key: u32) -> (usize, Stop) {
        let traced = trace::tasks();
        let seat = &mut self.seats[index];
        let mut batch = self.batches.get_mut(key as usize);
        let mut replies = match &mut batch {
            Some(batch) if !batch.abandoned => Some(&mut batch.replies),
            _ => None,
        };
        let mut taken = 0;
        let stop = loop {
            let oldest = seat.in_flight.front().map(|oldest| oldest.ticket);
            let Some(ticket) = oldest.filter(|ticket| ticket.batch == key) else {
                break Stop::BatchEnds;
            };
            let reply = match &mut replies {
                Some(replies) => replies.add(),
                None => &mut self.scrap,
            };
            let fault = match seat.link.take(&mut reply.parcel, &core.control, index) {
                Arrived::Result => {
                    reply.first = ticket.first;
                    reply.items = ticket.items;
                    reply.worker = index as u32;
                    seat.in_flight.pop_front();
                    taken += 1;
                    if traced {
                        trace::taken(core, seat, &ticket);
                    }
                    let is_more = reply.parcel.is_more_than_bytes();
                    let sound = !is_more || receive(core, &mut reply.parcel);
                    seat.keeps |= is_more && reply.parcel.is_kept_by_its_worker();
                    !sound
                }
                Arrived::Nothing => {
                    undo(replies.as_deref_mut());
                    break Stop::NothingMore;
                }
                Arrived::Fault(what) => {
                    undo(replies.as_deref_mut());
                    break Stop::Fault(what);
                }
            };
            let fault = fault.then(|| reply.parcel.fault()).flatten();
            if replies.is_none() {
                self.scrap.empty();
            }
            if let Some(what) = fault {
                break Stop::Fault(what);
            }
        };
        self.count_replies(key, taken);
        (taken, stop)
    }

    /// Tells a worker how many of its results were taken.
    fn acknowledge(&mut self, core: &Core, index: usize, taken: usize) {
        self.finished += taken as u64;
        // Also what is no reply makes room: a leader that was about to sleep looks again.
        self.arrived += taken as u64;
        let seat = &mut self.seats[index];
        seat.taken += taken as u64;
        seat.blocked = false;
        forkyard_shm::step();
        // Release: pairs with the worker's Acquire before it lets go of what it kept for
        // these results; what we resolved from them is ours by now.
        core.control
            .page(index)
            .orders
            .taken
            .store(seat.taken, Ordering::Release);
    }

    /// A worker wrote what it must not: it is killed, and its task in hand gets the reason.
    pub(super) fn condemn(&mut self, core: &Core, index: usize, fault: String) {
        let seat = &mut self.seats[index];
        if seat.fault.is_none() {
            trace::condemned(core, seat, &fault);
            seat.fault = Some(fault);
            self.doom(core, index);
        }
    }
}

fn undo(replies: Option<&mut Bulk<Reply>>) {
    if let Some(replies) = replies {
        replies.undo();
    }
}

/// Makes a received message ours: what it has in blocks, and the blocks that it speaks of or
/// moves, while the sender still keeps them. Otherwise it says why not, and `false`.
#[cold]
pub(super) fn receive(core: &Core, parcel: &mut Parcel) -> bool {
    match resolve_all(core, parcel) {
        Ok(()) => true,
        Err(fault) => {
            parcel.extra_mut().error = Some(TaskError::Fault(fault.into()));
            false
        }
    }
}

fn resolve_all(core: &Core, parcel: &mut Parcel) -> Result<(), String> {
    let place = parcel.message.place().map_err(|fault| fault.to_string())?;
    if place == Where::Block {
        let bytes = &parcel.payload.bytes()[..DESCRIPTOR_BYTES];
        let descriptor: Descriptor = bytemuck::pod_read_unaligned(bytes);
        let block = core.arena.resolve(&descriptor);
        parcel.extra_mut().block = Some(block.map_err(|fault| fault.to_string())?);
    }
    let (_, announced) = parcel.parts().ok_or("a result is torn")?;
    let held = announced
        .chunks_exact(DESCRIPTOR_BYTES)
        .map(|bytes| {
            let announced = bytemuck::pod_read_unaligned(bytes);
            accept(&core.arena, announced).map_err(|fault| fault.to_string())
        })
        .collect::<Result<Vec<_>, _>>()?;
    if !held.is_empty() {
        parcel.extra_mut().held = held;
    }
    Ok(())
}
