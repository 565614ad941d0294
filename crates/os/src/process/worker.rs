//! What a new process does to stand on its own.

use std::{mem, ptr};

use std::fs::File;
use std::os::fd::{AsRawFd, IntoRawFd};

use crate::OsError;
use crate::error::retry;

/// Takes the calling process out of what it inherited: default dispositions for all signals but those below, none
/// blocked, and a process group of its own, out of the terminal's reach.
///
/// SIGPIPE stays ignored, as Rust programs expect, and SIGSEGV and SIGBUS keep the standard library's handler that
/// reports stack overflows. Call it first in a worker, before any thread.
///
/// To a terminal that group is a background job, which it stops for reading (SIGTTIN), and for writing or changing
/// modes (SIGTTOU, the former with `stty tostop`); nobody would ever continue it. So both are ignored: a read from the
/// terminal fails with EIO, and what is written is shown. What the process executes inherits that, which is as well,
/// since it would be stopped too. SIGTSTP stays as it is: a terminal sends it to the job in the foreground only.
///
/// SIGHUP is ignored as well. It is what the system sends, before SIGCONT, to a stopped group whose parent has died: a
/// worker is to go on then, and see for itself that its supervisor is gone, because it takes the pool's names away.
pub fn become_worker() {
    reset_signals();
    leave_group();
}

/// As [`become_worker`], in the child of a process that has become one, and has since changed nothing of it but what
/// happens on SIGCHLD.
pub fn become_worker_again() {
    // SAFETY: SIG_DFL runs no code of ours in a handler.
    unsafe {
        libc::signal(libc::SIGCHLD, libc::SIG_DFL);
    }
    leave_group();
}

fn reset_signals() {
    let kept = [libc::SIGSEGV, libc::SIGBUS, libc::SIGKILL, libc::SIGSTOP];
    for signal in 1..32 {
        let disposition = match signal {
            libc::SIGPIPE | libc::SIGHUP | libc::SIGTTIN | libc::SIGTTOU => libc::SIG_IGN,
            other if kept.contains(&other) => continue,
            _ => libc::SIG_DFL,
        };
        // SAFETY: SIG_DFL and SIG_IGN run no code of ours in a handler. A number that this system does not use is
        // refused without effect.
        unsafe {
            libc::signal(signal, disposition);
        }
    }
    // SAFETY: a sigset_t is plain bits that sigemptyset sets; the mask of the calling thread is replaced by it, and a
    // null pointer for the old mask is allowed.
    unsafe {
        let mut none: libc::sigset_t = mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut());
    }
}

fn leave_group() {
    // SAFETY: setpgid(0, 0) touches no memory; it fails only for a session's leader, which has a group of its own
    // already.
    unsafe {
        libc::setpgid(0, 0);
    }
}

/// Puts /dev/null in the place of standard input, so that a forked process takes nothing of what its parent is to read.
/// What the parent's `std::io::Stdin` had read ahead is in the child's memory, and stays there.
///
/// # Errors
/// When /dev/null cannot be opened, or not be put there; standard input is then what it was.
pub fn discard_stdin() -> Result<(), OsError> {
    let doing = "put /dev/null in the place of standard input";
    let null = File::open("/dev/null").map_err(|error| OsError::new(doing, error))?;
    retry(|| nix::unistd::dup2_stdin(&null)).map_err(|errno| OsError::new(doing, errno))?;
    if null.as_raw_fd() == libc::STDIN_FILENO {
        let _ = null.into_raw_fd(); // there was none, and this is it
    }
    Ok(())
}

/// Ends the calling process at once: no destructors, no exit handlers, no flushing, which a forked child must not run
/// a second time.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: _exit runs no code of this process and does not return.
    unsafe { libc::_exit(code) }
}
