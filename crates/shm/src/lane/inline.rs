//! A payload that travels in a slot, as a process keeps it.

use super::slot::INLINE_BYTES;

/// What fits the first cache line of a half, beside its header.
pub const SHORT_BYTES: usize = 32;

/// Bytes that travel in a slot. Most are short, and messages are moved about, so long ones are
/// put aside.
#[derive(Debug, Default)]
pub struct Inline {
    /// The bytes, while they are no more than [`SHORT_BYTES`].
    pub short: Short,
    /// All of them, when they are more.
    pub long: Option<Box<[u8; INLINE_BYTES]>>,
}

/// Aligned, so that it moves in whole registers and can be read right after it was written:
/// bytes at odd addresses cost a stalled store-forwarding at every move.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C, align(8))]
pub struct Short(pub [u8; SHORT_BYTES]);

impl Inline {
    /// The first `len` of `bytes`, at least.
    #[inline]
    #[must_use]
    pub fn new(bytes: &[u8; INLINE_BYTES], len: usize) -> Self {
        match bytes.first_chunk() {
            Some(short) if len <= SHORT_BYTES => Self {
                short: Short(*short),
                long: None,
            },
            _ => Self {
                short: Short::default(),
                long: Some(Box::new(*bytes)),
            },
        }
    }

    /// At least as many bytes as it was made with.
    #[inline]
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match &self.long {
            None => &self.short.0,
            Some(bytes) => bytes.as_slice(),
        }
    }

    /// Copies the bytes into a half; its second cache line is left alone if it can be.
    #[inline]
    pub fn write_to(&self, half: &mut [u8; INLINE_BYTES]) {
        match &self.long {
            None => half[..SHORT_BYTES].copy_from_slice(&self.short.0),
            Some(bytes) => *half = **bytes,
        }
    }
}
