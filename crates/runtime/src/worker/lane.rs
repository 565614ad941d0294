//! Serving the shared path.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use forkyard_shm::arena::Descriptor;
use forkyard_shm::lane::state::{Finished, Sleep};
use forkyard_shm::lane::{INLINE_BYTES, Message, Where, WorkerLane};
use forkyard_shm::layout::WorkerPage;
use forkyard_shm::{Park, SpinBudget, step};

use super::ledger::Ledger;
use super::{MOST_SPIN_TURNS, header};
use crate::Transport;
use crate::arena::{Block, RawArena, Unpacking};
use crate::context::Context;
use crate::job::{ItemError, STATUS_ERROR};
use crate::packing::Packing;
use crate::parcel::{Body, Parcel};
use crate::sink::Sink;
use crate::start::OsPark;

/// Blocks kept for results until the supervisor has taken them, oldest first.
type Kept = VecDeque<(u64, Box<[Block]>)>;

/// Takes tasks until the pill, or until the pool is aborted.
pub(super) fn serve(
    mut lane: WorkerLane,
    page: &'static WorkerPage,
    context: &'static Context,
    arena: &Arc<RawArena>,
    ledger: &mut Ledger,
) {
    let header = header(context);
    let cores = u32::try_from(forkyard_os::cpus::available().get()).unwrap_or(u32::MAX);
    let mut spin = SpinBudget::new(cores, MOST_SPIN_TURNS);
    let mut sink = Sink::new(Transport::Shared, Arc::clone(arena)).announcing();
    let mut kept = Kept::new();
    let _unpacking = Unpacking::from(arena);
    let _packing = Packing::begin(arena);
    loop {
        wait(&lane, page, &header.awake.0, &mut spin);
        let Some((message, payload)) = lane.start() else {
            continue;
        };
        if message.entry == 0 || header.stop.0.is_raised_for_ever() {
            ledger.close();
            return;
        }
        let input = Input::take(&message, payload, arena);
        ledger.laps.wait();
        ledger.begin();
        release(&mut kept, page);
        let (reply, bytes_in, bytes_out) = answer(message, &input, &mut sink, ledger, context);
        let Body::Inline(inline) = reply.body else {
            unreachable!("the shared path's parcels are in place")
        };
        inline.write_to(lane.payload());
        let position = lane.finished();
        let finished = lane.finish(reply.message);
        if finished == Finished::Ring {
            header.doorbell.0.ring(&OsPark);
        }
        if !reply.attached.is_empty() {
            kept.push_back((position, reply.attached));
        }
        ledger.laps.send();
        ledger.end(message.items, bytes_in, bytes_out);
    }
}

/// A message's payload, out of the way of its result.
enum Input {
    Inline([u8; INLINE_BYTES], usize),
    Block(Block),
    Bad(String),
}

impl Input {
    #[inline]
    fn take(message: &Message, payload: &[u8; INLINE_BYTES], arena: &Arc<RawArena>) -> Self {
        let len = (message.len as usize).min(INLINE_BYTES);
        if message.place() == Ok(Where::Inline) {
            let mut bytes = [0; INLINE_BYTES];
            if len <= 32 {
                bytes[..32].copy_from_slice(&payload[..32]);
            } else {
                bytes = *payload;
            }
            return Self::Inline(bytes, len);
        }
        let descriptor: Descriptor =
            bytemuck::pod_read_unaligned(&payload[..size_of::<Descriptor>()]);
        match arena.resolve(&descriptor) {
            Ok(block) => Self::Block(block),
            Err(fault) => Self::Bad(fault.to_string()),
        }
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Inline(bytes, len) => &bytes[..*len],
            Self::Block(block) => block.as_slice(),
            Self::Bad(_) => &[],
        }
    }
}

/// Runs a message and packs its reply; says how many bytes came and go.
#[inline]
fn answer(
    message: Message,
    input: &Input,
    sink: &mut Sink,
    ledger: &mut Ledger,
    context: &'static Context,
) -> (Parcel, usize, usize) {
    let bytes_in = input.bytes().len();
    let status = match input {
        Input::Bad(why) => {
            let _ = sink.put(&ItemError::Decode(why.clone()));
            STATUS_ERROR
        }
        good => super::run_job(message, good.bytes(), sink, ledger, context),
    };
    let bytes_out = sink.len();
    let reply = Message {
        items: message.items,
        status,
        ..Message::default()
    };
    let parcel = match sink.take(reply) {
        Ok(parcel) => parcel,
        Err(error) => super::cannot_pack(error, sink, message.items),
    };
    ledger.laps.encode();
    (parcel, bytes_in, bytes_out)
}

/// Spins for a while, then sleeps, until a task is there.
#[inline]
fn wait(lane: &WorkerLane, page: &WorkerPage, awake: &AtomicU32, spin: &mut SpinBudget) {
    if lane.looks_ready() || spin.spin(awake, || lane.looks_ready()) {
        return;
    }
    sleep(lane, page, awake);
}

#[cold]
fn sleep(lane: &WorkerLane, page: &WorkerPage, awake: &AtomicU32) {
    step();
    page.vitals.parked.store(1, Ordering::Relaxed);
    step();
    awake.fetch_sub(1, Ordering::Relaxed);
    while let Sleep::Park(seen) = lane.sleep() {
        OsPark.park(lane.word(), seen, None);
    }
    step();
    awake.fetch_add(1, Ordering::Relaxed);
    step();
    page.vitals.parked.store(0, Ordering::Relaxed);
}

/// Lets go of what results spoke of that the supervisor has taken.
#[inline]
fn release(kept: &mut Kept, page: &WorkerPage) {
    if kept.is_empty() {
        return;
    }
    // Acquire pairs with the Release of `taken` in the supervisor's `take_all`: it holds
    // what it resolved by then.
    let taken = page.orders.taken.load(Ordering::Acquire);
    while kept.front().is_some_and(|(position, _)| *position < taken) {
        kept.pop_front();
    }
}
