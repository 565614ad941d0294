//! What travels: a message's header with its payload, on either path.
//!
//! Almost every message is short, and there may be millions a second, so a parcel is plain
//! bytes of less than two cache lines; whatever else a message has is put aside in [`Extra`].

use forkyard_shm::lane::{INLINE_BYTES, Inline, Message};
use forkyard_wire::codec;
use forkyard_wire::packets::HEADER_BYTES as HEADER_ROOM;
use serde::Serialize;

use crate::arena::{Block, Held};
use crate::chunk::encode_error;
use crate::error::{TaskError, WorkerDeath};
use crate::job::caught;
use crate::packing::{
    Attached, Attachments, has_attachments, restart_attachments, settle_all, take_attachments,
};
use crate::sink::DESCRIPTOR_BYTES;

/// Bytes of the encoded [`Message`] before the payload on the copy path.
pub(crate) const HEADER_BYTES: usize = 24;

/// A message that is ready to be sent, or was received.
#[derive(Debug, Default)]
pub(crate) struct Parcel {
    pub(crate) message: Message,
    /// Shared path: the first `message.len` bytes travel in the slot.
    pub(crate) payload: Inline,
    pub(crate) extra: Option<Box<Extra>>,
}

/// What few messages have.
#[derive(Debug, Default)]
pub(crate) struct Extra {
    /// Copy path: the whole frame; on its way there it begins with the pipe's own header room.
    pub(crate) frame: Vec<u8>,
    /// Received: the block that holds the payload.
    pub(crate) block: Option<Block>,
    /// To be sent: blocks that the payload speaks of or moves, kept until the message has done
    /// its work.
    pub(crate) attached: Attachments,
    /// To be sent: its task may wait for another, so nothing is sent behind it.
    pub(crate) alone: bool,
    /// Received: blocks that it speaks of or that moved with it, ours since it was taken.
    pub(crate) held: Vec<Held>,
    /// Copy path: the frame is kept while the task runs, to be sent again should its worker die.
    pub(crate) keep: bool,
    /// To be sent again: the deaths of those that ran it.
    pub(crate) earlier: Vec<WorkerDeath>,
    /// Why there is no result.
    pub(crate) error: Option<TaskError>,
}

/// What came of putting an item straight where it travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    /// The parcel is ready.
    Whole,
    /// It is ready once the item was dropped and the parcel [settled](Parcel::settle): blocks move
    /// with it.
    Moves,
    /// It is to be put together in a [`Sink`](crate::sink::Sink).
    TooLong,
}

/// Whose task a message is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ticket {
    /// Index of its first item in the batch.
    pub(crate) first: u64,
    pub(crate) batch: u32,
    pub(crate) items: u32,
    /// How many workers may have died of receiving it.
    pub(crate) deaths: u8,
}

/// A message ready to be sent.
#[derive(Debug, Default)]
pub(crate) struct Ready {
    pub(crate) ticket: Ticket,
    pub(crate) parcel: Parcel,
}

impl Extra {
    /// Whether nothing is sent behind the message that has this.
    #[inline]
    pub(crate) fn is_alone(extra: Option<&Self>) -> bool {
        extra.is_some_and(|extra| extra.alone)
    }
}

impl Extra {
    /// Of a message in flight on the copy path: whether there is more than what travels.
    pub(crate) fn outlasts_its_frame(&self) -> bool {
        !self.attached.is_empty() || !self.earlier.is_empty()
    }
}

impl Parcel {
    /// Room for what few messages have.
    pub(crate) fn extra_mut(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }

    /// Puts the one item of a message where it travels, if it fits into a slot.
    ///
    /// # Errors
    /// When its Serialize panicked.
    #[inline]
    pub(crate) fn put<T: Serialize>(
        &mut self,
        message: Message,
        value: &T,
    ) -> Result<Put, TaskError> {
        restart_attachments();
        let room = &mut self.payload.short.0;
        let put = caught(|| Ok(codec::encode_to_slice(value, room))).map_err(encode_error)?;
        let len = match put {
            Ok(len) => len,
            Err(_) => match self.put_long(value)? {
                Some(len) => len,
                None => return Ok(Put::TooLong),
            },
        };
        self.message = Message {
            len: len as u32,
            ..message
        };
        if has_attachments() {
            return Ok(self.attach());
        }
        Ok(Put::Whole)
    }

