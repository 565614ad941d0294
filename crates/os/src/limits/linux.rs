//! `/dev/shm` as a file system.

use super::ShmSpace;

/// Room in `/dev/shm`; `None` when it is not there. A cgroup's memory limit may be tighter than what it tells.
#[must_use]
pub fn shm_free() -> Option<ShmSpace> {
    let stat = nix::sys::statvfs::statvfs("/dev/shm").ok()?;
    let block = stat.fragment_size();
    Some(ShmSpace {
        free: stat.blocks_available().saturating_mul(block),
        total: stat.blocks().saturating_mul(block),
    })
}
