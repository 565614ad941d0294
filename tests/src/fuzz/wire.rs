//! Bytes that come by the copy path, and names that come from anywhere.

use std::collections::BTreeMap;

use arbitrary::{Arbitrary, Unstructured};
use forkyard_os::segment::{MAX_CHILDREN, SegmentName};
use forkyard_wire::codec::{decode, decode_next, encode_to_vec, encoded_len};
use forkyard_wire::packets::{HEADER_BYTES, Incoming, Outgoing, PACKET_BYTES};
use serde::{Deserialize, Serialize};

const LIMIT_BYTES: u64 = 1 << 20;

#[derive(Debug, Arbitrary)]
enum Packet {
    /// Any bytes at all.
    Raw(Vec<u8>),
    /// A header that promises, and some of what it promised.
    First {
        total: u32,
        follow: u32,
    },
    /// So much payload.
    More {
        bytes: u32,
    },
    /// A message as it should be.
    Sound {
        bytes: u32,
    },
    Recycle,
}

/// Packets in any order, of any length.
pub(super) fn packets(bytes: &[u8]) {
    let mut input = Unstructured::new(bytes);
    let mut incoming = Incoming::new(LIMIT_BYTES);
    let at_most = |bytes: u32, most: usize| bytes as usize % (most + 1);
    while !input.is_empty() {
        let Ok(packet) = input.arbitrary() else {
            return;
        };
        match packet {
            Packet::Raw(bytes) => push(&mut incoming, &bytes),
            Packet::First { total, follow } => {
                let mut bytes = u64::from(total).to_le_bytes().to_vec();
                let room = PACKET_BYTES - HEADER_BYTES;
                let due = (total as usize).min(room);
                let len = if follow % 4 == 0 {
                    at_most(follow, room)
                } else {
                    due
                };
                bytes.resize(HEADER_BYTES + len, 1);
                push(&mut incoming, &bytes);
            }
            Packet::More { bytes } => push(&mut incoming, &vec![2; at_most(bytes, PACKET_BYTES)]),
            Packet::Sound { bytes } => sound(at_most(bytes, 3 * PACKET_BYTES)),
            Packet::Recycle => incoming.recycle(Vec::with_capacity(1000)),
        }
    }
}

fn push(incoming: &mut Incoming, packet: &[u8]) {
    match incoming.push(packet) {
        Ok(Some(message)) => {
            assert!(message.len() as u64 <= LIMIT_BYTES && !incoming.is_midway());
        }
        Ok(None) => assert!(incoming.is_midway()),
        Err(error) => assert!(!error.to_string().is_empty() && !incoming.is_midway()),
    }
}

/// What is cut comes together again.
fn sound(bytes: usize) {
    let mut incoming = Incoming::new(LIMIT_BYTES);
    let mut buffer = Outgoing::with_header_room();
    buffer.resize(HEADER_BYTES + bytes, 3);
    let mut outgoing = Outgoing::new(buffer);
    let whole = loop {
        let whole = incoming.push(outgoing.next_packet()).expect("it is sound");
        outgoing.advance();
        if let Some(whole) = whole {
            break whole;
        }
    };
    assert!(outgoing.is_sent() && whole.len() == bytes);
}

/// A value with some of everything that can be encoded.
#[derive(Debug, Serialize, Deserialize)]
enum Value {
    Nothing,
    Numbers(u8, i16, u32, i64, u128, f32, bool, char),
    Text(String),
    List(Vec<Value>),
    Map(BTreeMap<u32, Option<Box<Value>>>),
    Bytes(#[serde(with = "serde_bytes")] Vec<u8>),
    Array([u16; 5], Result<u8, String>),
}

/// How deep values may be in one another: their decoder calls itself.
const DEEPEST: usize = 256;

/// Any bytes as values of some types.
pub(super) fn codec(bytes: &[u8]) {
    same_again::<Vec<u64>>(bytes);
    same_again::<(String, Option<u32>)>(bytes);
    same_again::<Vec<Vec<String>>>(bytes);
    // A level takes at least a tag and a length.
    same_again::<Value>(&bytes[..bytes.len().min(12 * DEEPEST)]);
    let mut rest = bytes;
    while !rest.is_empty() {
        let before = rest.len();
        match decode_next::<(u8, String)>(&mut rest) {
            Ok(_) => assert!(rest.len() < before),
            Err(_) => {
                assert_eq!(rest.len(), before);
                rest = &rest[1..];
            }
        }
    }
}

fn same_again<T: Serialize + for<'a> Deserialize<'a>>(bytes: &[u8]) {
    let Ok(value) = decode::<T>(bytes) else {
        return;
    };
    let mut once = Vec::new();
    encode_to_vec(&value, &mut once).expect("it was decoded");
    assert_eq!(once.len(), encoded_len(&value).expect("it was encoded"));
    let again = decode::<T>(&once).expect("it was encoded");
    let mut twice = Vec::new();
    encode_to_vec(&again, &mut twice).expect("it was decoded");
    assert_eq!(once, twice);
}

/// Any text as the name of a segment.
pub(super) fn names(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    // Most texts are no names at all; the rest of the way in is given to half of them.
    for text in [text.to_string(), format!("/fy-{text}")] {
        let Ok(name) = SegmentName::parse(&text) else {
            continue;
        };
        assert!(name.as_str().len() <= 31 && name.as_str().starts_with("/fy-"));
        assert!(!name.as_str()[1..].contains('/'));
        assert_eq!(SegmentName::parse(name.as_str()).ok(), Some(name.clone()));
        assert_eq!(name.child(MAX_CHILDREN - 1).pool(), name.pool());
        let _ = name.creator_is_alive();
    }
}