    /// As [`put`](Self::put), when it takes more than the nearest bytes; the length, if it fits.
    #[cold]
    #[inline(never)]
    fn put_long<T: Serialize>(&mut self, value: &T) -> Result<Option<usize>, TaskError> {
        // The first attempt has noted its blocks already.
        restart_attachments();
        let mut room = Box::new([0; INLINE_BYTES]);
        let put = caught(|| Ok(codec::encode_to_slice(value, room.as_mut_slice())));
        let Ok(len) = put.map_err(encode_error)? else {
            restart_attachments();
            return Ok(None);
        };
        self.payload.long = Some(room);
        Ok(Some(len))
    }

    /// Keeps the blocks that what was just put speaks of.
    #[inline(never)]
    fn attach(&mut self) -> Put {
        let extra = self.extra_mut();
        extra.alone = take_attachments(&mut extra.attached);
        if extra.attached.iter().any(Attached::is_promised) {
            Put::Moves
        } else {
            Put::Whole
        }
    }

    /// After [`Put::Moves`], with the item dropped: puts on offer what moves.
    ///
    /// # Errors
    /// When something still has a value that was to move; then the parcel holds nothing.
    pub(crate) fn settle(&mut self) -> Result<(), TaskError> {
        let Some(extra) = &mut self.extra else {
            return Ok(());
        };
        settle_all(&mut extra.attached).map_err(|why| {
            self.extra = None;
            TaskError::EncodeArgument(why.into())
        })
    }

    /// Of a received one: whether there is more to it than the bytes that it came with.
    #[inline]
    pub(crate) fn is_more_than_bytes(&self) -> bool {
        self.message.place != 0 || self.message.round != 0
    }

    /// Of a received one: whether its worker has a hold on a block of it until it learns that the
    /// result was taken.
    pub(crate) fn is_kept_by_its_worker(&self) -> bool {
        let shared = |held: &Held| matches!(held, Held::Shared(_));
        self.extra
            .as_ref()
            .is_some_and(|extra| extra.block.is_some() || extra.held.iter().any(shared))
    }

    /// Of a received one: bytes of its payload, and of blocks that it speaks of or moves.
    #[inline]
    pub(crate) fn weight(&self) -> u64 {
        let payload = self.parts().map_or(0, |(bytes, _)| bytes.len());
        let held = self.extra.as_ref().map_or(0, |extra| {
            let held = extra.held.iter().map(Held::bytes);
            held.sum::<usize>()
        });
        (payload + held) as u64
    }

    /// What its sender did wrong.
    pub(crate) fn fault(&self) -> Option<String> {
        match self.extra.as_ref()?.error.as_ref()? {
            TaskError::Fault(fault) => Some(fault.to_string()),
            _ => None,
        }
    }

    /// Puts back what was kept of a message while it was away.
    pub(crate) fn keep(&mut self, kept: Option<Box<Extra>>) {
        match (&mut self.extra, kept) {
            (Some(extra), Some(kept)) => {
                extra.attached = kept.attached;
                extra.alone = kept.alone;
                extra.earlier = kept.earlier;
            }
            (extra @ None, kept) => *extra = kept,
            (Some(_), None) => {}
        }
    }

    /// Of a received one: the payload, and the descriptors behind it; `None` when it is torn.
    #[inline]
    pub(crate) fn parts(&self) -> Option<(&[u8], &[u8])> {
        let bytes = match self.extra.as_deref() {
            None => self.payload.bytes().get(..self.message.len as usize)?,
            Some(extra) => match &extra.block {
                Some(block) => block.as_slice(),
                None if extra.frame.is_empty() => {
                    self.payload.bytes().get(..self.message.len as usize)?
                }
                None => extra.frame.get(HEADER_BYTES..)?,
            },
        };
        if self.message.round == 0 {
            return Some((bytes, &[]));
        }
        let announced = (self.message.round as usize).checked_mul(DESCRIPTOR_BYTES)?;
        bytes.split_at_checked(bytes.len().checked_sub(announced)?)
    }
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

/// The status of a message without an entry that asks for nothing.
const NUDGE: u16 = 1;

/// A frame that asks for no task: its worker lets go of what it keeps for nobody.
pub(crate) fn nudge_frame() -> Vec<u8> {
    let mut frame = vec![0; HEADER_ROOM];
    frame.extend_from_slice(&to_bytes(Message {
        status: NUDGE,
        ..Message::default()
    }));
    frame
}

/// Whether a received message is one that [`nudge_frame`] made.
pub(crate) fn is_nudge(message: Message) -> bool {
    message.entry == 0 && message.status == NUDGE
}

/// A frame that asks the worker to end: a header of zeroes.
pub(crate) fn pill_frame() -> Vec<u8> {
    vec![0; HEADER_ROOM + HEADER_BYTES]
}
