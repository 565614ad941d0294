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
use crate::calls::return_lent;
use crate::context::Context;
use crate::job::{Laps, STATUS_SKIPPED};
use crate::packing::Packing;
use crate::parcel::{self, Extra, Parcel};
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
        let told = message.entry == 0 && !parcel::is_nudge(message);
        if told || header.stop.0.is_raised_for_ever() {
            ledger.close();
            return Ended::Told;
        }
        // Acquire pairs with the Release of `taken` in the supervisor's `take_all`.
        let taken = page.orders.taken.load(Ordering::Acquire);
        while kept.front().is_some_and(|(at, _)| *at < taken) {
            kept.pop_front();
        }
        if parcel::is_nudge(message) {
            return_lent();
            arena.unmap_retired();
            end.recycle(frame);
            continue;
        }
        let run = ledger.begin_unless_skipped(message.entry);
        let status = if run {
            super::run_job(message, input, &mut sink, ledger, context)
        } else {
            STATUS_SKIPPED
        };
        let (bytes_in, bytes_out) = (input.len(), sink.len());
        let items = if run { message.items } else { 0 };
        let reply = Message {
            items: message.items,
            status,
            ..Message::default()
        };
        let mut parcel = Parcel::default();
        if let Err(error) = sink.take(reply, &mut parcel) {
            super::cannot_pack(error, &mut sink, message.items, &mut parcel);
        }
        ledger.laps.encode();
        let Extra {
            frame: reply_frame,
            attached,
            ..
        } = *parcel.extra.unwrap_or_default();
        if !attached.is_empty() {
            kept.push_back((position, attached));
        }
        position += 1;
        end.recycle(frame);
        let mut outgoing = Outgoing::new(reply_frame);
        let sent = end.send(&mut outgoing, || {
            if page.pipes.sent.bump() {
                header.doorbell.0.ring(&OsPark);
            }
        });
        sink.reuse(outgoing.into_buffer());
        ledger.laps.send();
        ledger.end(items, bytes_in, bytes_out);
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
            let cost = cost.wrapping_add(window_cost(bytes) as u64);
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
