//! Why there is no block.

use super::class::LARGEST_BLOCK;
use super::directory::MAX_EXTENTS;
use super::extents::ExtentError;

/// Why a block could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AllocError {
    /// The arena's own limit is reached, and nothing idle was left to give back.
    #[error(
        "an extent of {wanted} bytes would exceed the arena's limit: {reserved} of {limit} bytes are \
         in use; drop shared values that are done with, or raise the limit"
    )]
    Exhausted {
        /// Bytes that were to be added.
        wanted: u64,
        /// Bytes of all extents.
        reserved: u64,
        /// The limit.
        limit: u64,
    },
    /// Every entry of the directory is taken, by extents with live blocks.
    #[error(
        "the arena has {max} extents, all in use; drop shared values that are done with, or share \
         fewer and larger ones", max = MAX_EXTENTS
    )]
    TooManyExtents,
    /// The operating system gives no extent.
    #[error("no more shared memory for the arena")]
    Extent(#[from] ExtentError),
    /// No block is that large.
    #[error("{wanted} bytes are more than one block can have, {most}; share it in parts", most = LARGEST_BLOCK)]
    TooLarge {
        /// Bytes asked for.
        wanted: usize,
    },
    /// The arena was inherited through fork and belongs to the parent.
    #[error("this arena belongs to the parent process; attach a new one after fork")]
    Disowned,
}

impl AllocError {
    /// Whether it is room that there is not, at the arena's limit or in the system.
    pub(super) fn is_no_room(&self) -> bool {
        matches!(
            self,
            Self::Exhausted { .. } | Self::Extent(ExtentError::Full { .. })
        )
    }

    /// Whether it may be otherwise once something was given back, so that waiting is of use.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        self.is_no_room() || matches!(self, Self::TooManyExtents)
    }
}
