//! Serving the shared path.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use forkyard_shm::arena::Descriptor;
use forkyard_shm::lane::state::{Finished, Sleep};
use forkyard_shm::lane::{INLINE_BYTES, Message, Where, WorkerLane};
use forkyard_shm::layout::{Header, WorkerPage};
use forkyard_shm::{Park, SpinBudget, step};

use super::ledger::Ledger;
use super::{MOST_SPIN_TURNS, header};
use crate::Transport;
use crate::arena::{Block, RawArena, Unpacking};
use crate::calls::return_lent;
use crate::context::Context;
use crate::job::{ItemError, STATUS_ERROR};
use crate::packing::{Attachments, Packing};
use crate::parcel::Parcel;
use crate::sink::{Sink, when_short};
use crate::start::OsPark;

/// Blocks kept for results until the supervisor has taken them, oldest first.
type Kept = VecDeque<(u64, Attachments)>;

/// Takes tasks until the pill, or until the pool is aborted.
pub(super) fn serve(
    mut lane: WorkerLane,
    page: &'static WorkerPage,
    context: &'static Context,
    arena: &Arc<RawArena>,
    ledger: &mut Ledger,
) {
    let header = header(context);
    let mut spin = SpinBudget::new(context.received.cores(), MOST_SPIN_TURNS);
    let kept = Rc::new(RefCell::new(Kept::new()));
    let mut sink = Sink::new(Transport::Shared, Arc::clone(arena)).announcing();
    let ours = Rc::clone(&kept);
    when_short(move || {
        header.doorbell.0.ring(&OsPark);
        release(&mut ours.borrow_mut(), page);
        !header.stop.0.is_raised_for_ever()
    });
    let _unpacking = Unpacking::from(arena);
    let _packing = Packing::begin(arena);
    // Whether the time since the last lap belongs to a message that was handed over.
    let mut has_sent = false;
    loop {
        // With the next task there already, one look at the clock ends the old and begins it.
        if !lane.looks_ready() {
            if std::mem::take(&mut has_sent) {
                ledger.laps.send();
            }
            wait(&mut lane, page, header, &mut spin, || {
                release(&mut kept.borrow_mut(), page);
                return_lent();
                arena.unmap_retired();
            });
        }
        let Some(message) = lane.start() else {
            continue;
        };
        if std::mem::take(&mut has_sent) {
            ledger.laps.send();
        } else {
            ledger.laps.wait();
        }
        if message.entry == 0 || header.stop.0.is_raised_for_ever() {
            ledger.close();
            return;
        }
        ledger.begin(message.entry);
        release(&mut kept.borrow_mut(), page);
        let position = lane.finished();
        let keep = |attached| kept.borrow_mut().push_back((position, attached));
        let done = work(message, &mut lane, &mut sink, ledger, context, arena, keep);
        if lane.finish(done.reply) == Finished::Ring {
            header.doorbell.0.ring(&OsPark);
        }
        has_sent = true;
        ledger.end(message.items, done.bytes_in, done.bytes_out);
    }
}

/// What is left to do of a message whose result is in its slot.
struct Done {
    reply: Message,
    bytes_in: usize,
    bytes_out: usize,
}

/// Runs a message and packs its reply into its slot. What the reply speaks of is given to `keep`.
#[inline]
fn work(
    message: Message,
    lane: &mut WorkerLane,
    sink: &mut Sink,
    ledger: &mut Ledger,
    context: &'static Context,
    arena: &Arc<RawArena>,
    keep: impl FnOnce(Attachments),
) -> Done {
    let (payload, result) = lane.payloads();
    let input = Input::of(&message, payload, arena);
    let bytes_in = input.bytes().len();
    let status = match &input {
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
    let reply = match sink.take_inline(reply, result) {
        Some(reply) => reply,
        None => {
            let packed = pack(sink, reply, result, keep);
            ledger.laps.encode();
            packed
        }
    };
    Done {
        reply,
        bytes_in,
        bytes_out,
    }
}

/// A reply that is too long for its slot, or speaks of blocks.
#[cold]
fn pack(
    sink: &mut Sink,
    reply: Message,
    result: &mut [u8; INLINE_BYTES],
    keep: impl FnOnce(Attachments),
) -> Message {
    let mut parcel = Parcel::default();
    if let Err(error) = sink.take(reply, &mut parcel) {
        super::cannot_pack(error, sink, reply.items, &mut parcel);
    }
    parcel.payload.write_to(result);
    if let Some(extra) = parcel.extra.take()
        && !extra.attached.is_empty()
    {
        keep(extra.attached);
    }
    parcel.message
}

/// A message's payload, where it is.
enum Input<'a> {
    Inline(&'a [u8]),
    Block(Block),
    Bad(String),
}

impl<'a> Input<'a> {
    #[inline]
    fn of(message: &Message, payload: &'a [u8; INLINE_BYTES], arena: &Arc<RawArena>) -> Self {
        let len = (message.len as usize).min(INLINE_BYTES);
        if message.place() == Ok(Where::Inline) {
            return Self::Inline(&payload[..len]);
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
            Self::Inline(bytes) => bytes,
            Self::Block(block) => block.as_slice(),
            Self::Bad(_) => &[],
        }
    }
}

/// Spins for a while, then sleeps, until a task is there. Before each sleep it lets go of what
/// it keeps for nobody: with nothing to do here, others may wait for just that.
#[inline]
fn wait(
    lane: &mut WorkerLane,
    page: &WorkerPage,
    header: &Header,
    spin: &mut SpinBudget,
    let_go: impl FnMut(),
) {
    if !spin.spin(&header.awake.0, || lane.looks_ready()) {
        sleep(lane, page, header, let_go);
    }
}

#[cold]
fn sleep(lane: &mut WorkerLane, page: &WorkerPage, header: &Header, mut let_go: impl FnMut()) {
    let awake = &header.awake.0;
    step();
    page.vitals.parked.store(1, Ordering::Relaxed);
    step();
    awake.fetch_sub(1, Ordering::Relaxed);
    while let Sleep::Park(seen) = lane.sleep() {
        let_go();
        if lane.is_awaited() {
            header.doorbell.0.ring(&OsPark);
        }
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
