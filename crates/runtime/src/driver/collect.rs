//! Taking results.

use std::sync::atomic::Ordering;

use forkyard_os::process::{Signal, kill};
use forkyard_shm::arena::Descriptor;
use forkyard_shm::lane::{Message, Where};
use forkyard_shm::layout::Phase;

use super::link::Arrived;
use super::{Core, Driver, Link, Received, Reply, SeatPhase};
use crate::error::TaskError;
use crate::parcel::{Body, HEADER_BYTES};
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
        while !self.seats[index].in_flight.is_empty() {
            let seat = &mut self.seats[index];
            match seat.link.take(&core.control, index) {
                Arrived::Nothing => break,
                Arrived::Result(message, body) => {
                    let outcome = Self::receive(core, message, body);
                    let fault = match &outcome {
                        Err(TaskError::Fault(fault)) => Some(fault.to_string()),
                        _ => None,
                    };
                    self.settle(index, outcome);
                    taken += 1;
                    if let Some(fault) = fault {
                        self.condemn(index, fault);
                    }
                }
                Arrived::Fault(fault) => {
                    self.condemn(index, fault);
                    break;
                }
            }
        }
        if taken > 0 {
            self.finished += taken as u64;
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
        taken
    }

    /// Makes a received message ours: what it has in blocks, and the blocks that it speaks
    /// of, are resolved while the sender still holds them.
    fn receive(core: &Core, message: Message, body: Body) -> Result<Received, TaskError> {
        let fault = |fault: &dyn std::fmt::Display| TaskError::Fault(fault.to_string().into());
        let resolve = |bytes: &[u8]| {
            let descriptor: Descriptor = bytemuck::pod_read_unaligned(bytes);
            core.arena
                .resolve(&descriptor)
                .map_err(|error| fault(&error))
        };
        let body = match (message.place().map_err(|error| fault(&error))?, body) {
            (Where::Block, Body::Inline(bytes)) => {
                Body::Block(resolve(&bytes.bytes()[..DESCRIPTOR_BYTES])?)
            }
            (_, body) => body,
        };
        let mut received = Received {
            message,
            body,
            attached: Box::default(),
        };
        if message.round > 0 {
            let (_, announced) = received.parts().ok_or_else(|| fault(&"a result is torn"))?;
            received.attached = announced
                .chunks_exact(DESCRIPTOR_BYTES)
                .map(resolve)
                .collect::<Result<_, _>>()?;
        }
        Ok(received)
    }

    /// The oldest message of a seat has come to its end.
    pub(super) fn settle(&mut self, index: usize, outcome: Result<Received, TaskError>) {
        if let Some(done) = self.seats[index].in_flight.pop_front() {
            self.reply(
                done.ticket.batch,
                Reply {
                    first: done.ticket.first,
                    items: done.ticket.items,
                    worker: index,
                    outcome,
                },
            );
        }
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

impl Received {
    /// The payload, and the descriptors behind it.
    pub(crate) fn parts(&self) -> Option<(&[u8], &[u8])> {
        let bytes = match &self.body {
            Body::Inline(bytes) => bytes.bytes().get(..self.message.len as usize)?,
            Body::Block(block) => block.as_slice(),
            Body::Frame(frame) => frame.get(HEADER_BYTES..)?,
        };
        let announced = (self.message.round as usize).checked_mul(DESCRIPTOR_BYTES)?;
        bytes.split_at_checked(bytes.len().checked_sub(announced)?)
    }
}
