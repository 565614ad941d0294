//! Putting a message together: encoded items go to where they will travel, or near it.

mod take;

use std::sync::Arc;

use forkyard_shm::lane::INLINE_BYTES;
use forkyard_wire::codec;
use forkyard_wire::packets::HEADER_BYTES as HEADER_ROOM;
use serde::Serialize;

use crate::Transport;
use crate::arena::{BlockMut, Descriptor, RawArena, describe};
use crate::job::ERROR_BIT;
use crate::packing::{Attachments, count_attachments, restart_attachments, take_attachments};
use crate::parcel::HEADER_BYTES;

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
    spill: Vec<u8>,
    spilled: bool,
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

/// Bytes of an item of a chunk, its fence included, up to which it counts as short.
const SHORT_ITEM: usize = 64;
/// Bytes kept for the next use of a sink's vector; more is given back.
const KEEP_SPILL: usize = 1 << 20;
/// Bytes of a frame's buffer that are kept warm at most.
const KEEP_FRAME: usize = 256 << 20;

impl Sink {
    pub(crate) fn new(transport: Transport, arena: Arc<RawArena>) -> Self {
        Self {
            inline: Room([0; INLINE_BYTES]),
            len: 0,
            spill: Vec::new(),
            spilled: false,
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

    pub(crate) fn clear(&mut self) {
        self.len = 0;
        self.spilled = false;
        self.block = None;
        self.attached.clear();
        self.alone = false;
        self.spill.clear();
        if self.spill.capacity() > KEEP_SPILL {
            self.spill.shrink_to(KEEP_SPILL);
        }
    }

    /// Takes a sent frame's buffer back, for the next one to be put together in warm pages.
    pub(crate) fn reuse(&mut self, buffer: Vec<u8>) {
        if buffer.capacity() > self.spill.capacity() && buffer.capacity() <= KEEP_FRAME {
            self.spill = buffer;
        }
    }

    /// Room at the front of the vector for the frame's headers.
    fn front(&self) -> usize {
        match self.transport {
            Transport::Shared => 0,
            Transport::Copy => HEADER_ROOM + HEADER_BYTES,
        }
    }

    fn spill_over(&mut self) {
        let front = self.front();
        self.spill.clear();
        self.spill.resize(front, 0);
        self.spill.extend_from_slice(&self.inline.0[..self.len]);
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
        let codec_error = |error: codec::CodecError| PutError::Codec(error.to_string());
        // The failed attempt in place has noted the attachments already.
        restart_attachments();
        let bytes = codec::encoded_len(value).map_err(codec_error)?;
        let announced = if self.announces {
            count_attachments() * DESCRIPTOR_BYTES
        } else {
            0
        };
        restart_attachments();
        match self.transport {
            Transport::Copy => {
                self.spill_over();
                self.spill.reserve_exact(bytes);
                codec::encode_to_vec(value, &mut self.spill).map_err(codec_error)
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

    /// Puts one of several items, fenced by its length.
    #[inline]
    pub(crate) fn put_fenced<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), PutError> {
        self.fenced(value, 0)
    }

    /// Puts one of several items that is an error.
    pub(crate) fn put_fenced_error<T: Serialize>(&mut self, value: &T) -> Result<(), PutError> {
        self.fenced(value, ERROR_BIT)
    }

    #[inline]
    fn fenced<T: Serialize + ?Sized>(&mut self, value: &T, mark: u32) -> Result<(), PutError> {
        restart_attachments();
        let put = self.put_behind_fence(value, mark);
        self.attach(put)
    }

    #[inline]
    fn put_behind_fence<T: Serialize + ?Sized>(
        &mut self,
        value: &T,
        mark: u32,
    ) -> Result<(), PutError> {
        if !self.spilled {
            let at = self.len + 4;
            if let Some(room) = self.inline.0.get_mut(at..)
                && let Ok(len) = codec::encode_to_slice(value, room)
            {
                let fence = len as u32 | mark;
                self.inline.0[self.len..at].copy_from_slice(&fence.to_le_bytes());
                self.len = at + len;
                return Ok(());
            }
            restart_attachments();
            self.spill_over();
        }
        // Short ones by way of the stack: one piece to append.
        let mut short = [0; SHORT_ITEM];
        match codec::encode_to_slice(value, &mut short[4..]) {
            Ok(len) => {
                short[..4].copy_from_slice(&(len as u32 | mark).to_le_bytes());
                self.spill.extend_from_slice(&short[..4 + len]);
                return Ok(());
            }
            Err(codec::SliceError::Codec(error)) => return Err(PutError::Codec(error.to_string())),
            Err(codec::SliceError::TooLong) => restart_attachments(),
        }
        self.put_long_behind_fence(value, mark)
    }

    fn put_long_behind_fence<T: Serialize + ?Sized>(
        &mut self,
        value: &T,
        mark: u32,
    ) -> Result<(), PutError> {
        let mut item = Tail::of(&mut self.spill);
        item.bytes.extend_from_slice(&[0; 4]);
        codec::encode_to_vec(value, item.bytes)
            .map_err(|error| PutError::Codec(error.to_string()))?;
        let len = item.bytes.len() - item.start - 4;
        match u32::try_from(len).ok().filter(|len| len & ERROR_BIT == 0) {
            Some(len) => {
                item.keep()[..4].copy_from_slice(&(len | mark).to_le_bytes());
                Ok(())
            }
            None => Err(PutError::Codec(
                "an item of 2 GiB or more does not fit into a chunk; take a chunk size of 1"
                    .to_owned(),
            )),
        }
    }

    /// Removes the fence of the only item.
    pub(crate) fn unfence(&mut self) {
        if self.spilled {
            let front = self.front();
            self.spill.drain(front..front + 4);
        } else {
            self.inline.0.copy_within(4..self.len, 0);
            self.len -= 4;
        }
    }

    fn alloc(&self, bytes: usize) -> Result<BlockMut, PutError> {
        self.arena
            .alloc(bytes)
            .map_err(|error| PutError::SharedMemory(describe(&error)))
    }
}

/// What is being added to the end of a vector: taken off again unless it is kept, also when
/// encoding it panics, so that the items before it stay whole.
struct Tail<'a> {
    bytes: &'a mut Vec<u8>,
    start: usize,
    kept: bool,
}

impl<'a> Tail<'a> {
    fn of(bytes: &'a mut Vec<u8>) -> Self {
        Self {
            start: bytes.len(),
            bytes,
            kept: false,
        }
    }

    /// Keeps what was added, and lends it.
    fn keep(&mut self) -> &mut [u8] {
        self.kept = true;
        &mut self.bytes[self.start..]
    }
}

impl Drop for Tail<'_> {
    fn drop(&mut self) {
        if !self.kept {
            self.bytes.truncate(self.start);
        }
    }
}
