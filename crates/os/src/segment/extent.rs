//! A large piece of shared memory for payloads.

use std::num::NonZeroUsize;
use std::ptr::NonNull;

use super::{Advice, SegmentError, SegmentName, advice, object};

/// A mapped piece of arena. It keeps no descriptor, and drop unmaps without unlinking: whoever owns the arena says when
/// a name goes, with [`super::unlink`].
#[derive(Debug)]
pub struct Extent {
    base: NonNull<u8>,
    len: NonZeroUsize,
}

// SAFETY: the value is an address range, not tied to a thread; it never touches the mapped memory itself.
unsafe impl Send for Extent {}
// SAFETY: as for Send; all methods only read fields that never change.
unsafe impl Sync for Extent {}

impl Extent {
    /// Makes, reserves and maps `len` zero bytes, readable and writable by this user alone.
    ///
    /// # Errors
    /// [`SegmentError::Full`] when there is no room, [`SegmentError::AlreadyExists`],
    /// [`SegmentError::NoSharedMemory`], or what else the system says. Nothing is left behind.
    pub fn create(
        name: &SegmentName,
        len: NonZeroUsize,
        advice: Advice,
    ) -> Result<Self, SegmentError> {
        let fd = object::create(name)?;
        object::grow(&fd, len.get())
            .and_then(|()| object::map(&fd, len))
            .map(|base| Self::new(base, len, advice))
            .inspect_err(|_| object::unlink_quietly(name))
    }

    /// Maps the first `len` bytes of what another process created.
    ///
    /// # Errors
    /// [`SegmentError::TooSmall`] when fewer bytes are there (touching them would be SIGBUS),
    /// [`SegmentError::Missing`], [`SegmentError::Permission`], or what else the system says.
    pub fn open(
        name: &SegmentName,
        len: NonZeroUsize,
        advice: Advice,
    ) -> Result<Self, SegmentError> {
        let fd = object::open(name)?;
        let found = object::len(&fd)?;
        if found < len.get() {
            return Err(SegmentError::TooSmall {
                name: name.to_string(),
                wanted: len.get(),
                found,
            });
        }
        let base = object::map(&fd, len)?;
        Ok(Self::new(base, len, advice))
    }

    fn new(base: NonNull<u8>, len: NonZeroUsize, wishes: Advice) -> Self {
        advice::advise(base, len, wishes);
        Self { base, len }
    }

    /// The first byte, aligned to a page. Valid for as long as the value lives.
    #[must_use]
    pub fn as_ptr(&self) -> NonNull<u8> {
        self.base
    }

    /// Mapped bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "an extent is never empty")]
    pub fn len(&self) -> usize {
        self.len.get()
    }
}

impl Drop for Extent {
    fn drop(&mut self) {
        // SAFETY: base and len are those of a mapping that this value made and nobody else unmaps; pointers into it are
        // valid only while the value lives, as `as_ptr` says.
        let result = unsafe { nix::sys::mman::munmap(self.base.cast(), self.len.get()) };
        if let Err(errno) = result {
            tracing::warn!(%errno, "an extent could not be unmapped");
        }
    }
}
