//! Reaping: the last step of a child's life, which frees its pid.

use std::mem;

use nix::errno::Errno;

use super::{Exit, ExitCause, Pid};
use crate::error::retry;
use crate::{OsError, usage};

/// Reaps a child if it has ended; `None` while it runs. Does not wait.
///
/// # Errors
/// When the process is not an unreaped child of this one.
pub fn reap(pid: Pid) -> Result<Option<Exit>, OsError> {
    wait_for(pid.as_raw(), libc::WNOHANG)
        .map_err(|errno| OsError::new("reap a process (is it an unreaped child?)", errno))
}

/// Reaps a child, after waiting for its end for as long as it takes.
///
/// # Errors
/// When the process is not an unreaped child of this one.
pub fn reap_blocking(pid: Pid) -> Result<Exit, OsError> {
    loop {
        let result = wait_for(pid.as_raw(), 0)
            .map_err(|errno| OsError::new("reap a process (is it an unreaped child?)", errno))?;
        if let Some(exit) = result {
            return Ok(exit);
        }
    }
}

/// Reaps any one child that has ended; `None` when none has. Does not wait. Only for a process that owns all its
/// children, as the zygote does: elsewhere it takes the children of other libraries.
#[must_use]
pub fn reap_any() -> Option<Exit> {
    wait_for(-1, libc::WNOHANG).ok().flatten()
}

fn wait_for(pid: i32, flags: i32) -> nix::Result<Option<Exit>> {
    let mut status = 0;
    // SAFETY: a rusage is integers only, so zeros are a value of it.
    let mut used: libc::rusage = unsafe { mem::zeroed() };
    // SAFETY: status and used are live and only this call writes them. With no handler of ours in between, a pid that is
    let found = retry(|| {
        // SAFETY: status and used are live, and only this call writes them.
        Errno::result(unsafe { libc::wait4(pid, &raw mut status, flags, &raw mut used) })
    })?;
    let (Some(pid), Some(cause)) = (Pid::from_raw(found), ExitCause::from_status(status)) else {
        return Ok(None);
    };
    Ok(Some(Exit {
        pid,
        cause,
        cpu_user: usage::duration(used.ru_utime),
        cpu_system: usage::duration(used.ru_stime),
        peak_rss_bytes: usage::maxrss_bytes(&used),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::zombie_processes, reason = "reaping by pid is what is tested")]
    fn a_child_is_reaped_once() {
        let child = std::process::Command::new("sh")
            .args(["-c", "exit 7"])
            .spawn()
            .unwrap();
        let pid = Pid::from_raw(child.id().cast_signed()).unwrap();
        let exit = reap_blocking(pid).unwrap();
        assert_eq!((exit.pid, exit.cause), (pid, ExitCause::Code(7)));
        assert!(exit.peak_rss_bytes > 0);
        assert_eq!(reap(pid).unwrap_err().errno(), Some(libc::ECHILD));
    }
}
