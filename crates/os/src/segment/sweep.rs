//! Finding what a machine-wide kill left behind: segments whose creator, and all who could clean up, are gone.
//!
//! A segment is judged twice. Its name says who made it and when that process started, so a pid that was used again is
//! not taken for its maker. And a creator holds a lock on its control segment that the kernel lets go with its last
//! process, which holds across containers that share `/dev/shm` but cannot see each other's pids.
//!
//! Between its making and that lock a segment looks like a leftover to another container. So who sweeps takes the lock
//! for himself while he unlinks, and whoever gets it on a new segment looks whether that has a name still:
//!
//! ```text
//!   creator    make ─> share the lock ─> name gone? make another
//!   sweeper            have the lock alone ─> unlink ─> let go
//! ```

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::stat::fstat;

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

/// How often a new segment's lock is tried while somebody looks whether it is a leftover, which takes microseconds.
const TRIES: u32 = 100;
/// Between two tries.
const NAP: Duration = Duration::from_millis(1);

impl SignOfLife {
    /// Gives one on a new segment; `None` when that was taken for a leftover and has no name any more. Where shared
    /// memory cannot be locked (macOS) the name alone has to do.
    pub(super) fn give(mut fd: OwnedFd) -> Option<Self> {
        for _ in 0..TRIES {
            match Flock::lock(fd, FlockArg::LockSharedNonblock) {
                Ok(lock) => {
                    let has_name = fstat(&*lock).is_ok_and(|stat| stat.st_nlink > 0);
                    return has_name.then_some(Self { _lock: Some(lock) });
                }
                Err((back, Errno::EWOULDBLOCK)) => fd = back,
                Err(_) => break,
            }
            std::thread::sleep(NAP);
        }
        Some(Self { _lock: None })
    }
}

/// The right to unlink what is left of a pool, as long as the value lives.
#[derive(Debug)]
struct Claim {
    _lock: Option<Flock<OwnedFd>>,
}

impl Claim {
    /// Has one, if the pool of that control segment is gone.
    fn on(pool: &SegmentName) -> Option<Self> {
        if pool.creator_is_alive() {
            return None;
        }
        let Ok(fd) = object::open(pool) else {
            return Some(Self { _lock: None });
        };
        match Flock::lock(fd, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Some(Self { _lock: Some(lock) }),
            Err((_, Errno::EWOULDBLOCK)) => None,
            Err(_) => Some(Self { _lock: None }),
        }
    }
}

/// The segments of this user whose pools are gone. Those of living pools, and other programs' shared memory, are never
/// among them.
///
/// # Errors
/// When the system does not list shared memory.
pub fn leftovers() -> Result<Vec<Leftover>, SegmentError> {
    let mut found = Vec::new();
    of_the_dead(|leftover| found.push(leftover))?;
    Ok(found)
}

/// Hands out what is left of pools that are gone, by name; of each pool while there is a [`Claim`] on it.
fn of_the_dead(mut each: impl FnMut(Leftover)) -> Result<(), SegmentError> {
    let mut pools: BTreeMap<String, Vec<Leftover>> = BTreeMap::new();
    for (text, bytes) in platform::list()? {
        if let Ok(name) = SegmentName::parse(&text) {
            let pool = name.pool().as_str().to_owned();
            pools
                .entry(pool)
                .or_default()
                .push(Leftover { name, bytes });
        }
    }
    for mut segments in pools.into_values() {
        segments.sort_by(|a, b| a.name.as_str().cmp(b.name.as_str()));
        let pool = segments[0].name.pool();
        if let Some(_claim) = Claim::on(&pool) {
            segments.into_iter().for_each(&mut each);
        }
    }
    Ok(())
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
    let mut swept = Vec::new();
    of_the_dead(|leftover| match unlink(&leftover.name) {
        Ok(true) => swept.push(leftover),
        Ok(false) => {}
        Err(error) => {
            tracing::warn!(name = %leftover.name, %error, "a leftover segment could not be unlinked");
        }
    })?;
    Ok(swept)
}
