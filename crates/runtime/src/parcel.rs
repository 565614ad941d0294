//! What travels: a message's header with its payload, on either path.

use forkyard_shm::lane::{INLINE_BYTES, Message};
use forkyard_wire::packets::HEADER_BYTES as HEADER_ROOM;

use crate::arena::Block;

/// Bytes of the encoded [`Message`] before the payload on the copy path.
pub(crate) const HEADER_BYTES: usize = 24;

/// A payload, wherever it is.
#[derive(Debug)]
pub(crate) enum Body {
    /// In place: the first `message.len` bytes.
    Inline(InPlace),
    /// In a block of the arena.
    Block(Block),
    /// Copy path: the whole frame, beginning with the pipe's own header room, then ours.
    Frame(Vec<u8>),
}

/// Bytes that travel in a slot. Most are short, and messages are moved about, so long ones
/// are put aside.
#[derive(Debug)]
pub(crate) enum InPlace {
    Short(Short),
    Long(Box<[u8; INLINE_BYTES]>),
}

/// What fits the first cache line of a slot, beside its header.
pub(crate) const SHORT_BYTES: usize = 32;

/// Aligned, so that it moves in whole registers and can be read right after it was written:
/// bytes at odd addresses cost a stalled store-forwarding at every move.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(16))]
pub(crate) struct Short(pub(crate) [u8; SHORT_BYTES]);

impl InPlace {
    /// No bytes.
    pub(crate) const EMPTY: Self = Self::Short(Short([0; SHORT_BYTES]));

    /// The first `len` of `bytes`.
    #[inline]
    pub(crate) fn new(bytes: &[u8; INLINE_BYTES], len: usize) -> Self {
        match bytes.first_chunk() {
            Some(short) if len <= SHORT_BYTES => Self::Short(Short(*short)),
            _ => Self::Long(Box::new(*bytes)),
        }
    }

    /// At least as many bytes as it was made with.
    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Short(bytes) => &bytes.0,
            Self::Long(bytes) => bytes.as_slice(),
        }
    }

    /// Copies the bytes into a slot; the slot's second cache line is left alone if it can be.
    #[inline]
    pub(crate) fn write_to(&self, slot: &mut [u8; INLINE_BYTES]) {
        match self {
            Self::Short(bytes) => slot[..SHORT_BYTES].copy_from_slice(&bytes.0),
            Self::Long(bytes) => *slot = **bytes,
        }
    }
}

/// A message that is ready to be sent, or was received.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub(crate) message: Message,
    pub(crate) body: Body,
    /// Blocks that the payload speaks of; kept until the message has done its work.
    pub(crate) attached: Box<[Block]>,
    /// Its task may wait for another: nothing is sent behind it.
    pub(crate) alone: bool,
}

/// The header as it stands at the front of a frame.
pub(crate) fn to_bytes(message: Message) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    bytes[0..8].copy_from_slice(&message.entry.to_le_bytes());
    bytes[8..12].copy_from_slice(&message.items.to_le_bytes());
    bytes[12..16].copy_from_slice(&message.round.to_le_bytes());
    bytes[16..18].copy_from_slice(&message.status.to_le_bytes());
    bytes
}

/// The header and the payload of a received frame.
pub(crate) fn from_bytes(frame: &[u8]) -> Option<(Message, &[u8])> {
    let (header, payload) = frame.split_first_chunk::<HEADER_BYTES>()?;
    let [
        e0,
        e1,
        e2,
        e3,
        e4,
        e5,
        e6,
        e7,
        i0,
        i1,
        i2,
        i3,
        r0,
        r1,
        r2,
        r3,
        s0,
        s1,
        ..,
    ] = *header;
    let message = Message {
        entry: u64::from_le_bytes([e0, e1, e2, e3, e4, e5, e6, e7]),
        items: u32::from_le_bytes([i0, i1, i2, i3]),
        round: u32::from_le_bytes([r0, r1, r2, r3]),
        status: u16::from_le_bytes([s0, s1]),
        ..Message::default()
    };
    Some((message, payload))
}

/// A frame that asks the worker to end: a header of zeroes.
pub(crate) fn pill_frame() -> Vec<u8> {
    vec![0; HEADER_ROOM + HEADER_BYTES]
}
