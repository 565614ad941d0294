//! From what was put into a [`Sink`] to what is sent.

use forkyard_shm::lane::{INLINE_BYTES, Inline, Message, SHORT_BYTES, Short, Where};
use forkyard_wire::link::MESSAGE_LIMIT_BYTES;
use forkyard_wire::packets::HEADER_BYTES as HEADER_ROOM;

use super::{DESCRIPTOR_BYTES, PutError, Sink};
use crate::Transport;
use crate::arena::Block;
use crate::packing::{Attached, settle_all};
use crate::parcel::{HEADER_BYTES, Parcel, to_bytes};

impl Sink {
    /// Has the promises kept that were made to the items, whose values are dropped by now.
    #[cold]
    fn settle(&mut self) -> Result<(), PutError> {
        settle_all(&mut self.attached).map_err(|why| PutError::Codec(why.to_owned()))
    }

    /// Writes the descriptors of what is attached behind the payload; returns their number.
    #[cold]
    fn announce(&mut self) -> u32 {
        let attached = std::mem::take(&mut self.attached);
        let bytes: Vec<u8> = attached
            .iter()
            .filter_map(Attached::announcement)
            .flat_map(bytemuck::cast::<_, [u8; DESCRIPTOR_BYTES]>)
            .collect();
        if let Some(block) = &mut self.block {
            let at = self.block_len;
            block[at..at + bytes.len()].copy_from_slice(&bytes);
            self.block_len += bytes.len();
        } else if let (false, Some(room)) = (
            self.spilled,
            self.inline.0[self.len..].get_mut(..bytes.len()),
        ) {
            room.copy_from_slice(&bytes);
            self.len += bytes.len();
        } else {
            if !self.spilled {
                self.spill_over();
            }
            self.spill.append(&bytes);
        }
        self.attached = attached;
        self.attached.len() as u32
    }

    /// Takes what was put into a parcel, and is empty again. The values that were put must have
    /// been dropped, so that those in shared memory can move. When there is no memory for it,
    /// everything stays as it was, to be taken later.
    #[inline]
    pub(crate) fn take(
        &mut self,
        mut message: Message,
        parcel: &mut Parcel,
    ) -> Result<(), PutError> {
        if !self.attached.is_empty() {
            self.settle()?;
            if self.announces {
                message.round = self.announce();
            }
        }
        match self.transport {
            Transport::Copy => {
                message.len = 0;
                parcel.extra_mut().frame = self.take_frame(message)?;
            }
            Transport::Shared => match self.finish_block()? {
                Some(block) => {
                    message.len = SHORT_BYTES as u32;
                    message = message.at(Where::Block);
                    parcel.payload = Inline {
                        short: Short(bytemuck::cast(block.descriptor())),
                        long: None,
                    };
                    self.attached.push(Attached::Shared(block));
                }
                None => {
                    message.len = self.len as u32;
                    message = message.at(Where::Inline);
                    parcel.payload = Inline::new(&self.inline.0, self.len);
                }
            },
        }
        self.len = 0;
        parcel.message = message;
        if !self.attached.is_empty() {
            let extra = parcel.extra_mut();
            extra.attached = std::mem::take(&mut self.attached);
            extra.alone = std::mem::take(&mut self.alone);
        }
        Ok(())
    }

    fn take_frame(&mut self, message: Message) -> Result<Vec<u8>, PutError> {
        if !self.spilled {
            self.spill_over();
        }
        self.spilled = false;
        if self.spill.len() as u64 > MESSAGE_LIMIT_BYTES {
            let bytes = self.spill.len();
            self.clear();
            return Err(PutError::Codec(format!(
                "{bytes} bytes are more than one message of the copy path carries \
                 ({MESSAGE_LIMIT_BYTES}); share them in an arena block"
            )));
        }
        let mut frame = self.spill.take();
        frame[HEADER_ROOM..HEADER_ROOM + HEADER_BYTES].copy_from_slice(&to_bytes(message));
        Ok(frame)
    }

    /// Takes what was put straight into the half of a slot, if it fits there and speaks of no
    /// blocks; otherwise everything stays as it was.
    #[inline]
    pub(crate) fn take_inline(
        &mut self,
        message: Message,
        half: &mut [u8; INLINE_BYTES],
    ) -> Option<Message> {
        if self.spilled || self.block.is_some() || !self.attached.is_empty() {
            return None;
        }
        let len = std::mem::take(&mut self.len);
        if len <= SHORT_BYTES {
            half[..SHORT_BYTES].copy_from_slice(&self.inline.0[..SHORT_BYTES]);
        } else {
            *half = self.inline.0;
        }
        Some(Message {
            len: len as u32,
            ..message.at(Where::Inline)
        })
    }

    fn finish_block(&mut self) -> Result<Option<Block>, PutError> {
        if let Some(mut block) = self.block.take() {
            block.truncate(self.block_len);
            return Ok(Some(block.freeze()));
        }
        if !self.spilled {
            return Ok(None);
        }
        let mut block = self.alloc(self.spill.len())?;
        block.copy_from_slice(self.spill.as_slice());
        let block = block.freeze();
        self.spilled = false;
        self.spill.clear();
        Ok(Some(block))
    }
}
