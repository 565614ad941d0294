//! Where extents come from: the join between the arena and an operating system.

use core::fmt;
use core::num::NonZeroUsize;
use core::ptr::NonNull;

/// Names one extent for ever: its directory entry, and how often that entry was used.
/// The name of the operating system's object derives from both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExtentId {
    /// The directory entry, below [`MAX_EXTENTS`](super::MAX_EXTENTS).
    pub index: u16,
    /// Counts the extents that this entry held; below 2^21.
    pub generation: u32,
}

impl fmt::Display for ExtentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index, self.generation)
    }
}

/// From this size on an extent is mapped as the [`Advice`] says: that of a huge page.
const ADVISED_BYTES: usize = 2 << 20;

/// How large extents are to be mapped. A wish: a system that cannot does without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Advice {
    /// Huge pages are asked for.
    pub huge_pages: bool,
    /// The pages are entered into the page table at once, not when they are first touched.
    pub prefault: bool,
}

impl Advice {
    pub(super) fn bits(self) -> u32 {
        u32::from(self.huge_pages) | u32::from(self.prefault) << 1
    }

    pub(super) fn of_bits(bits: u32) -> Self {
        Self {
            huge_pages: bits & 1 != 0,
            prefault: bits & 2 != 0,
        }
    }

    /// What holds for an extent of that size: small ones are as they are.
    #[must_use]
    pub fn for_bytes(self, bytes: NonZeroUsize) -> Self {
        if bytes.get() < ADVISED_BYTES {
            return Self::default();
        }
        self
    }
}

/// Makes, maps and unlinks extents.
///
/// # Safety
/// The arena hands out slices of what this returns, so an implementation promises, for
/// `create` and `open`:
///
/// * the memory is valid for reads and writes of `bytes` bytes, aligned to 4096, for as long
///   as the [`Mapped`] lives; it must not be cut short meanwhile by anybody (a later
///   [`unlink`](Self::unlink) only takes the name away);
/// * after `create` every byte is zero, and no other name leads to the memory;
/// * `open` of the same id maps the same memory, and refuses an object that has fewer bytes.
pub unsafe trait Extents: Send + Sync {
    /// Makes and maps an object of exactly `bytes` zero bytes, its room reserved. An object
    /// left over under this name is replaced.
    ///
    /// # Errors
    /// [`ExtentError::Full`] when there is no room; nothing is left behind.
    fn create(
        &self,
        id: ExtentId,
        bytes: NonZeroUsize,
        advice: Advice,
    ) -> Result<Mapped, ExtentError>;

    /// Maps what another process created under the same id.
    ///
    /// # Errors
    /// [`ExtentError::Gone`] when it is not there, or is smaller than `bytes`.
    fn open(
        &self,
        id: ExtentId,
        bytes: NonZeroUsize,
        advice: Advice,
    ) -> Result<Mapped, ExtentError>;

    /// Takes the name away; what is mapped stays. Called more than once, and for names that
    /// never were, when a death is cleaned up after.
    fn unlink(&self, id: ExtentId);

    /// Whether this process has the arena through a fork only: it is its parent's then, and
    /// nothing of it is given back here. Asked for every block that is taken or given back.
    fn is_inherited(&self) -> bool {
        false
    }
}

/// A mapped extent: its first byte, and what keeps it mapped. Drop unmaps.
pub struct Mapped {
    base: NonNull<u8>,
    _keep: Box<dyn Send + Sync>,
}

// SAFETY: the pointer is an address that stays valid while `_keep` lives, on any thread;
// `_keep` itself may be sent and shared.
unsafe impl Send for Mapped {}
// SAFETY: as for Send; the value has no method that writes.
unsafe impl Sync for Mapped {}

impl Mapped {
    /// `base` stays mapped until `keep` is dropped.
    #[must_use]
    pub fn new(base: NonNull<u8>, keep: impl Send + Sync + 'static) -> Self {
        Self {
            base,
            _keep: Box::new(keep),
        }
    }

    /// The first byte.
    #[must_use]
    pub fn base(&self) -> NonNull<u8> {
        self.base
    }
}

impl fmt::Debug for Mapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Mapped").field(&self.base).finish()
    }
}

/// Why an extent could not be made or mapped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExtentError {
    /// The shared-memory file system has too little room.
    #[error(
        "no room for an extent of {wanted} bytes: {free} of {limit} bytes of shared memory are free; \
         drop shared values that are done with, or enlarge it (docker run --shm-size=…, or \
         mount -o remount,size=… /dev/shm)"
    )]
    Full {
        /// Bytes asked for.
        wanted: u64,
        /// Bytes that are free; 0 where the system does not tell.
        free: u64,
        /// Bytes that it holds at most; 0 where the system does not tell.
        limit: u64,
    },
    /// It is not there any more.
    #[error("extent {id} is gone or was cut short; its owner died or gave it back meanwhile")]
    Gone {
        /// The extent.
        id: ExtentId,
    },
    /// Anything else that the system said.
    #[error("extent {id} cannot be mapped; see the cause below")]
    System {
        /// The extent.
        id: ExtentId,
        /// What the system said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
