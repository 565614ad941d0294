//! Putting several items side by side; how they stand is drawn in [`items`](crate::items).

use forkyard_shm::lane::INLINE_BYTES;
use forkyard_wire::codec::{self, SliceError};
use serde::Serialize;

use super::{PutError, Sink, codec_error};
use crate::Transport;
use crate::items::{ERROR_BIT, FENCE_BYTES, HEAD_BYTES};
use crate::packing::{has_attachments, restart_attachments, take_attachments};

/// Bytes of a block at most that is made in the belief that all items are as long as the first.
const MOST_FORETOLD: usize = 1 << 20;

/// How the items that were put so far stand.
#[derive(Debug, Default)]
pub(super) struct Row {
    count: u32,
    /// How many are expected.
    expected: u32,
    /// Bytes of each; zero where they are fenced, or there is none yet.
    each: usize,
    /// Each has its length before it.
    is_fenced: bool,
    /// There is no shared memory for it now.
    is_homeless: bool,
    /// Which of the attachments are whose, of items that have any: how many items and attachments
    /// there were after each.
    pub(super) attached: Vec<(u32, usize)>,
}

impl Sink {
    /// Begins a payload of several items, about `expected`.
    pub(crate) fn open_items(&mut self, expected: u32) {
        self.restart();
        restart_attachments();
        let head = self.front() + HEAD_BYTES;
        self.spill
            .append(&[0; super::MOST_FRONT + HEAD_BYTES][..head]);
        self.spilled = true;
        self.row = Row {
            expected,
            ..Row::default()
        };
    }

    /// How many items were put since then.
    #[inline]
    pub(crate) fn items(&self) -> u32 {
        self.row.count
    }

