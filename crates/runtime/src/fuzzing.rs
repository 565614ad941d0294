//! Entries for the fuzz targets: what is read of a peer behind the public interface. No part of
//! that interface; it changes as the inside does.

use std::sync::Arc;

use forkyard_os::clock::ticks;
use forkyard_os::control::MESSAGE_BYTES;
use forkyard_shm::arena::Arena as RawArena;
use forkyard_shm::lane::{INLINE_BYTES, Inline, Message};
use forkyard_shm::look::Onlooker;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Transport;
use crate::context::context;
use crate::driver::Reply;
use crate::job::{Job, Laps, STATUS_VALUE, execute};
use crate::parcel::{self, Parcel};
use crate::reply::Decoder;
use crate::sink::Sink;
use crate::start::ZygoteMessage;
use crate::stats::{Clock, of_onlooker};

/// Decodes the results of a slot, whose message was validated; how many items were told of one.
///
/// # Panics
/// When items are told of out of order.
pub fn reply_of_slot<Out: DeserializeOwned>(
    message: Message,
    slot: &[u8; INLINE_BYTES],
    items: u32,
) -> Option<u64> {
    let payload = Inline::new(slot, message.len as usize);
    let parcel = Parcel {
        message,
        payload,
        ..Parcel::default()
    };
    Some(decode::<Out>(parcel, items))
}

/// Decodes the results of a frame; `None` when it has no header.
///
/// # Panics
/// When items are told of out of order.
pub fn reply_of_frame<Out: DeserializeOwned>(frame: &[u8], items: u32) -> Option<u64> {
    let (message, _) = parcel::from_bytes(frame)?;
    let mut parcel = Parcel {
        message,
        ..Parcel::default()
    };
    parcel.extra_mut().frame = frame.to_vec();
    Some(decode::<Out>(parcel, items))
}

fn decode<Out: DeserializeOwned>(parcel: Parcel, items: u32) -> u64 {
    let mut told = 0;
    let mut reply = Reply {
        items,
        parcel,
        ..Reply::default()
    };
    Decoder::of(&mut reply).decode::<Out>(|index, _| {
        assert_eq!(index, told, "items come in their order");
        told += 1;
    });
    told
}

/// Runs a message's items as a worker does, each giving back its argument; the status of the
/// result, and its bytes.
pub fn run_chunk<Item: Serialize + DeserializeOwned>(
    input: &[u8],
    items: u32,
    round: u32,
    arena: &Arc<RawArena>,
) -> (u16, usize) {
    let mut sink = Sink::new(Transport::Copy, Arc::clone(arena));
    let mut laps = Laps {
        mark: ticks(),
        ..Laps::default()
    };
    let mut job = Job {
        input,
        items,
        round,
        mode: 0,
        out: &mut sink,
        status: STATUS_VALUE,
        laps: &mut laps,
        context: context(),
    };
    execute::<Item, Item>(&mut job, |_, item| Ok(item));
    let status = job.status;
    (status, sink.len())
}

/// Puts together what an onlooker sees and shows it; how long the text is.
pub fn picture(onlooker: &Onlooker) -> usize {
    let Some(clock) = Clock::of(onlooker.identity()) else {
        return 0;
    };
    let stats = of_onlooker("/fy-1-1-000000000", onlooker, &clock);
    let later = of_onlooker("/fy-1-1-000000000", onlooker, &clock);
    let rates = later.workers.iter().map(|worker| worker.rate_since(&stats));
    assert!(rates.chain([later.rate_since(&stats)]).all(f64::is_finite));
    let widths = [20, 60, 80, 100, 160];
    widths.map(|width| later.table(width).len()).iter().sum()
}

/// Reads what a supervisor or a zygote may have said, and says it again.
///
/// # Panics
/// When that is something else.
pub fn zygote_message(bytes: &[u8; MESSAGE_BYTES]) {
    if let Some(message) = ZygoteMessage::decode(bytes) {
        assert_eq!(ZygoteMessage::decode(&message.encode()), Some(message));
    }
}
