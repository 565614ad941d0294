//! An arena of one process, to measure what is inside of it without a pool around.

#![expect(
    unsafe_code,
    reason = "the arena is joined to memory by hand, as a pool does"
)]

use std::num::NonZeroUsize;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use forkyard_os::segment::{self, Extent, SegmentName, unlink};
use forkyard_shm::arena::{Advice, Arena, Directory, ExtentError, ExtentId, Extents, Mapped};
use forkyard_shm::{OwnerIndex, Park};

/// Extents whose names go as soon as they are mapped: nobody else is to open them.
struct Nameless;

// SAFETY: an `Extent` maps exactly the bytes asked for, page-aligned and zero, until it is
// dropped, which `Mapped` does; nobody cuts it short, and no name leads there.
unsafe impl Extents for Nameless {
    fn create(&self, id: ExtentId, bytes: NonZeroUsize, _: Advice) -> Result<Mapped, ExtentError> {
        let system = |error| ExtentError::System {
            id,
            source: Box::new(error),
        };
        let name = SegmentName::fresh().map_err(system)?;
        let made = Extent::create(&name, bytes, segment::Advice::default()).map_err(system)?;
        let _ = unlink(&name);
        Ok(Mapped::new(made.as_ptr(), made))
    }

    fn open(&self, id: ExtentId, _: NonZeroUsize, _: Advice) -> Result<Mapped, ExtentError> {
        Err(ExtentError::Gone { id })
    }

    fn unlink(&self, _: ExtentId) {}
}

/// Nobody waits here.
struct Nobody;

impl Park for Nobody {
    fn park(&self, _: &AtomicU32, _: u32, _: Option<Duration>) {}
    fn unpark(&self, _: &AtomicU32) {}
    fn unpark_all(&self, _: &AtomicU32) {}
}

/// An arena that only the caller has, to the end of the process.
#[must_use]
pub fn private() -> Arena {
    // SAFETY: a directory is all atomics, for which zero is valid.
    let directory: Box<Directory> = Box::new(unsafe { std::mem::zeroed() });
    let directory = NonNull::from(Box::leak(directory));
    // SAFETY: the directory is never freed, was all zero, and is this arena's alone, which so
    // has the only process with this index.
    unsafe { Arena::attach(directory, OwnerIndex::SUPERVISOR, Nameless, Nobody) }
}
