//! A row of items for which there is no shared memory, as single ones, many of which need none.

use forkyard_shm::lane::INLINE_BYTES;

use super::Sink;
use crate::items::{Item, Items};
use crate::packing::Attachments;

/// One item of several that could not be sent together, encoded.
#[derive(Debug)]
pub(crate) struct Apart {
    payload: Vec<u8>,
    attached: Attachments,
    alone: bool,
}

impl Sink {
    /// Takes a closed row of `count` items apart, after there was no memory for it. Holds nothing
    /// any more.
    #[cold]
    pub(crate) fn split(&mut self, count: u32) -> Vec<Apart> {
        let payload = self.spill.as_slice();
        let mut bounds = self.row.attached.iter().peekable();
        let mut attached = self.attached.drain(..);
        let mut taken = 0;
        let mut parts = Vec::with_capacity(count as usize);
        if let Some(mut items) = Items::of(payload, count) {
            items.take(count as usize, |item| {
                let bytes = match item {
                    Item::Value(bytes) | Item::Error(bytes) => bytes,
                    Item::Torn => &[],
                };
                let number = parts.len() as u32 + 1;
                let until = bounds.next_if(|(item, _)| *item == number);
                let until = until.map_or(taken, |(_, until)| *until);
                parts.push(Apart {
                    payload: bytes.to_vec(),
                    attached: attached.by_ref().take(until - taken).collect(),
                    alone: false,
                });
                taken = until;
            });
        }
        drop(attached);
        if let Some(last) = parts.last_mut() {
            last.alone = self.alone;
        }
        self.clear();
        parts
    }

    /// Puts such an item, the one of a message.
    #[cold]
    pub(crate) fn put_apart(&mut self, item: Apart) {
        self.restart();
        if let Some(room) = self.inline.0.get_mut(..item.payload.len()) {
            room.copy_from_slice(&item.payload);
            self.len = item.payload.len();
        } else {
            debug_assert!(item.payload.len() > INLINE_BYTES);
            self.spill.append(&item.payload);
            self.spilled = true;
        }
        self.attached = item.attached;
        self.alone = item.alone;
    }
}
