//! Sending signals.

use nix::errno::Errno;

use super::Pid;
use crate::OsError;

/// The signals that a supervisor sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM: please end.
    Term,
    /// SIGKILL: end, unasked.
    Kill,
    /// SIGSTOP: halt, unasked.
    Stop,
    /// SIGCONT: go on.
    Cont,
    /// SIGINT: as Ctrl-C.
    Int,
}

impl Signal {
    /// The signal's number on this system.
    #[must_use]
    pub const fn as_raw(self) -> i32 {
        match self {
            Self::Term => libc::SIGTERM,
            Self::Kill => libc::SIGKILL,
            Self::Stop => libc::SIGSTOP,
            Self::Cont => libc::SIGCONT,
            Self::Int => libc::SIGINT,
        }
    }
}

/// Ends the calling process by SIGKILL: at this very instruction, with nothing run afterwards. How a process dies that
/// is to die as if somebody else had killed it.
pub fn kill_self() -> ! {
    loop {
        // It is delivered before the call returns, unless the kernel takes a moment longer; and it may always be sent.
        let _ = kill(Pid::current(), Signal::Kill);
    }
}

/// Sends `signal` to one process. False when no such process is there; one that has ended but is not yet reaped counts
/// as there. Until its parent has reaped it the pid cannot mean another process, so a parent that reaps and kills in
/// one place never hits a stranger.
///
/// # Errors
/// When the process belongs to somebody else.
pub fn kill(pid: Pid, signal: Signal) -> Result<bool, OsError> {
    // SAFETY: sending a signal touches no memory of this process, and the pid is positive: one process, no group.
    if unsafe { libc::kill(pid.as_raw(), signal.as_raw()) } == 0 {
        return Ok(true);
    }
    match Errno::last() {
        Errno::ESRCH => Ok(false),
        errno => Err(OsError::new("send a signal to a process", errno)),
    }
}
