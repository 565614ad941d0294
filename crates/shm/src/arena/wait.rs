//! Allocation that waits for what others give back.

use core::time::Duration;
use std::time::Instant;

use super::alloc_error::AllocError;
use super::extents::ExtentError;
use super::handle::BlockMut;
use super::header::BlockHeader;
use super::process::Arena;

/// How long a sleep lasts at most while the system is full: what other programs give back
/// nobody tells.
const UNTOLD: Duration = Duration::from_millis(200);

/// One look for memory that found none, and what will tell when another is worth it.
#[derive(Debug)]
pub struct Shortage {
    /// Why there was none.
    pub refused: AllocError,
    seen: u32,
}

impl Shortage {
    /// How long to sleep at most, of the time that is `left`.
    #[must_use]
    pub fn nap(&self, left: Duration) -> Duration {
        match self.refused {
            AllocError::Extent(ExtentError::Full { .. }) => left.min(UNTOLD),
            _ => left,
        }
    }
}

impl Arena {
    /// As [`alloc`](Self::alloc), and when there is no room, waits for as long as `timeout`
    /// until another handle, of this process or another, is dropped, a dead process's blocks
    /// are given back, or the limit is raised.
    ///
    /// # Errors
    /// What [`alloc`](Self::alloc) said last when the time is up; at once what waiting does
    /// not change.
    pub fn alloc_within(&self, bytes: usize, timeout: Duration) -> Result<BlockMut, AllocError> {
        let end = Instant::now().checked_add(timeout);
        loop {
            let shortage = match self.try_alloc(bytes) {
                Ok(found) => return found,
                Err(shortage) => shortage,
            };
            let left = end.map_or(Duration::MAX, |end| {
                end.saturating_duration_since(Instant::now())
            });
            if left.is_zero() {
                return Err(shortage.refused);
            }
            let nap = shortage.nap(left);
            let wanted = self.directory().wanted();
            wanted.sleep(shortage.seen, Some(nap), &*self.core.park);
        }
    }

    /// One look for memory of a caller that means to wait: a block, an error that waiting does
    /// not change, or a shortage. After a shortage [`has_rung`](Self::has_rung) says when to
    /// look again; the ring itself comes through the arena's [`Park`](crate::Park).
    ///
    /// # Errors
    /// The shortage.
    pub fn try_alloc(&self, bytes: usize) -> Result<Result<BlockMut, AllocError>, Shortage> {
        match self.alloc(bytes) {
            Err(refused) if refused.may_pass() => {}
            other => return Ok(other),
        }
        let seen = self.directory().wanted().want();
        self.touch_all();
        match self.alloc(bytes) {
            Err(refused) if refused.may_pass() => Err(Shortage { refused, seen }),
            other => Ok(other),
        }
    }

    /// Whether something was given back since that shortage.
    #[must_use]
    pub fn has_rung(&self, shortage: &Shortage) -> bool {
        self.directory().wanted().has_rung(shortage.seen)
    }

    /// Sets the limit on the bytes of all extents, 0 for none, and wakes who waits for memory.
    pub fn set_limit_bytes(&self, bytes: u64) {
        self.directory().set_limit_bytes(bytes);
        self.directory().wanted().ring(&*self.core.park);
    }

    /// Meets every later free of a block in a read-modify-write of its header: see `wanted`.
    fn touch_all(&self) {
        for (index, entry) in self.directory().entries() {
            entry.touch();
            let word = entry.look();
            if !word.is_open() {
                continue;
            }
            // One that cannot be mapped has no block that this process could get.
            if let Ok(mapping) = self.mapping(word.id(index)) {
                mapping.headers().for_each(BlockHeader::touch);
            }
        }
    }
}
