//! The limits that both systems tell alike.

use nix::sys::resource::{Resource, getrlimit};

/// Room on the file system that holds shared memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShmSpace {
    /// Bytes that can still be reserved.
    pub free: u64,
    /// Bytes that it holds at most.
    pub total: u64,
}

/// How many files this process may have open at once; `None` when the system does not tell. A worker costs its
/// supervisor about four.
#[must_use]
pub fn open_files() -> Option<u64> {
    getrlimit(Resource::RLIMIT_NOFILE)
        .ok()
        .map(|(soft, _hard)| soft)
}

#[cfg(test)]
mod tests {
    #[test]
    fn some_files_may_be_open() {
        assert!(super::open_files().unwrap() > 3);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn free_is_no_more_than_total() {
        let space = super::super::shm_free().unwrap();
        assert!(space.free <= space.total);
    }
}
