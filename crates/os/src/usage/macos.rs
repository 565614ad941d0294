//! Peak memory on macOS.

/// The most resident memory, in bytes, that the calling process has had.
#[must_use]
pub fn peak_rss_bytes() -> u64 {
    maxrss_bytes(&super::get())
}

/// `ru_maxrss` in bytes: macOS counts bytes.
pub(crate) fn maxrss_bytes(usage: &libc::rusage) -> u64 {
    usage.ru_maxrss.unsigned_abs()
}
