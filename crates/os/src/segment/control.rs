//! The control segment: small, named, through the `shared_memory` crate.

use std::num::NonZeroUsize;
use std::ptr::NonNull;

use nix::errno::Errno;
use shared_memory::{Shmem, ShmemConf, ShmemError};

use super::sweep::SignOfLife;
use super::{SegmentError, SegmentName, object, platform};
use crate::OsError;
use crate::process::Pid;

/// Names that are tried for one segment. With 46 random bits in each, a second one is never needed by chance.
const MOST_NAMES: u32 = 8;

/// A mapped control segment. The process that created it unlinks its name on drop; a child forked from that process
/// holds a copy of this value and does not, because ownership goes by pid.
pub struct Segment {
    mapping: Shmem,
    base: NonNull<u8>,
    name: SegmentName,
    creator: Option<Pid>,
    _sign_of_life: Option<SignOfLife>,
}

// SAFETY: the value is an address range, a descriptor and a name, none of which is tied to a thread; it hands out a
// pointer and never touches the mapped memory itself.
unsafe impl Send for Segment {}
// SAFETY: as for Send; all methods only read fields that never change.
unsafe impl Sync for Segment {}

impl Segment {
    /// Makes, reserves and maps a segment of `len` zero bytes, readable and writable by this user alone.
    ///
    /// # Errors
    /// [`SegmentError::Full`] when there is no room, [`SegmentError::AlreadyExists`],
    /// [`SegmentError::NoSharedMemory`], [`SegmentError::Missing`] when another container took it for a leftover before it
    /// could be locked, or what else the system says. Nothing is left behind.
    pub fn create(name: &SegmentName, len: NonZeroUsize) -> Result<Self, SegmentError> {
        let mut mapping = ShmemConf::new()
            .os_id(name.as_str())
            .size(len.get())
            .create()
            .map_err(|error| translate(name, len.get(), &error))?;
        // The mapping is sparse so far. It is not touched before its pages are reserved, on a descriptor of our own:
        // the crate keeps its descriptor to itself. Until then its drop unlinks, which is right for a failure.
        let fd = object::open(name)?;
        object::reserve(&fd, len.get())?;
        mapping.set_owner(false);
        platform::register(name);
        let mut segment = Self::new(mapping, name, Some(Pid::current()))?;
        let swept = || SegmentError::Missing {
            name: name.to_string(),
        };
        segment._sign_of_life = Some(SignOfLife::give(fd).ok_or_else(swept)?);
        Ok(segment)
    }

    /// Makes a segment under a fresh name. Should somebody else have one of that name, who guessed it or by chance, it is
    /// left alone, and another name taken.
    ///
    /// # Errors
    /// As [`Segment::create`]; [`SegmentError::AlreadyExists`] and [`SegmentError::Missing`] only when that happens to name
    /// after name.
    pub fn create_fresh(len: NonZeroUsize) -> Result<Self, SegmentError> {
        Self::create_under(SegmentName::fresh, len)
    }

    pub(super) fn create_under(
        mut next_name: impl FnMut() -> Result<SegmentName, SegmentError>,
        len: NonZeroUsize,
    ) -> Result<Self, SegmentError> {
        for _ in 1..MOST_NAMES {
            match Self::create(&next_name()?, len) {
                Err(SegmentError::AlreadyExists { name } | SegmentError::Missing { name }) => {
                    tracing::warn!(name, "the name of a new segment was taken");
                }
                other => return other,
            }
        }
        Self::create(&next_name()?, len)
    }

    /// Maps a segment that another process created, in the length that it has.
    ///
    /// # Errors
    /// [`SegmentError::Missing`], [`SegmentError::Permission`], [`SegmentError::TooSmall`] for an empty one, or what else
    /// the system says.
    pub fn open(name: &SegmentName) -> Result<Self, SegmentError> {
        let found = object::len(&object::open(name)?)?;
        if found == 0 {
            return Err(SegmentError::TooSmall {
                name: name.to_string(),
                wanted: 1,
                found,
            });
        }
        // The crate measures the file again and maps just what it finds.
        let mapping = ShmemConf::new()
            .os_id(name.as_str())
            .open()
            .map_err(|error| translate(name, found, &error))?;
        Self::new(mapping, name, None)
    }

    fn new(mapping: Shmem, name: &SegmentName, creator: Option<Pid>) -> Result<Self, SegmentError> {
        let base = NonNull::new(mapping.as_ptr())
            .ok_or_else(|| OsError::new("map shared memory", Errno::EFAULT))?;
        Ok(Self {
            mapping,
            base,
            name: name.clone(),
            creator,
            _sign_of_life: None,
        })
    }

    /// The first byte, aligned to a page. Valid for as long as the value lives.
    #[must_use]
    pub fn as_ptr(&self) -> NonNull<u8> {
        self.base
    }

    /// Mapped bytes: what was asked for at creation; macOS rounds up to pages when opening.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a segment is never empty")]
    pub fn len(&self) -> usize {
        self.mapping.len()
    }

    /// The segment's name.
    #[must_use]
    pub fn name(&self) -> &SegmentName {
        &self.name
    }
}

impl std::fmt::Debug for Segment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Segment")
            .field("name", &self.name)
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        if self.creator == Some(Pid::current()) {
            object::unlink_quietly(&self.name);
        }
    }
}

fn translate(name: &SegmentName, len: usize, error: &ShmemError) -> SegmentError {
    let errno = |code: u32| Errno::from_raw(code.cast_signed());
    match *error {
        ShmemError::MappingIdExists => object::not_created(name, Errno::EEXIST),
        ShmemError::MapCreateFailed(code)
        | ShmemError::MapOpenFailed(code)
        | ShmemError::UnknownOsError(code)
            if errno(code) == Errno::ENOMEM =>
        {
            object::full(len)
        }
        ShmemError::MapCreateFailed(code) => object::not_created(name, errno(code)),
        ShmemError::MapOpenFailed(code) | ShmemError::UnknownOsError(code) => {
            object::named(name, "map shared memory", errno(code))
        }
        _ => OsError::new("map shared memory", Errno::EINVAL).into(),
    }
}
