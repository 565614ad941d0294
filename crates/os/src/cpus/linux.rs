//! Processors as the scheduler knows them.

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use crate::OsError;

/// The processors that the calling thread may run on, by their numbers, in order; empty when the system does not tell.
#[must_use]
pub fn allowed() -> Vec<usize> {
    let Ok(set) = sched_getaffinity(Pid::from_raw(0)) else {
        return Vec::new();
    };
    (0..CpuSet::count())
        .filter(|cpu| set.is_set(*cpu).unwrap_or(false))
        .collect()
}

/// Has the calling thread, and what it starts from here on, run on that processor alone.
///
/// # Errors
/// When there is no such processor, or the process may not run there.
pub fn pin(cpu: usize) -> Result<(), OsError> {
    let pinned = |error| OsError::new("pin this process to a processor", error);
    let mut set = CpuSet::new();
    set.set(cpu).map_err(pinned)?;
    sched_setaffinity(Pid::from_raw(0), &set).map_err(pinned)
}
