//! Serving the copy path.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use forkyard_shm::lane::Message;
use forkyard_shm::layout::{Header, WorkerPage};
use forkyard_wire::link::WorkerEnd;
use forkyard_wire::packets::{Outgoing, window_cost};

use super::ledger::Ledger;
use super::{Ended, header};
use crate::Transport;
use crate::arena::{RawArena, Unpacking};
use crate::context::Context;
use crate::job::Laps;
use crate::packing::Packing;
use crate::parcel::{self, Body};
use crate::sink::Sink;
use crate::start::OsPark;

/// Takes tasks until the pill, or until the supervisor lets go of the pipe.
pub(super) fn serve(
    mut end: WorkerEnd,
    page: &'static WorkerPage,
    context: &'static Context,
    arena: &Arc<RawArena>,
    ledger: &mut Ledger,
) -> Ended {
    let header = header(context);
    let mut sink = Sink::new(Transport::Copy, Arc::clone(arena)).announcing();
    let _unpacking = Unpacking::from(arena);
    let _packing = Packing::begin(arena);
    // Blocks that results spoke of, until the supervisor has taken them.
    let mut kept = std::collections::VecDeque::new();
    let mut position = 0u64;
    loop {
        let Some(frame) = receive(&mut end, page, header, &mut ledger.laps) else {
            ledger.close();
            return Ended::LineClosed;
        };
        let Some((message, input)) = parcel::from_bytes(&frame) else {
            return Ended::Told;
        };
        if message.entry == 0 || header.stop.0.is_raised_for_ever() {
            ledger.close();
            return Ended::Told;
        }
        ledger.begin();
        // Acquire pairs with the Release of `taken` in the supervisor's `take_all`.
        let taken = page.orders.taken.load(Ordering::Acquire);
        while kept.front().is_some_and(|(at, _)| *at < taken) {
            kept.pop_front();
        }
        let status = super::run_job(message, input, &mut sink, ledger, context);
        let (bytes_in, bytes_out) = (input.len(), sink.len());
        let reply = Message {
            items: message.items,
            status,
            ..Message::default()
        };
        let parcel = match sink.take(reply) {
            Ok(parcel) => parcel,
            Err(error) => super::cannot_pack(error, &mut sink, message.items),
        };
        ledger.laps.encode();
        if !parcel.attached.is_empty() {
            kept.push_back((position, parcel.attached));
        }
        position += 1;
        end.recycle(frame);
        let Body::Frame(frame) = parcel.body else {
            unreachable!("the copy path's parcels are frames")
        };
        let mut outgoing = Outgoing::new(frame);
        let sent = end.send(&mut outgoing, || {
            if page.pipes.sent.bump() {
                header.doorbell.0.ring(&OsPark);
            }
        });
        sink.reuse(outgoing.into_buffer());
        ledger.laps.send();
        ledger.end(message.items, bytes_in, bytes_out);
        if sent.is_err() {
            return Ended::LineClosed;
        }
    }
}

/// Receives the next message: waiting ends with its first packet, the rest is decoding.
fn receive(
    end: &mut WorkerEnd,
    page: &WorkerPage,
    header: &Header,
    laps: &mut Laps,
) -> Option<Vec<u8>> {
    let mut first = true;
    let frame = end
        .recv(|bytes| {
            if first {
                laps.wait();
                first = false;
            }
            let cost = page.pipes.received_cost.load(Ordering::Relaxed);
            let cost = cost + window_cost(bytes) as u64;
            forkyard_shm::step();
            page.pipes.received_cost.store(cost, Ordering::Relaxed);
            if page.pipes.received.bump() {
                header.doorbell.0.ring(&OsPark);
            }
        })
        .ok()?;
    laps.decode();
    Some(frame)
}
