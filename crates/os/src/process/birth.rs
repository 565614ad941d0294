//! Telling a forked child from its parent, without a system call.

use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

/// How many forks lie between this process and the one in which counting began.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// Remembers the process in which it was made.
///
/// What a process holds on behalf of others (shared blocks, names, children) is copied by fork, and the copy must not
/// be given back by the child. Whoever holds such a thing keeps a `Birth` beside it and asks before it lets go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Birth(u32);

impl Birth {
    /// The calling process.
    #[must_use]
    pub fn here() -> Self {
        static COUNTING: Once = Once::new();
        COUNTING.call_once(|| {
            // SAFETY: the handler runs in the child, on its only thread, and does one atomic addition, which is
            // allowed there.
            let failed = unsafe { libc::pthread_atfork(None, None, Some(count)) };
            if failed != 0 {
                tracing::warn!("no memory to notice forks; a forked child must not drop its pools");
            }
        });
        Self(FORKS.load(Ordering::Relaxed))
    }

    /// Whether this is that process, and not a child that was forked from it since.
    #[inline]
    #[must_use]
    pub fn is_here(self) -> bool {
        // Relaxed: it changes only in a process that has no other thread yet.
        FORKS.load(Ordering::Relaxed) == self.0
    }
}

/// Whether this process is known to have been forked, and has run the same program ever since.
#[cfg(target_os = "linux")]
pub(crate) fn is_forked() -> bool {
    FORKS.load(Ordering::Relaxed) > 0
}

unsafe extern "C" fn count() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_knows_itself() {
        let birth = Birth::here();
        assert!(birth.is_here());
        assert_eq!(birth, Birth::here());
        // The child of a fork counts; this is what its handler does.
        assert!(!Birth(birth.0.wrapping_add(1)).is_here());
    }
}
