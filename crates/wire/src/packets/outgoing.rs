//! A message on its way out.

use super::PACKET_BYTES;

/// Bytes in front of the payload: its length.
pub const HEADER_BYTES: usize = 8;

/// A message and how much of it is sent. Its packets are slices of the one buffer: nothing is copied.
#[derive(Debug, Clone)]
pub struct Outgoing {
    bytes: Vec<u8>,
    sent: usize,
}

impl Outgoing {
    /// An empty buffer with room for the header in front: encode behind it, then hand it to [`Outgoing::new`].
    #[must_use]
    pub fn with_header_room() -> Vec<u8> {
        vec![0; HEADER_BYTES]
    }

    /// A message from a buffer whose first [`HEADER_BYTES`] are room for the header; the payload follows.
    ///
    /// # Panics
    /// When the buffer is shorter than the header.
    #[must_use]
    pub fn new(mut bytes: Vec<u8>) -> Self {
        assert!(
            bytes.len() >= HEADER_BYTES,
            "begin the buffer with Outgoing::with_header_room"
        );
        let payload_bytes = (bytes.len() - HEADER_BYTES) as u64;
        bytes[..HEADER_BYTES].copy_from_slice(&payload_bytes.to_le_bytes());
        Self { bytes, sent: 0 }
    }

    /// Bytes of the message without its header.
    #[must_use]
    pub fn payload_bytes(&self) -> usize {
        self.bytes.len() - HEADER_BYTES
    }

    /// Whether all of it is sent.
    #[must_use]
    pub fn is_sent(&self) -> bool {
        self.sent == self.bytes.len()
    }

    /// Bytes of the packet that is next, for [`super::window_cost`]; 0 when all is sent.
    #[must_use]
    pub fn next_packet_len(&self) -> usize {
        self.next_packet().len()
    }

    /// The packet that is next; empty when all is sent.
    #[must_use]
    pub fn next_packet(&self) -> &[u8] {
        let end = self.bytes.len().min(self.sent + PACKET_BYTES);
        &self.bytes[self.sent..end]
    }

    /// Counts the next packet as sent, and says how long it was.
    pub fn advance(&mut self) -> usize {
        let len = self.next_packet_len();
        self.sent += len;
        len
    }

    /// All bytes, header included, to be sent anew by another link's [`Outgoing::new`].
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The buffer, empty but for the room for a header, to be used again with its pages warm.
    #[must_use]
    pub fn into_buffer(self) -> Vec<u8> {
        let mut bytes = self.bytes;
        bytes.truncate(HEADER_BYTES);
        bytes
    }
}
