//! Bytes that are written where they stay.

/// Bytes kept for the next use; more is given back.
const KEPT: usize = 1 << 20;
/// Room made at a time, at least and at most.
const ROOM: std::ops::RangeInclusive<usize> = 4 << 10..=64 << 10;

/// A vector that is initialized beyond what is used of it, so that encoding writes into it.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    used: usize,
}

impl Buffer {
    pub(super) fn len(&self) -> usize {
        self.used
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.used]
    }

    /// What is used, to be written over.
    pub(super) fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.used]
    }

    /// The bytes behind what is used. What they hold means nothing.
    #[inline]
    pub(super) fn room(&mut self) -> &mut [u8] {
        &mut self.bytes[self.used..]
    }

    /// So many bytes of the room are used now.
    #[inline]
    pub(super) fn advance(&mut self, bytes: usize) {
        debug_assert!(bytes <= self.bytes.len() - self.used);
        self.used += bytes;
    }

    /// Makes more room, as much as is used, within limits.
    pub(super) fn make_room(&mut self) {
        let room = self.used.clamp(*ROOM.start(), *ROOM.end());
        if self.bytes.len() - self.used < room {
            self.bytes.resize(self.used + room, 0);
        }
    }

    pub(super) fn append(&mut self, bytes: &[u8]) {
        if let Some(room) = self.room().get_mut(..bytes.len()) {
            room.copy_from_slice(bytes);
        } else {
            self.bytes.truncate(self.used);
            self.bytes.extend_from_slice(bytes);
        }
        self.used += bytes.len();
    }

    /// Appends what `write` does. When it fails, or panics, nothing was appended.
    pub(super) fn append_with<E>(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.bytes.truncate(self.used);
        write(&mut self.bytes)?;
        self.used = self.bytes.len();
        Ok(())
    }

    /// Takes `bytes` out at `at`.
    pub(super) fn remove(&mut self, at: usize, bytes: usize) {
        self.bytes.copy_within(at + bytes..self.used, at);
        self.used -= bytes;
    }

    /// Nothing is used.
    pub(super) fn restart(&mut self) {
        self.used = 0;
    }

    /// The same, and what is large is given back.
    pub(super) fn clear(&mut self) {
        self.restart();
        self.bytes.truncate(KEPT);
        self.bytes.shrink_to(KEPT);
    }

    /// What is used, as a vector; nothing is left here.
    pub(super) fn take(&mut self) -> Vec<u8> {
        self.bytes.truncate(self.used);
        self.used = 0;
        std::mem::take(&mut self.bytes)
    }

    /// Has room in a vector that was used before, if that has more.
    pub(super) fn reuse(&mut self, bytes: Vec<u8>) {
        if bytes.capacity() > self.bytes.capacity() {
            self.bytes = bytes;
            self.used = 0;
        }
    }
}
