//! macOS places threads itself: there is nothing to ask, and nothing to set.

use crate::OsError;

/// The processors that there are, by numbers that mean nothing to the system.
#[must_use]
pub fn allowed() -> Vec<usize> {
    (0..super::available().get()).collect()
}

/// Does nothing: macOS has no way to bind a thread to a processor (what it calls affinity is a hint about caches,
/// which Apple silicon does not take).
///
/// # Errors
/// Never; the signature is the one of Linux.
pub fn pin(cpu: usize) -> Result<(), OsError> {
    let _ = cpu;
    Ok(())
}
