//! Putting a message together: encoded items go to where they will travel, or near it.

mod buffer;
mod items;
mod shortage;
mod split;
mod take;

use std::sync::Arc;

use forkyard_shm::lane::INLINE_BYTES;
use forkyard_wire::codec;
use forkyard_wire::packets::HEADER_BYTES as HEADER_ROOM;
use serde::Serialize;

use self::buffer::Buffer;
use self::items::Row;
use crate::Transport;
use crate::arena::{BlockMut, Descriptor, RawArena, refusal};
use crate::packing::{Attachments, count_attachments, restart_attachments, take_attachments};
use crate::parcel::HEADER_BYTES;

pub(crate) use self::shortage::when_short;
pub(crate) use self::split::Apart;

/// Why something could not be put into a [`Sink`].
#[derive(Debug)]
pub(crate) enum PutError {
    Codec(String),
    SharedMemory(String),
}

/// Aligned as [`Short`] is, and for the same reason.
#[derive(Debug)]
#[repr(C, align(8))]
struct Room([u8; INLINE_BYTES]);

/// Collects encoded items: in place while they fit, else in a vector, and a single large one
/// straight into a block.
#[derive(Debug)]
pub(crate) struct Sink {
    inline: Room,
    len: usize,
    spill: Buffer,
    spilled: bool,
    /// Several items, which stand in `spill`.
    row: Row,
    block: Option<BlockMut>,
    block_len: usize,
    /// Blocks that the items put so far speak of.
    attached: Attachments,
    /// Whether one of the items may wait for another task.
    alone: bool,
    /// Whether a parcel says which blocks it speaks of; see [`Sink::announcing`].
    announces: bool,
    arena: Arc<RawArena>,
    transport: Transport,
}

/// Bytes of a block's descriptor.
pub(crate) const DESCRIPTOR_BYTES: usize = size_of::<Descriptor>();

/// Bytes in front of a payload at most.
const MOST_FRONT: usize = HEADER_ROOM + HEADER_BYTES;
/// Bytes of a frame's buffer that are kept warm at most.
const KEEP_FRAME: usize = 256 << 20;

impl Sink {
    pub(crate) fn new(transport: Transport, arena: Arc<RawArena>) -> Self {
        Self {
            inline: Room([0; INLINE_BYTES]),
            len: 0,
            spill: Buffer::default(),
            spilled: false,
            row: Row::default(),
            block: None,
            block_len: 0,
            attached: Attachments::new(),
            alone: false,
            announces: false,
            arena,
            transport,
        }
    }

    /// Makes every parcel end with the descriptors of the blocks that it speaks of, and its
    /// `round` their number. A worker lets go of a result's blocks once the result is taken,
    /// which is before it is decoded: the taker holds on to what is announced until then.
    pub(crate) fn announcing(mut self) -> Self {
        self.announces = true;
        self
    }

    /// Bytes put so far.
    pub(crate) fn len(&self) -> usize {
        match &self.block {
            Some(_) => self.block_len,
            None if self.spilled => self.spill.len() - self.front(),
            None => self.len,
        }
    }

    /// Holds nothing any more.
    pub(crate) fn clear(&mut self) {
        self.restart();
        self.spill.clear();
    }

    /// The same, but keeps what memory it has.
    fn restart(&mut self) {
        self.len = 0;
        self.spilled = false;
        self.block = None;
        self.attached.clear();
        self.alone = false;
        self.spill.restart();
    }

    /// Takes a sent frame's buffer back, for the next one to be put together in warm pages.
    pub(crate) fn reuse(&mut self, buffer: Vec<u8>) {
        if buffer.capacity() <= KEEP_FRAME {
            self.spill.reuse(buffer);
        }
    }

    /// Room at the front of the vector for the frame's headers.
    fn front(&self) -> usize {
        match self.transport {
            Transport::Shared => 0,
            Transport::Copy => MOST_FRONT,
        }
    }

    fn spill_over(&mut self) {
        let front = self.front();
        self.spill.restart();
        self.spill.append(&[0; MOST_FRONT][..front]);
        self.spill.append(&self.inline.0[..self.len]);
        self.spilled = true;
    }

    /// Puts the one item of a message.
    #[inline]
    pub(crate) fn put<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), PutError> {
        restart_attachments();
        let put = match codec::encode_to_slice(value, &mut self.inline.0) {
            Ok(len) => {
                self.len = len;
                Ok(())
            }
            Err(codec::SliceError::Codec(error)) => Err(PutError::Codec(error.to_string())),
            Err(codec::SliceError::TooLong) => self.put_large(value),
        };
        self.attach(put)
    }

    /// What was put speaks of what was noted; what was not put, of nothing.
    #[inline]
    fn attach(&mut self, put: Result<(), PutError>) -> Result<(), PutError> {
        match put {
            Ok(()) => self.alone |= take_attachments(&mut self.attached),
            Err(_) => restart_attachments(),
        }
        put
    }

    /// Whether nothing may be put behind what was put so far.
    pub(crate) fn is_alone(&self) -> bool {
        self.alone
    }

    #[cold]
    fn put_large<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), PutError> {
        // The failed attempt in place has noted the attachments already.
        restart_attachments();
        let bytes = codec::encoded_len(value).map_err(|error| codec_error(&error))?;
        let announced = if self.announces {
            count_attachments() * DESCRIPTOR_BYTES
        } else {
            0
        };
        restart_attachments();
        match self.transport {
            Transport::Copy => {
                self.spill_over();
                self.spill.append_with(|spill| {
                    spill.reserve_exact(bytes);
                    codec::encode_to_vec(value, spill).map_err(|error| codec_error(&error))
                })
            }
            Transport::Shared => {
                let mut block = self.alloc(bytes + announced)?;
                let written = codec::encode_to_slice(value, &mut block)
                    .map_err(|error| PutError::Codec(error.to_string()))?;
                self.block = Some(block);
                self.block_len = written;
                Ok(())
            }
        }
    }

    fn alloc(&self, bytes: usize) -> Result<BlockMut, PutError> {
        let found = match self.arena.alloc(bytes) {
            Err(refused) if self.announces => shortage::wait(&self.arena, bytes, refused),
            found => found,
        };
        found.map_err(|refused| PutError::SharedMemory(refusal(refused)))
    }
}

fn codec_error(error: &codec::CodecError) -> PutError {
    PutError::Codec(error.to_string())
}
