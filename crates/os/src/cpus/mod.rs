//! How many processors this process may keep busy, and which.

use std::num::NonZeroUsize;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(target_os = "linux")]
pub use linux::{allowed, pin};
#[cfg(target_os = "macos")]
pub use macos::{allowed, pin};

/// The number of threads that can run at once here; 1 when the system does not tell.
///
/// The standard library's answer is used as it is: on Linux it takes the smaller of the scheduler affinity and the
/// CPU quota of the cgroup (versions 1 and 2), on macOS the number of logical processors. A quota of one CPU and a half
/// counts as one: a second spinning process would eat the first one's share. It reads files on Linux (tens of
/// microseconds) and the answer can change while the process runs, so ask once per pool.
#[must_use]
pub fn available() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

#[cfg(test)]
mod tests {
    #[test]
    fn there_is_at_least_one_and_not_a_million() {
        assert!(super::available().get() < 1_000_000);
    }

    #[test]
    fn a_thread_can_be_pinned_to_each_processor_that_it_may_use() {
        let allowed = super::allowed();
        assert!(!allowed.is_empty());
        std::thread::spawn(move || {
            for cpu in allowed {
                super::pin(cpu).unwrap();
                if cfg!(target_os = "linux") {
                    assert_eq!(super::allowed(), [cpu]);
                }
            }
        })
        .join()
        .unwrap();
    }
}
