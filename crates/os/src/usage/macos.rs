//! Peak memory on macOS.

/// The most resident memory, in bytes, that the calling process has had.
#[must_use]
pub fn peak_rss_bytes() -> u64 {
    maxrss_bytes(&super::get())
}

/// The resident memory, in bytes, that the calling process has now; zero when the system does not tell.
#[must_use]
pub fn resident_bytes() -> u64 {
    // SAFETY: a proc_taskinfo is integers only, so zeros are a value of it.
    let mut info: libc::proc_taskinfo = unsafe { std::mem::zeroed() };
    let size = size_of::<libc::proc_taskinfo>();
    // SAFETY: the buffer is live, of the given size, and this flavor fills it with a proc_taskinfo.
    let filled = unsafe {
        libc::proc_pidinfo(
            libc::getpid(),
            libc::PROC_PIDTASKINFO,
            0,
            (&raw mut info).cast(),
            i32::try_from(size).unwrap_or(0),
        )
    };
    if usize::try_from(filled) == Ok(size) {
        info.pti_resident_size
    } else {
        0
    }
}

/// `ru_maxrss` in bytes: macOS counts bytes.
pub(crate) fn maxrss_bytes(usage: &libc::rusage) -> u64 {
    usage.ru_maxrss.unsigned_abs()
}
