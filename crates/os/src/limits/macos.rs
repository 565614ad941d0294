//! macOS keeps shared memory in the pager.

use super::ShmSpace;

/// Always `None`: there is no file system behind shared memory, hence no limit to tell.
#[must_use]
pub fn shm_free() -> Option<ShmSpace> {
    None
}
