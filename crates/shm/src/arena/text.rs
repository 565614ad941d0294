//! Blocks whose bytes are text: checked once, when they are received.

use core::ops::Range;
use core::str::Utf8Error;

use super::handle::Block;

impl Block {
    /// Checks that the bytes are UTF-8; [`as_text`](Self::as_text) gives them as such then.
    ///
    /// # Errors
    /// Where they are not, and the handle.
    pub fn into_text(mut self) -> Result<Self, (Utf8Error, Self)> {
        match core::str::from_utf8(self.as_slice()) {
            Ok(_) => {
                self.is_text = true;
                Ok(self)
            }
            Err(error) => Err((error, self)),
        }
    }

    /// The text; `None` for a handle that is not known to be one.
    #[inline]
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        // SAFETY: these very bytes were found to be UTF-8 (`into_text`), or were cut out of
        // such between two characters (`slice_text`), and nobody writes them while the block
        // is SHARED. (Who writes past the arena's interface is out of scope, see `arena`.)
        self.is_text
            .then(|| unsafe { core::str::from_utf8_unchecked(self.as_slice()) })
    }

    /// A handle on a part of the text; `None` when the range is not within it or cuts a
    /// character.
    #[must_use]
    pub fn slice_text(&self, range: Range<usize>) -> Option<Self> {
        self.as_text()?.get(range.clone())?;
        let mut part = self.slice(range)?;
        part.is_text = true;
        Some(part)
    }
}
