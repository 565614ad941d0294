//! A message on its way in.

use super::{HEADER_BYTES, PACKET_BYTES};

/// The most that is reserved on the word of a first packet; the second one proves that the sender means it.
const RESERVED_ON_TRUST_BYTES: usize = 1 << 20;

/// What a peer may not send.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PacketError {
    /// A first packet without a whole header.
    #[error("a first packet of {bytes} bytes has no room for its header")]
    NoHeader {
        /// Bytes of the packet.
        bytes: usize,
    },
    /// A message longer than allowed.
    #[error(
        "a message of {total} bytes is announced and {limit} are allowed; raise the message limit"
    )]
    TooLong {
        /// Bytes that the header announces.
        total: u64,
        /// Bytes that are allowed.
        limit: u64,
    },
    /// A packet that is not as long as its place in the message demands.
    #[error("a packet brings {found} bytes of payload where {wanted} are due")]
    WrongLength {
        /// Bytes that are due.
        wanted: usize,
        /// Bytes that came.
        found: usize,
    },
    /// There is no memory for the message.
    #[error("there is no memory for a message of {total} bytes")]
    NoMemory {
        /// Bytes that the header announces.
        total: u64,
    },
}

/// Puts packets together, one message at a time.
#[derive(Debug)]
pub struct Incoming {
    limit: u64,
    message: Vec<u8>,
    /// Payload that is still to come; 0 between messages.
    missing: usize,
    spare: Vec<u8>,
}

impl Incoming {
    /// Nothing received yet; messages of more than `limit_bytes` will be refused.
    #[must_use]
    pub fn new(limit_bytes: u64) -> Self {
        Self {
            limit: limit_bytes,
            message: Vec::new(),
            missing: 0,
            spare: Vec::new(),
        }
    }

    /// Takes the next packet, and gives the message back if it is whole now.
    ///
    /// # Errors
    /// [`PacketError`] for a packet that no [`super::Outgoing`] makes. What had come of the message is dropped.
    pub fn push(&mut self, packet: &[u8]) -> Result<Option<Vec<u8>>, PacketError> {
        let result = if self.missing == 0 {
            self.begin(packet)
        } else {
            self.go_on(packet)
        };
        if result.is_err() {
            self.missing = 0;
            self.message = Vec::new();
        }
        result
    }

    /// Gives a buffer back, so that the next message is put together in pages that are warm. One is kept.
    pub fn recycle(&mut self, buffer: Vec<u8>) {
        if buffer.capacity() > self.spare.capacity() {
            self.spare = buffer;
        }
    }

    /// Whether part of a message has come and the rest has not.
    #[must_use]
    pub fn is_midway(&self) -> bool {
        self.missing > 0
    }

    /// Allows messages of up to `limit_bytes` from the next one on.
    pub fn set_limit(&mut self, limit_bytes: u64) {
        self.limit = limit_bytes;
    }

    #[cfg(test)]
    pub(super) fn reserved_bytes(&self) -> usize {
        self.message.capacity()
    }

    fn begin(&mut self, packet: &[u8]) -> Result<Option<Vec<u8>>, PacketError> {
        let Some((header, payload)) = packet.split_first_chunk::<HEADER_BYTES>() else {
            let bytes = packet.len();
            return Err(PacketError::NoHeader { bytes });
        };
        let total = u64::from_le_bytes(*header);
        let too_long = PacketError::TooLong {
            total,
            limit: self.limit,
        };
        if total > self.limit {
            return Err(too_long);
        }
        let total_bytes = usize::try_from(total).map_err(|_| too_long)?;
        self.message = std::mem::take(&mut self.spare);
        self.message.clear();
        self.reserve(total_bytes.min(RESERVED_ON_TRUST_BYTES), total)?;
        self.missing = total_bytes;
        self.append(payload, PACKET_BYTES - HEADER_BYTES)
    }

    fn go_on(&mut self, packet: &[u8]) -> Result<Option<Vec<u8>>, PacketError> {
        // From the second packet on the sender is believed; later calls find the room there.
        self.reserve(self.missing, (self.message.len() + self.missing) as u64)?;
        self.append(packet, PACKET_BYTES)
    }

    fn reserve(&mut self, bytes: usize, total: u64) -> Result<(), PacketError> {
        self.message
            .try_reserve_exact(bytes)
            .map_err(|_| PacketError::NoMemory { total })
    }

    fn append(&mut self, payload: &[u8], most: usize) -> Result<Option<Vec<u8>>, PacketError> {
        let wanted = self.missing.min(most);
        let found = payload.len();
        if found != wanted {
            return Err(PacketError::WrongLength { wanted, found });
        }
        self.message.extend_from_slice(payload);
        self.missing -= found;
        Ok((self.missing == 0).then(|| std::mem::take(&mut self.message)))
    }
}
