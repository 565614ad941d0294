//! Job control: stopping and continuing a process with what belongs to it.

use std::{mem, ptr};

use nix::errno::Errno;

use super::{Pid, Signal, kill};
use crate::OsError;

/// Sends `signal` to the process group that `leader` leads, or to `leader` alone when it leads none yet. False when no
/// such process is there. As with [`kill`], a leader that its parent has not reaped yet cannot mean another group.
///
/// # Errors
/// When all of it belongs to somebody else.
pub fn kill_group(leader: Pid, signal: Signal) -> Result<bool, OsError> {
    // SAFETY: sending a signal touches no memory of this process. The pid is positive and not 1, which leads no group
    // of ours: so it is one group, and never all processes.
    if leader.as_raw() > 1 && unsafe { libc::kill(-leader.as_raw(), signal.as_raw()) } == 0 {
        return Ok(true);
    }
    match Errno::last() {
        Errno::EPERM => Err(OsError::new(
            "send a signal to a process group",
            Errno::EPERM,
        )),
        _ => kill(leader, signal),
    }
}

/// Stops the calling process as Ctrl-Z does by default, whatever handler SIGTSTP has here, and returns when it goes on.
/// It returns at once when the system stops no process of this group, since nobody would be there to continue it.
///
/// # Errors
/// When the system refuses; the process was not stopped then.
pub fn stop_self() -> Result<(), OsError> {
    let doing = "stop this process";
    // SAFETY: both are plain bits, of which zeros are a value; sigemptyset and sigaddset set the mask.
    let (by_default, mut before, tstp) = unsafe {
        let by_default: libc::sigaction = mem::zeroed(); // SIG_DFL is zero
        let mut tstp: libc::sigset_t = mem::zeroed();
        libc::sigemptyset(&raw mut tstp);
        libc::sigaddset(&raw mut tstp, libc::SIGTSTP);
        (by_default, mem::zeroed::<libc::sigaction>(), tstp)
    };
    // SAFETY: the default disposition runs no code of this process; what was there is kept, and is put back below.
    if unsafe { libc::sigaction(libc::SIGTSTP, &raw const by_default, &raw mut before) } != 0 {
        return Err(OsError::new(doing, Errno::last()));
    }
    // SAFETY: the mask of the calling thread loses one signal; then that signal is sent to this thread, so that it has
    // taken effect before the call returns. The disposition that is put back is the one that was there.
    unsafe {
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const tstp, ptr::null_mut());
        libc::raise(libc::SIGTSTP);
        libc::sigaction(libc::SIGTSTP, &raw const before, ptr::null_mut());
    }
    Ok(())
}
