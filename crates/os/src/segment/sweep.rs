//! Finding what a machine-wide kill left behind: segments whose creator, and all who could clean up, are gone.
//!
//! A segment is judged twice. Its name says who made it and when that process started, so a pid that was used again is
//! not taken for its maker. And a creator holds a lock on its control segment that the kernel lets go with its last
//! process, which holds across containers that share `/dev/shm` but cannot see each other's pids.

use std::collections::BTreeMap;

use nix::fcntl::{Flock, FlockArg};
use std::os::fd::OwnedFd;

use super::{SegmentError, SegmentName, object, platform, unlink};

/// A segment that nobody uses any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// Its name.
    pub name: SegmentName,
    /// Its size in bytes; 0 where the system does not tell.
    pub bytes: u64,
}

/// The lock by which a creator is known to live; held as long as the value, or a forked copy of it, lives.
#[derive(Debug)]
pub(super) struct SignOfLife {
    _lock: Option<Flock<OwnedFd>>,
}

impl SignOfLife {
    /// Gives one on a new segment. Where shared memory cannot be locked (macOS) the name alone has to do.
    pub(super) fn give(fd: OwnedFd) -> Self {
        Self {
            _lock: Flock::lock(fd, FlockArg::LockSharedNonblock).ok(),
        }
    }

    /// Whether somebody gives one on the segment of that name.
    fn is_given(name: &SegmentName) -> bool {
        let Ok(fd) = object::open(name) else {
            return false;
        };
        matches!(
            Flock::lock(fd, FlockArg::LockExclusiveNonblock),
            Err((_, nix::errno::Errno::EWOULDBLOCK))
        )
    }
}

/// The segments of this user whose pools are gone. Those of living pools, and other programs' shared memory, are never
/// among them.
///
/// # Errors
/// When the system does not list shared memory.
pub fn leftovers() -> Result<Vec<Leftover>, SegmentError> {
    let mut judged: BTreeMap<String, bool> = BTreeMap::new();
    let mut found = Vec::new();
    for (text, bytes) in platform::list()? {
        let Ok(name) = SegmentName::parse(&text) else {
            continue;
        };
        let pool = name.pool();
        let dead = *judged
            .entry(pool.as_str().to_owned())
            .or_insert_with(|| !pool.creator_is_alive() && !SignOfLife::is_given(&pool));
        if dead {
            found.push(Leftover { name, bytes });
        }
    }
    found.sort_by(|a, b| a.name.as_str().cmp(b.name.as_str()));
    Ok(found)
}

/// Takes the names of a pool's segments away, all that the system lists; returns how many. Harmless when repeated.
///
/// # Errors
/// When the system does not list shared memory.
pub fn unlink_pool(pool: &SegmentName) -> Result<usize, SegmentError> {
    let pool = pool.pool();
    let names = platform::list()?;
    let names = names
        .iter()
        .filter_map(|(text, _)| SegmentName::parse(text).ok());
    let unlinked = names
        .filter(|name| name.pool() == pool)
        .filter(|name| matches!(unlink(name), Ok(true)));
    Ok(unlinked.count())
}

/// Unlinks what [`leftovers`] finds; returns what was unlinked. What cannot be is left for the next time.
///
/// # Errors
/// When the system does not list shared memory.
pub fn sweep() -> Result<Vec<Leftover>, SegmentError> {
    let mut swept = leftovers()?;
    swept.retain(|leftover| match unlink(&leftover.name) {
        Ok(unlinked) => unlinked,
        Err(error) => {
            tracing::warn!(name = %leftover.name, %error, "a leftover segment could not be unlinked");
            false
        }
    });
    Ok(swept)
}
