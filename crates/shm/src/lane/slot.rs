//! The bytes of a slot: a half for the task, and one for its result.
//!
//! ```text
//!         task half                        result half
//!  0x00   task word (see `state`)   u32    0x80   result word
//!  0x04   reserved                  u32    0x84
//!  0x08   entry: what to run        u64    0x88  \
//!  0x10   items in this message     u32    0x90   |
//!  0x14   round it belongs to       u32    0x94   |  Message
//!  0x18   payload length            u32    0x98   |
//!  0x1c   where the payload is      u16    0x9c   |
//!  0x1e   status of a result        u16    0x9e  /
//!  0x20   payload in place, or      [u8;   0xa0
//!         descriptor                 96]
//!  0x80                                   0x100
//! ```
//!
//! Each half is two cache lines, aligned to both, because processors fetch lines in pairs. A
//! payload of up to 32 bytes uses the first line only, so a tiny task moves one line there and
//! one back, which is what a bare exchange between two processes moves.

#[cfg(not(loom))]
use core::mem::{offset_of, size_of};

use crate::sync::{AtomicU32, UnsafeCell};

/// The longest payload that fits into a slot, in bytes.
pub const INLINE_BYTES: usize = 96;

/// Where the payload of a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Where {
    /// In the slot.
    Inline,
    /// In a block of the arena; the slot holds its descriptor.
    Block,
}

/// What a slot says besides its payload. `status` and `round` are the runtime's to define.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Message {
    /// What to run: an offset into the program's code; zero asks the worker to end.
    pub entry: u64,
    /// How many items the payload holds.
    pub items: u32,
    /// The search round that the message belongs to, or zero.
    pub round: u32,
    /// Bytes of payload in the slot.
    pub len: u32,
    /// 0 in the slot, 1 in a block. Read through [`Message::place`].
    pub place: u16,
    /// How a result is to be read.
    pub status: u16,
}

/// Why a message from a peer is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MessageFault {
    /// The length exceeds the slot.
    #[error("a slot says its payload has {0} bytes, a slot holds {INLINE_BYTES}")]
    Length(u32),
    /// Neither in the slot nor in a block.
    #[error("a slot says its payload is at place {0}, there are places 0 and 1")]
    Place(u16),
}

impl Message {
    /// Where the payload is.
    ///
    /// # Errors
    /// When a peer wrote a place that there is not.
    pub fn place(&self) -> Result<Where, MessageFault> {
        match self.place {
            0 => Ok(Where::Inline),
            1 => Ok(Where::Block),
            other => Err(MessageFault::Place(other)),
        }
    }

    /// Sets the place.
    #[must_use]
    pub fn at(mut self, place: Where) -> Self {
        self.place = match place {
            Where::Inline => 0,
            Where::Block => 1,
        };
        self
    }

    /// Refuses what no correct peer writes.
    ///
    /// # Errors
    /// [`MessageFault`], by name.
    #[inline]
    pub fn validated(self) -> Result<Self, MessageFault> {
        if self.len as usize > INLINE_BYTES {
            return Err(MessageFault::Length(self.len));
        }
        self.place().map(|_| self)
    }
}

/// A half of a slot: what goes one way.
#[derive(Debug)]
#[repr(C, align(128))]
pub struct Half {
    /// The lap of what is in it; see `state`.
    pub(super) word: AtomicU32,
    _reserved: u32,
    message: UnsafeCell<Message>,
    payload: UnsafeCell<[u8; INLINE_BYTES]>,
}

/// One slot of a lane.
#[derive(Debug)]
#[repr(C)]
pub struct Slot {
    task: Half,
    result: Half,
}

#[cfg(not(loom))]
const _: () = {
    assert!(size_of::<Slot>() == 0x100);
    assert!(offset_of!(Slot, task) == 0x00);
    assert!(offset_of!(Slot, result) == 0x80);
    assert!(size_of::<Half>() == 0x80);
    assert!(size_of::<Message>() == 0x18);
    assert!(offset_of!(Half, word) == 0x00);
    assert!(offset_of!(Half, _reserved) == 0x04);
    assert!(offset_of!(Half, message) == 0x08);
    assert!(offset_of!(Half, payload) == 0x20);
    assert!(offset_of!(Message, entry) == 0x00);
    assert!(offset_of!(Message, items) == 0x08);
    assert!(offset_of!(Message, round) == 0x0c);
    assert!(offset_of!(Message, len) == 0x10);
    assert!(offset_of!(Message, place) == 0x14);
    assert!(offset_of!(Message, status) == 0x16);
};

// SAFETY: the cells are reached only through `read`, `write` and `payload`, whose callers
// hold the half by the slot's words; the hand-over is the Release/Acquire pair of `state`.
unsafe impl Sync for Half {}

impl Half {
    #[cfg(all(test, loom))]
    fn new() -> Self {
        Self {
            word: AtomicU32::new(0),
            _reserved: 0,
            message: UnsafeCell::new(Message::default()),
            payload: UnsafeCell::new([0; INLINE_BYTES]),
        }
    }

    /// Reads the message, once, into memory that no peer can change behind our back.
    ///
    /// # Safety
    /// The caller owns the half by the slot's words. (A peer that breaks the protocol can tear
    /// the message; every bit pattern is a valid `Message`, and it is validated after the read.)
    #[inline]
    pub(super) unsafe fn read(&self) -> Message {
        // SAFETY: in bounds and aligned by construction; volatile so that the value
        // validated is the value used.
        self.message.with(|at| unsafe { at.read_volatile() })
    }

    /// Writes the message.
    ///
    /// # Safety
    /// The caller owns the half by the slot's words.
    #[inline]
    pub(super) unsafe fn write(&self, message: Message) {
        // SAFETY: as in `read`.
        self.message.with_mut(|at| unsafe { at.write(message) });
    }

    /// The payload's memory, to read.
    #[inline]
    pub(super) fn payload(&self) -> *const [u8; INLINE_BYTES] {
        self.payload.with(|at| at)
    }

    /// The payload's memory, to write. Whoever asks owns the half by the slot's words: a model
    /// takes the asking for a write.
    #[inline]
    pub(super) fn payload_mut(&self) -> *mut [u8; INLINE_BYTES] {
        self.payload.with_mut(|at| at)
    }

    /// Asks for the first line, to be written soon, without waiting for it.
    #[inline]
    pub(super) fn prefetch(&self) {
        crate::sync::prefetch_for_write(core::ptr::from_ref(self).cast());
    }
}

impl Slot {
    /// A slot for a model; real ones begin as zeroed memory.
    #[cfg(all(test, loom))]
    pub(crate) fn new() -> Self {
        Self {
            task: Half::new(),
            result: Half::new(),
        }
    }

    /// The word in which the result is announced.
    #[cfg(not(loom))]
    pub(crate) fn result_word(&self) -> &AtomicU32 {
        &self.result.word
    }

    #[inline]
    pub(super) fn task(&self) -> &Half {
        &self.task
    }

    #[inline]
    pub(super) fn result(&self) -> &Half {
        &self.result
    }
}
