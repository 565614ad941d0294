//! Putting a message together: encoded items go to where they will travel, or near it.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use forkyard_shm::lane::{INLINE_BYTES, Message, Where};
use forkyard_wire::codec;
use forkyard_wire::packets::HEADER_BYTES as HEADER_ROOM;
use serde::Serialize;

use crate::Transport;
use crate::arena::{Block, BlockMut, RawArena};
use crate::job::ERROR_BIT;
use crate::parcel::{Body, HEADER_BYTES, InPlace, Parcel, SHORT_BYTES, Short, to_bytes};

/// Why something could not be put into a [`Sink`].
#[derive(Debug)]
pub(crate) enum PutError {
    Codec(String),
    SharedMemory(String),
}

/// Aligned as [`Short`] is, and for the same reason.
#[derive(Debug)]
#[repr(C, align(16))]
struct Inline([u8; INLINE_BYTES]);

/// Collects encoded items: in place while they fit, else in a vector, and a single large one
/// straight into a block.
#[derive(Debug)]
pub(crate) struct Sink {
    inline: Inline,
    len: usize,
    spill: Vec<u8>,
    spilled: bool,
    block: Option<BlockMut>,
    block_len: usize,
    arena: Arc<RawArena>,
    transport: Transport,
}

/// Bytes kept for the next use of a sink's vector; more is given back.
const KEEP_SPILL: usize = 1 << 20;
/// Bytes of a frame's buffer that are kept warm at most.
const KEEP_FRAME: usize = 256 << 20;

impl Sink {
    pub(crate) fn new(transport: Transport, arena: Arc<RawArena>) -> Self {
        Self {
            inline: Inline([0; INLINE_BYTES]),
            len: 0,
            spill: Vec::new(),
            spilled: false,
            block: None,
            block_len: 0,
            arena,
            transport,
        }
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
        match codec::encode_to_slice(value, &mut self.inline.0) {
            Ok(len) => {
                self.len = len;
                Ok(())
            }
            Err(codec::SliceError::Codec(error)) => Err(PutError::Codec(error.to_string())),
            Err(codec::SliceError::TooLong) => self.put_large(value),
        }
    }

    #[cold]
    fn put_large<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), PutError> {
        let codec_error = |error: codec::CodecError| PutError::Codec(error.to_string());
        // The failed attempt in place has noted the attachments already.
        restart_attachments();
        let bytes = codec::encoded_len(value).map_err(codec_error)?;
        restart_attachments();
        match self.transport {
            Transport::Copy => {
                self.spill_over();
                self.spill.reserve_exact(bytes);
                codec::encode_to_vec(value, &mut self.spill).map_err(codec_error)
            }
            Transport::Shared => {
                let mut block = self
                    .arena
                    .alloc(bytes)
                    .map_err(|error| PutError::SharedMemory(error.to_string()))?;
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
            self.spill_over();
        }
        let start = self.spill.len();
        self.spill.extend_from_slice(&[0; 4]);
        let encoded = codec::encode_to_vec(value, &mut self.spill)
            .map_err(|error| PutError::Codec(error.to_string()));
        let len = self.spill.len() - start - 4;
        let fits = u32::try_from(len).ok().filter(|len| len & ERROR_BIT == 0);
        match (encoded, fits) {
            (Ok(()), Some(len)) => {
                self.spill[start..start + 4].copy_from_slice(&(len | mark).to_le_bytes());
                Ok(())
            }
            (encoded, _) => {
                self.spill.truncate(start);
                encoded.and(Err(PutError::Codec(
                    "an item of 2 GiB or more does not fit into a chunk; take a chunk size of 1"
                        .to_owned(),
                )))
            }
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

    /// Takes what was put as a parcel, and is empty again.
    #[inline]
    pub(crate) fn take(&mut self, mut message: Message) -> Result<Parcel, PutError> {
        let attached = take_attachments();
        let body = match self.transport {
            Transport::Copy => {
                if !self.spilled {
                    self.spill_over();
                }
                self.spilled = false;
                message.len = 0;
                let mut frame = std::mem::take(&mut self.spill);
                let room = HEADER_ROOM;
                frame[room..room + HEADER_BYTES].copy_from_slice(&to_bytes(message));
                Body::Frame(frame)
            }
            Transport::Shared => match self.finish_block()? {
                Some(block) => {
                    let inline = InPlace::Short(Short(bytemuck::cast(block.descriptor())));
                    message.len = SHORT_BYTES as u32;
                    message = message.at(Where::Block);
                    self.len = 0;
                    return Ok(Parcel {
                        message,
                        body: Body::Inline(inline),
                        attached: attached.into_iter().chain([block]).collect(),
                    });
                }
                None => {
                    message.len = self.len as u32;
                    message = message.at(Where::Inline);
                    Body::Inline(InPlace::new(&self.inline.0, self.len))
                }
            },
        };
        self.len = 0;
        Ok(Parcel {
            message,
            body,
            attached,
        })
    }

    fn finish_block(&mut self) -> Result<Option<Block>, PutError> {
        if let Some(block) = self.block.take() {
            return Ok(Some(block.freeze()));
        }
        if !self.spilled {
            return Ok(None);
        }
        self.spilled = false;
        let mut block = self
            .arena
            .alloc(self.spill.len())
            .map_err(|error| PutError::SharedMemory(error.to_string()))?;
        block.copy_from_slice(&self.spill);
        let block = block.freeze();
        self.spill.clear();
        self.spill.shrink_to(KEEP_SPILL);
        Ok(Some(block))
    }
}

thread_local! {
    static ATTACHED: RefCell<Vec<Block>> = const { RefCell::new(Vec::new()) };
    /// Whether `ATTACHED` holds any, to be looked at for every message.
    static HAS_ATTACHED: Cell<bool> = const { Cell::new(false) };
    static PACKING: Cell<bool> = const { Cell::new(false) };
}

/// Whether a message is being put together on this thread.
pub(crate) fn is_packing() -> bool {
    PACKING.get()
}

/// While it lives, values that live in shared memory may be encoded on this thread.
pub(crate) struct Packing(bool);

impl Packing {
    pub(crate) fn begin() -> Self {
        Self(PACKING.replace(true))
    }
}

impl Drop for Packing {
    fn drop(&mut self) {
        PACKING.set(self.0);
    }
}

/// Notes a block that the value being encoded speaks of.
pub(crate) fn attach(block: Block) {
    HAS_ATTACHED.set(true);
    ATTACHED.with_borrow_mut(|attached| attached.push(block));
}

#[inline]
fn take_attachments() -> Vec<Block> {
    if HAS_ATTACHED.replace(false) {
        ATTACHED.with_borrow_mut(std::mem::take)
    } else {
        Vec::new()
    }
}

fn restart_attachments() {
    ATTACHED.with_borrow_mut(Vec::clear);
}
