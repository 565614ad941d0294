//! Bytes that become longer while they are written.

use std::io;

use super::Arena;
use super::error::ArenaError;
use super::owned::Owned;
use super::shared::Shared;

/// Bytes that the first block has room for.
const FIRST_BYTES: usize = 4096;

/// Writes bytes of unknown length into shared memory, and shares them when they are all
/// there: what a growing `Vec<u8>` is on the heap. From [`Arena::writer`].
///
/// It moves to a block twice as large when one is full, so writing n bytes copies at most
/// another n. What stays unused of the last block (at most half) is given back with it.
///
/// ```no_run
/// use std::io::Write;
///
/// # forkyard::init();
/// # let pool = forkyard::Pool::builder().build()?;
/// let mut log = pool.arena().writer();
/// for line in 0..1000 {
///     writeln!(log, "line {line}")?;
/// }
/// let log = log.into_text()?;
/// assert!(log.ends_with("line 999\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ArenaWriter {
    arena: Arena,
    block: Option<Owned<[u8]>>,
    len: usize,
}

impl ArenaWriter {
    pub(super) fn new(arena: Arena) -> Self {
        Self {
            arena,
            block: None,
            len: 0,
        }
    }

    /// What was written so far.
    #[must_use]
    pub fn written(&self) -> &[u8] {
        self.block.as_ref().map_or(&[], |block| &block[..self.len])
    }

    /// Makes room for so many bytes more, so that writing them cannot fail.
    ///
    /// # Errors
    /// As [`Arena::alloc`]; what was written stays.
    pub fn reserve(&mut self, more: usize) -> Result<(), ArenaError> {
        let room = self.block.as_ref().map_or(0, |block| block.len());
        let wanted = self.len.saturating_add(more);
        if wanted <= room {
            return Ok(());
        }
        let bytes = wanted.max(room.saturating_mul(2)).max(FIRST_BYTES);
        let mut larger = self.arena.alloc::<u8>(bytes)?;
        larger[..self.len].copy_from_slice(self.written());
        self.block = Some(larger);
        Ok(())
    }

    /// Ends the writing, and shares the bytes.
    ///
    /// # Errors
    /// As [`Arena::alloc`], when nothing was written.
    pub fn into_shared(self) -> Result<Shared<[u8]>, ArenaError> {
        match self.block {
            Some(block) => Ok(block.into_shared().slice(..self.len)),
            None => self.arena.copy_from(&[]),
        }
    }

    /// Ends the writing, and shares the text.
    ///
    /// # Errors
    /// [`ArenaError::NotText`] when it is none; else as [`into_shared`](Self::into_shared).
    pub fn into_text(self) -> Result<Shared<str>, ArenaError> {
        self.into_shared()?.into_text()
    }
}

/// Fails when there is no room, with the [`ArenaError`] inside.
impl io::Write for ArenaWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.reserve(bytes.len())
            .map_err(|error| io::Error::new(io::ErrorKind::StorageFull, error))?;
        if let Some(block) = &mut self.block {
            block[self.len..][..bytes.len()].copy_from_slice(bytes);
            self.len += bytes.len();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
