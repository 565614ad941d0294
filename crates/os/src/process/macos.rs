//! Processes as `proc_pidinfo` tells of them.

use std::ffi::CString;
use std::mem;
use std::path::PathBuf;
use std::{env, io};

use super::Pid;
use crate::OsError;

/// `SZOMB` of <sys/proc.h>.
const ZOMBIE: u32 = 5;

/// When a process started, in an opaque unit of this machine (tenths of seconds); `None` when no such process is
/// there. With the pid it names a process for good: pids come again, this pair does not.
#[must_use]
pub fn start_time(pid: Pid) -> Option<u64> {
    let info = bsd_info(pid)?;
    Some(info.pbi_start_tvsec * 10 + info.pbi_start_tvusec / 100_000)
}

/// As [`start_time`], of the calling process, with what the system says where it does not tell.
pub(crate) fn own_start_time() -> io::Result<u64> {
    start_time(Pid::current()).ok_or_else(io::Error::last_os_error)
}

/// How many threads the calling process has, the calling one included.
///
/// # Errors
/// When the system does not tell.
pub fn thread_count() -> Result<usize, OsError> {
    // SAFETY: a proc_taskinfo is integers only, so zeros are a value of it.
    let mut info: libc::proc_taskinfo = unsafe { mem::zeroed() };
    let size = size_of::<libc::proc_taskinfo>();
    let pid = Pid::current().as_raw();
    // SAFETY: the buffer is live, of the given size, and this flavor fills it with a proc_taskinfo.
    let filled = unsafe {
        libc::proc_pidinfo(
            pid,
            libc::PROC_PIDTASKINFO,
            0,
            (&raw mut info).cast(),
            i32::try_from(size).unwrap_or(0),
        )
    };
    if usize::try_from(filled) == Ok(size) {
        Ok(usize::try_from(info.pti_threadnum).unwrap_or(1))
    } else {
        Err(OsError::new(
            "count the threads of this process",
            nix::errno::Errno::last(),
        ))
    }
}

/// Names the calling thread in debuggers; macOS does not rename processes. It is a courtesy: what cannot be named stays
/// as it is.
pub fn set_name(name: &str) {
    let Ok(name) = CString::new(name) else {
        return;
    };
    // SAFETY: the string is NUL-terminated and outlives the call; a name that is too long is refused.
    unsafe {
        libc::pthread_setname_np(name.as_ptr());
    }
}

/// Whether a process has ended and only waits to be reaped. The system tells nothing of most of these.
pub(super) fn has_ended(pid: Pid) -> bool {
    match bsd_info(pid) {
        Some(info) => info.pbi_status == ZOMBIE,
        None => io::Error::last_os_error().raw_os_error() == Some(libc::ESRCH),
    }
}

/// What to execute to start this program once more.
pub(super) fn program() -> io::Result<PathBuf> {
    env::current_exe()
}

fn bsd_info(pid: Pid) -> Option<libc::proc_bsdinfo> {
    // SAFETY: a proc_bsdinfo is integers only, so zeros are a value of it.
    let mut info: libc::proc_bsdinfo = unsafe { mem::zeroed() };
    let size = size_of::<libc::proc_bsdinfo>();
    // SAFETY: the buffer is live, of the given size, and this flavor fills it with a proc_bsdinfo.
    let filled = unsafe {
        libc::proc_pidinfo(
            pid.as_raw(),
            libc::PROC_PIDTBSDINFO,
            0,
            (&raw mut info).cast(),
            i32::try_from(size).unwrap_or(0),
        )
    };
    (usize::try_from(filled) == Ok(size)).then_some(info)
}
