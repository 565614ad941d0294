//! Forking the calling process, where that is sound.

use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::{Pid, thread_count};
use crate::OsError;

/// How long a thread that has been joined may still be counted: the kernel wakes who joins it before it is quite gone.
const LAST_GASP: Duration = Duration::from_millis(200);

/// Which side of a fork this is.
#[must_use = "both sides go on from here; the child has to find out that it is one"]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forked {
    /// The old process; this is its new child.
    Parent(Pid),
    /// The new process.
    Child,
}

/// Why there was no fork.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ForkError {
    /// Another thread may hold a lock that the child would then wait for for ever.
    #[error(
        "this process has {count} threads and only a single-threaded one can be forked safely; start the pool before \
         any thread, or use StartMethod::Spawn or ForkServer"
    )]
    Threads {
        /// The threads that were counted, the calling one included.
        count: usize,
    },
    /// The user or the machine has as many processes as it may.
    #[error(
        "the limit of processes is reached; close some, or raise `ulimit -u` (cgroup: pids.max)"
    )]
    ProcessLimit,
    /// There is no memory for another process.
    #[error("there is no memory for another process; end some, or start fewer workers")]
    NoMemory,
    /// Anything else that the system said.
    #[error(transparent)]
    Os(#[from] OsError),
}

/// Forks the calling process. The child goes on from here with a copy of everything, unwritten output included: flush
/// before, and end the child with [`super::exit_now`].
///
/// # Errors
/// [`ForkError::Threads`] when the process has more than one thread; a thread that was just joined is given 200 ms
/// to vanish. [`ForkError::ProcessLimit`] and [`ForkError::NoMemory`] from the system.
pub fn fork() -> Result<Forked, ForkError> {
    let deadline = Instant::now() + LAST_GASP;
    loop {
        let count = thread_count()?;
        if count <= 1 {
            break;
        }
        if Instant::now() >= deadline {
            return Err(ForkError::Threads { count });
        }
        std::thread::yield_now();
    }
    // SAFETY: what makes fork unsafe is other threads: the child has only the calling one, and whatever the others had
    // locked or half written stays so. There are none: they were counted above, and a thread can only be started by
    // the calling one, which is here. So the child is a whole process, and any code may run in it.
    match unsafe { nix::unistd::fork() } {
        Ok(nix::unistd::ForkResult::Child) => Ok(Forked::Child),
        Ok(nix::unistd::ForkResult::Parent { child }) => Pid::from_raw(child.as_raw())
            .map(Forked::Parent)
            .ok_or_else(|| OsError::new("fork this process", Errno::EINVAL).into()),
        Err(Errno::EAGAIN) => Err(ForkError::ProcessLimit),
        Err(Errno::ENOMEM) => Err(ForkError::NoMemory),
        Err(errno) => Err(OsError::new("fork this process", errno).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_threads_is_not_forked() {
        let (release, held) = std::sync::mpsc::channel::<()>();
        let other = std::thread::spawn(move || held.recv());
        let refused = fork();
        drop(release);
        assert!(other.join().unwrap().is_err());
        assert!(matches!(refused, Err(ForkError::Threads { count }) if count >= 2));
    }
}
