//! A control segment as an onlooker has it: mapped for reading only.

use std::num::NonZeroUsize;
use std::os::fd::OwnedFd;
use std::ptr::NonNull;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::mman::{MapFlags, ProtFlags};
use nix::sys::stat::Mode;

use super::{SegmentError, SegmentName, object, platform};
use crate::OsError;
use crate::error::retry;

/// A segment that another process made, mapped without the right to write. Neither its maker nor its workers notice,
/// and the mapping stays when they are gone.
#[derive(Debug)]
pub struct SegmentView {
    base: NonNull<u8>,
    len: NonZeroUsize,
    name: SegmentName,
}

// SAFETY: the value is an address range and a name, not tied to a thread; it never touches the mapped memory itself.
unsafe impl Send for SegmentView {}
// SAFETY: as for Send; all methods only read fields that never change.
unsafe impl Sync for SegmentView {}

impl SegmentView {
    /// Maps the segment of that name, in the length that it has.
    ///
    /// # Errors
    /// [`SegmentError::Missing`], [`SegmentError::Permission`] also for one that belongs to another user,
    /// [`SegmentError::TooSmall`] for an empty one, or what else the system says.
    pub fn open(name: &SegmentName) -> Result<Self, SegmentError> {
        let fd = open(name)?;
        let stat = nix::sys::stat::fstat(&fd)
            .map_err(|errno| OsError::new("measure shared memory", errno))?;
        // Root may open everybody's; what a stranger wrote is not what this user's pool says.
        if stat.st_uid != nix::unistd::geteuid().as_raw() {
            return Err(SegmentError::Permission {
                name: name.to_string(),
            });
        }
        let found = usize::try_from(stat.st_size).unwrap_or(0);
        let len = NonZeroUsize::new(found).ok_or_else(|| SegmentError::TooSmall {
            name: name.to_string(),
            wanted: 1,
            found,
        })?;
        // SAFETY: with no address asked for the kernel takes room that nothing else uses, so no memory of this process
        // is replaced.
        let base = unsafe {
            nix::sys::mman::mmap(
                None,
                len,
                ProtFlags::PROT_READ,
                MapFlags::MAP_SHARED,
                &fd,
                0,
            )
        }
        .map_err(|errno| OsError::new("map shared memory for reading", errno))?;
        Ok(Self {
            base: base.cast(),
            len,
            name: name.clone(),
        })
    }

    /// The first byte, aligned to a page. Valid, for reading, for as long as the value lives.
    #[must_use]
    pub fn as_ptr(&self) -> NonNull<u8> {
        self.base
    }

    /// Mapped bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a segment is never empty")]
    pub fn len(&self) -> usize {
        self.len.get()
    }

    /// Whether its name still leads to a segment: its owner takes the name away when it has ended.
    #[must_use]
    pub fn is_named(&self) -> bool {
        open(&self.name).is_ok()
    }

    /// The segment's name.
    #[must_use]
    pub fn name(&self) -> &SegmentName {
        &self.name
    }
}

fn open(name: &SegmentName) -> Result<OwnedFd, SegmentError> {
    retry(|| nix::sys::mman::shm_open(name.as_str(), OFlag::O_RDONLY, Mode::empty()))
        .map_err(|errno| object::named(name, "open shared memory", errno))
}

impl Drop for SegmentView {
    fn drop(&mut self) {
        // SAFETY: base and len are those of a mapping that this value made and nobody else unmaps; pointers into it are
        // valid only while the value lives, as `as_ptr` says.
        let result = unsafe { nix::sys::mman::munmap(self.base.cast(), self.len.get()) };
        if let Err(errno) = result {
            tracing::warn!(%errno, "a segment could not be unmapped");
        }
    }
}

/// The control segments of processes that are alive, whoever they belong to, oldest process first.
///
/// Those of a container that shares `/dev/shm` but not its pids are not among them.
///
/// # Errors
/// When the system does not list shared memory.
pub fn living() -> Result<Vec<SegmentName>, SegmentError> {
    let names = match platform::list() {
        Ok(names) => names,
        Err(error) if error.errno() == Some(Errno::ENOENT as i32) => {
            return Err(SegmentError::NoSharedMemory);
        }
        Err(error) => return Err(error.into()),
    };
    let mut living: Vec<SegmentName> = names
        .iter()
        .filter_map(|(text, _)| SegmentName::parse(text).ok())
        .filter(|name| *name == name.pool() && name.creator_is_alive())
        .collect();
    living.sort_by(|a, b| {
        let key = |name: &SegmentName| (name.creator_start(), name.creator_pid());
        key(a).cmp(&key(b)).then(a.as_str().cmp(b.as_str()))
    });
    Ok(living)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Pid;
    use crate::segment::Segment;

    #[test]
    fn an_onlooker_sees_what_is_written_and_cannot_write() {
        let len = NonZeroUsize::new(8192).expect("not zero");
        let segment = Segment::create_fresh(len).expect("a segment");
        let view = SegmentView::open(segment.name()).expect("it is there");
        assert!(view.len() >= len.get());
        assert_eq!(view.name(), segment.name());
        assert!(view.is_named());
        // SAFETY: both are mapped and at least 8192 bytes long; nobody else knows the segment.
        let seen = unsafe {
            segment.as_ptr().add(5000).write_volatile(42);
            view.as_ptr().add(5000).read_volatile()
        };
        assert_eq!(seen, 42);
        let address = format!("{:x}-", view.as_ptr().as_ptr() as usize);
        if let Ok(maps) = std::fs::read_to_string("/proc/self/maps") {
            let line = maps.lines().find(|line| line.starts_with(&address));
            assert!(line.expect("mapped").contains(" r--s "), "{line:?}");
        }
    }

    #[test]
    fn the_living_are_listed_until_they_are_gone() {
        let len = NonZeroUsize::new(4096).expect("not zero");
        let segment = Segment::create_fresh(len).expect("a segment");
        let name = segment.name().clone();
        assert_eq!(name.creator_pid(), Pid::current());
        assert!(living().expect("a list").contains(&name));
        drop(segment);
        assert!(!living().expect("a list").contains(&name));
        let missing = SegmentView::open(&name).expect_err("it is gone");
        assert!(matches!(missing, SegmentError::Missing { .. }), "{missing}");
    }
}
