//! What is inside of messages: chunks of arguments, chunks of results, and the zygote's orders.

use std::sync::Arc;

use arbitrary::{Arbitrary, Unstructured};
use forkyard::fuzzing;
use forkyard_shm::OwnerIndex;
use forkyard_shm::lane::{INLINE_BYTES, Message};

use super::machine::Machine;

#[derive(Debug, Arbitrary)]
struct Reply {
    items: u8,
    round: u32,
    status: u16,
    place: u16,
    len: u32,
    in_slot: bool,
    payload: Vec<u8>,
}

/// Results, as the supervisor takes them out of a slot or a frame.
pub(super) fn replies(bytes: &[u8]) {
    let Ok(reply) = Unstructured::new(bytes).arbitrary::<Reply>() else {
        return;
    };
    let items = 1 + u32::from(reply.items);
    let message = Message {
        items,
        round: reply.round % 8,
        status: reply.status % 3,
        place: reply.place % 3,
        len: reply.len % 128,
        ..Message::default()
    };
    let told = if reply.in_slot {
        let mut slot = [0; INLINE_BYTES];
        let len = reply.payload.len().min(INLINE_BYTES);
        slot[..len].copy_from_slice(&reply.payload[..len]);
        // As `SupervisorLane::take` does before it hands a message on.
        let Ok(message) = message.validated() else {
            return;
        };
        fuzzing::reply_of_slot::<Vec<String>>(message, &slot, items)
    } else {
        fuzzing::reply_of_frame::<Vec<String>>(&reply.payload, items)
    };
    if let Some(told) = told {
        assert_eq!(
            told,
            u64::from(items),
            "each item is told what became of it"
        );
    }
}

#[derive(Debug, Arbitrary)]
struct Chunk {
    items: u32,
    round: u32,
    payload: Vec<u8>,
}

/// Arguments, as a worker takes them apart.
pub(super) fn chunks(bytes: &[u8]) {
    let Ok(chunk) = Unstructured::new(bytes).arbitrary::<Chunk>() else {
        return;
    };
    let machine = Machine::new();
    let arena = Arc::new(machine.attach(OwnerIndex::new(1)));
    for items in [chunk.items % 6, chunk.items] {
        let (status, result_bytes) =
            fuzzing::run_chunk::<(u8, String)>(&chunk.payload, items, chunk.round, &arena);
        assert!(status <= 1 && (items == 0 || result_bytes > 0));
    }
}

/// Messages between a supervisor and its zygote.
pub(super) fn zygote(bytes: &[u8]) {
    let mut input = Unstructured::new(bytes);
    while !input.is_empty() {
        let Ok(message) = input.arbitrary() else {
            return;
        };
        fuzzing::zygote_message(&message);
    }
}
