//! Memory on macOS.

use std::mem;

use super::LiveUsage;
use crate::process::Pid;

/// The most resident memory, in bytes, that the calling process has had.
#[must_use]
pub fn peak_rss_bytes() -> u64 {
    maxrss_bytes(&super::get())
}

/// The resident memory of a process in bytes, with what it has mapped of memory that it shares; `None` when no such
/// process is there, or it is not ours to see. The process does not notice.
#[must_use]
pub fn rss_bytes(pid: Pid) -> Option<u64> {
    // SAFETY: a proc_taskinfo is integers only, so zeros are a value of it.
    let mut info: libc::proc_taskinfo = unsafe { mem::zeroed() };
    let size = size_of::<libc::proc_taskinfo>();
    // SAFETY: the buffer is live, of the given size, and this flavor fills it with a proc_taskinfo.
    let filled = unsafe {
        libc::proc_pidinfo(
            pid.as_raw(),
            libc::PROC_PIDTASKINFO,
            0,
            (&raw mut info).cast(),
            i32::try_from(size).unwrap_or(0),
        )
    };
    (usize::try_from(filled) == Ok(size)).then_some(info.pti_resident_size)
}

/// The resident memory of the calling process in bytes, with what it has mapped of memory that it shares: the system
/// tells of no other at that price.
#[must_use]
pub fn private_bytes() -> u64 {
    rss_bytes(Pid::current()).unwrap_or(0)
}

/// What a process that lives has used so far. On macOS nothing is told: times would be in units of its own, and there
/// is no peak for others to read.
#[must_use]
pub fn live_usage(_pid: Pid) -> Option<LiveUsage> {
    None
}

/// `ru_maxrss` in bytes: macOS counts bytes.
pub(crate) fn maxrss_bytes(usage: &libc::rusage) -> u64 {
    usage.ru_maxrss.unsigned_abs()
}