    /// Puts one of several items. When that panics, none was put.
    #[inline(always)]
    pub(crate) fn put_item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), PutError> {
        let each = self.row.each;
        let room = match &mut self.block {
            Some(block) => block.get_mut(self.block_len..).unwrap_or_default(),
            None => self.spill.room(),
        };
        if each > 0
            && let Ok(len) = codec::encode_to_slice(value, room)
            && len == each
        {
            self.advance(len);
            self.row.count += 1;
            if has_attachments() {
                self.note_attachments();
            }
            return Ok(());
        }
        self.put_other(value, 0)
    }

    /// So many bytes more are put.
    #[inline]
    fn advance(&mut self, bytes: usize) {
        match &self.block {
            Some(_) => self.block_len += bytes,
            None => self.spill.advance(bytes),
        }
    }

    /// Puts one of several items that is an error.
    pub(crate) fn put_error_item<T: Serialize>(&mut self, value: &T) -> Result<(), PutError> {
        self.put_other(value, ERROR_BIT)
    }

    #[cold]
    fn note_attachments(&mut self) {
        self.alone |= take_attachments(&mut self.attached);
        self.row
            .attached
            .push((self.row.count, self.attached.len()));
        if self.announces {
            // There will be descriptors behind the items.
            self.leave_block();
        }
    }

    /// Now that the first item is known: a block for all of them, to be written where it stays. If
    /// there is none, they are put together elsewhere first.
    fn enter_block(&mut self) {
        let foretold = self.row.each.saturating_mul(self.row.expected as usize);
        let whole = foretold.saturating_add(HEAD_BYTES);
        if self.transport == Transport::Copy || whole <= INLINE_BYTES {
            return;
        }
        if whole > MOST_FORETOLD {
            // It will want memory in the end, how much is not known.
            self.row.is_homeless = self.arena.alloc(INLINE_BYTES + 1).is_err();
            return;
        }
        let Ok(mut block) = self.arena.alloc(whole) else {
            self.row.is_homeless = true;
            return;
        };
        let so_far = self.spill.as_slice();
        block[..so_far.len()].copy_from_slice(so_far);
        self.block = Some(block);
        self.block_len = so_far.len();
        self.spilled = false;
    }

    /// Whether one more item may need shared memory, of which there is none now: without it, as
    /// many travel together as a slot holds, if all are as long as each other.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        let row = &self.row;
        row.is_homeless && (row.is_fenced || self.len() + row.each > INLINE_BYTES)
    }

    /// Puts what is in a block where there is room for more.
    #[cold]
    fn leave_block(&mut self) {
        if let Some(block) = self.block.take() {
            self.spill.restart();
            self.spill.append(&block[..self.block_len]);
            self.spilled = true;
        }
    }

    /// Puts an item that is not just as long as those before it, or the first.
    #[inline(never)]
    fn put_other<T: Serialize + ?Sized>(&mut self, value: &T, mark: u32) -> Result<(), PutError> {
        // An attempt before may have noted its blocks.
        restart_attachments();
        let put = if self.row.is_fenced {
            self.put_fenced(value, mark)
        } else {
            self.put_uneven(value, mark)
        };
        match put {
            Ok(()) => {
                self.row.count += 1;
                if has_attachments() {
                    self.note_attachments();
                }
                let has_more_behind = self.announces && !self.attached.is_empty();
                if self.row.count == 1 && !self.row.is_fenced && !has_more_behind && !self.alone {
                    self.enter_block();
                }
            }
            Err(_) => restart_attachments(),
        }
        put
    }

    #[inline]
    fn put_fenced<T: Serialize + ?Sized>(&mut self, value: &T, mark: u32) -> Result<(), PutError> {
        let room = self.spill.room();
        if let Some((fence, room)) = room.split_first_chunk_mut::<FENCE_BYTES>()
            && let Ok(len) = codec::encode_to_slice(value, room)
        {
            *fence = fence_of(len, mark)?;
            self.spill.advance(FENCE_BYTES + len);
            return Ok(());
        }
        restart_attachments();
        self.put_long(value, mark)
    }

    /// What does not fit into the room there is.
    #[cold]
    fn put_long<T: Serialize + ?Sized>(&mut self, value: &T, mark: u32) -> Result<(), PutError> {
        let at = self.spill.len();
        self.spill.append_with(|bytes| {
            bytes.extend_from_slice(&[0; FENCE_BYTES]);
            codec::encode_to_vec(value, bytes).map_err(|error| codec_error(&error))?;
            let fence = fence_of(bytes.len() - at - FENCE_BYTES, mark)?;
            bytes[at..at + FENCE_BYTES].copy_from_slice(&fence);
            Ok(())
        })?;
        self.spill.make_room();
        Ok(())
    }

    /// Puts an item behind those that stand side by side, or fences them all.
    #[cold]
    #[inline(never)]
    fn put_uneven<T: Serialize + ?Sized>(&mut self, value: &T, mark: u32) -> Result<(), PutError> {
        self.leave_block();
        let is_put = mark == 0 && (self.put_even(value)? || self.put_with_room(value)?);
        if is_put {
            return Ok(());
        }
        restart_attachments();
        self.fence_all();
        self.put_fenced(value, mark)
    }

    /// As [`put_even`](Self::put_even), with more room than there was.
    fn put_with_room<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<bool, PutError> {
        restart_attachments();
        self.spill.make_room();
        self.put_even(value)
    }

    /// Puts an item that is as long as those before it; whether it is, and there was room.
    fn put_even<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<bool, PutError> {
        match codec::encode_to_slice(value, self.spill.room()) {
            Ok(len) if len > 0 && (len == self.row.each || self.row.count == 0) => {
                self.row.each = len;
                self.spill.advance(len);
                Ok(true)
            }
            Ok(_) | Err(SliceError::TooLong) => Ok(false),
            Err(SliceError::Codec(error)) => Err(codec_error(&error)),
        }
    }

    /// Puts a fence before each of those that were put. They fitted into a [`Buffer`]'s room, so
    /// their length is far below what a fence can say.
    fn fence_all(&mut self) {
        let head = self.front() + HEAD_BYTES;
        let each = std::mem::take(&mut self.row.each);
        self.row.is_fenced = true;
        if each == 0 {
            return;
        }
        let even = self.spill.as_slice()[head..].to_vec();
        self.spill.remove(head, even.len());
        for item in even.chunks_exact(each) {
            self.spill.append(&(each as u32).to_le_bytes());
            self.spill.append(item);
        }
    }

    /// Ends the payload. A lone item travels without what tells it from others.
    pub(crate) fn close_items(&mut self) {
        if self.row.count == 1 || self.len() <= INLINE_BYTES {
            self.leave_block();
        }
        let each = (self.row.each as u64).to_le_bytes();
        if let Some(block) = &mut self.block {
            block[..HEAD_BYTES].copy_from_slice(&each);
            return;
        }
        let front = self.front();
        self.spill.as_mut_slice()[front..front + HEAD_BYTES].copy_from_slice(&each);
        if self.row.count == 1 {
            let fence = if self.row.is_fenced { FENCE_BYTES } else { 0 };
            self.spill.remove(front, HEAD_BYTES + fence);
        }
        let payload = self.spill.as_slice();
        if self.transport == Transport::Shared
            && let Some(room) = self.inline.0.get_mut(..payload.len())
        {
            room.copy_from_slice(payload);
            self.len = payload.len();
            self.spilled = false;
        }
    }
}

fn fence_of(len: usize, mark: u32) -> Result<[u8; FENCE_BYTES], PutError> {
    match u32::try_from(len) {
        Ok(len) if len & ERROR_BIT == 0 => Ok((len | mark).to_le_bytes()),
        _ => Err(PutError::Codec(
            "an item of 2 GiB or more does not fit into a chunk; take a chunk size of 1".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests;
