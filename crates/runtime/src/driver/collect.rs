//! Taking results.

use std::sync::atomic::Ordering;

use forkyard_os::process::{Signal, kill};
use forkyard_shm::arena::Descriptor;
use forkyard_shm::lane::Where;
use forkyard_shm::layout::Phase;

use super::link::Arrived;
use super::{Core, Driver, Link, SeatPhase};
use crate::bulk::{Bulk, Place};
use crate::error::TaskError;
use crate::parcel::Parcel;
use crate::sink::DESCRIPTOR_BYTES;

impl Driver {
    /// Takes everything that has come. Returns how many results.
    pub(crate) fn poll(&mut self, core: &Core) -> usize {
        (0..self.seats.len())
            .map(|seat| {
                self.notice_ready(core, seat);
                self.seats[seat].link.pump(&core.control, seat);
                if let Some(fault) = self.seats[seat].link.fault() {
                    self.condemn(seat, fault);
                }
                self.take_all(core, seat)
            })
            .sum()
    }

    /// A worker that was starting and says that it is ready takes its seat.
    fn notice_ready(&mut self, core: &Core, index: usize) {
        let seat = &mut self.seats[index];
        if !matches!(seat.phase, SeatPhase::Starting { .. }) || seat.fault.is_some() {
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
            self.condemn(index, error.to_string());
            return;
        }
        let seat = &mut self.seats[index];
        seat.phase = SeatPhase::Up;
        self.failed_starts = 0;
        if self.seats.iter().all(|seat| seat.phase == SeatPhase::Up) {
            self.start_failure = None; // all is well again
        }
    }

    /// Takes every result of one worker.
    pub(super) fn take_all(&mut self, core: &Core, index: usize) -> usize {
        let mut taken = 0;
        let mut fault = None;
        while fault.is_none() {
            let seat = &mut self.seats[index];
            let Some(oldest) = seat.in_flight.front() else {
                break;
            };
            let ticket = oldest.ticket;
            let wanted = self
                .batches
                .get_mut(ticket.batch as usize)
                .filter(|batch| !batch.abandoned);
            let mut replies = wanted.map(|batch| &mut batch.replies);
            let reply = match &mut replies {
                Some(replies) => replies.add(),
                None => &mut self.scrap,
            };
            match seat.link.take(&mut reply.parcel, &core.control, index) {
                Arrived::Result => {}
                Arrived::Nothing => {
                    replies.map(Bulk::undo);
                    break;
                }
                Arrived::Fault(what) => {
                    replies.map(Bulk::undo);
                    fault = Some(what);
                    break;
                }
            }
            reply.first = ticket.first;
            reply.items = ticket.items;
            reply.worker = index as u32;
            if reply.parcel.is_more_than_bytes()
                && let Err(error) = receive(core, &mut reply.parcel)
            {
                fault = match &error {
                    TaskError::Fault(fault) => Some(fault.to_string()),
                    _ => None,
                };
                reply.parcel.extra_mut().error = Some(error);
            }
            if replies.is_none() {
                self.scrap.empty();
            }
            seat.in_flight.pop_front();
            self.count_reply(ticket.batch);
            taken += 1;
        }
        if taken > 0 {
            self.acknowledge(core, index, taken);
        }
        if let Some(fault) = fault {
            self.condemn(index, fault);
        }
        taken
    }

    /// Tells a worker how many of its results were taken.
    fn acknowledge(&mut self, core: &Core, index: usize, taken: usize) {
        let seat = &mut self.seats[index];
        seat.taken += taken as u64;
        seat.fruitless = 0;
        // Release: pairs with the worker's Acquire before it lets go of what it kept for
        // these results; what we resolved from them is ours by now.
        core.control
            .page(index)
            .orders
            .taken
            .store(seat.taken, Ordering::Release);
    }

    /// A worker wrote what it must not: it is killed, and its task in hand gets the reason.
    pub(super) fn condemn(&mut self, index: usize, fault: String) {
        let seat = &mut self.seats[index];
        if seat.fault.is_none() {
            tracing::error!(worker = index, fault, "worker broke the protocol; killed");
            seat.fault = Some(fault);
            if let Some(pid) = seat.pid {
                let _ = kill(pid, Signal::Kill);
            }
        }
    }
}

/// Makes a received message ours: what it has in blocks, and the blocks that it speaks of, are
/// resolved while the sender still holds them.
#[cold]
fn receive(core: &Core, parcel: &mut Parcel) -> Result<(), TaskError> {
    let fault = |fault: &dyn std::fmt::Display| TaskError::Fault(fault.to_string().into());
    let resolve = |bytes: &[u8]| {
        let descriptor: Descriptor = bytemuck::pod_read_unaligned(bytes);
        core.arena
            .resolve(&descriptor)
            .map_err(|error| fault(&error))
    };
    if parcel.message.place().map_err(|error| fault(&error))? == Where::Block {
        let block = resolve(&parcel.payload.bytes()[..DESCRIPTOR_BYTES])?;
        parcel.extra_mut().block = Some(block);
    }
    let (_, announced) = parcel.parts().ok_or_else(|| fault(&"a result is torn"))?;
    let attached = announced
        .chunks_exact(DESCRIPTOR_BYTES)
        .map(resolve)
        .collect::<Result<Vec<_>, _>>()?;
    if !attached.is_empty() {
        parcel.extra_mut().attached = attached;
    }
    Ok(())
}
