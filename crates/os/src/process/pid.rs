//! Process ids.

use std::fmt;

use nix::errno::Errno;

/// The id of one process: always positive, so it never means a group or all processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pid(i32);

impl Pid {
    /// The calling process.
    #[must_use]
    pub fn current() -> Self {
        // SAFETY: getpid has no preconditions and cannot fail.
        Self(unsafe { libc::getpid() })
    }

    /// The parent of the calling process; `None` when that lies outside its pid namespace.
    #[must_use]
    pub fn parent() -> Option<Self> {
        // SAFETY: getppid has no preconditions and cannot fail.
        Self::from_raw(unsafe { libc::getppid() })
    }

    /// A process id from a number; `None` unless it is positive.
    #[must_use]
    pub const fn from_raw(raw: i32) -> Option<Self> {
        if raw > 0 { Some(Self(raw)) } else { None }
    }

    /// The number.
    #[must_use]
    pub const fn as_raw(self) -> i32 {
        self.0
    }
}

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whether a process of this id runs. One that has ended and waits to be reaped does not; one of another user does.
#[must_use]
pub fn is_alive(pid: Pid) -> bool {
    // SAFETY: signal 0 is sent to nobody; it only asks whether the pid, which is positive, exists.
    let result = unsafe { libc::kill(pid.as_raw(), 0) };
    if result != 0 && Errno::last() == Errno::ESRCH {
        return false;
    }
    !super::platform::has_ended(pid)
}

/// The user as whom the calling process acts.
#[must_use]
pub fn user_id() -> u32 {
    nix::unistd::geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::start_time;

    #[test]
    fn groups_are_no_pids() {
        assert_eq!(Pid::from_raw(0), None);
        assert_eq!(Pid::from_raw(-5), None);
        assert_eq!(Pid::from_raw(5).map(Pid::as_raw), Some(5));
    }

    #[test]
    fn this_process_lives_and_started_at_one_time() {
        let own = Pid::current();
        assert!(is_alive(own));
        assert!(start_time(own).is_some());
        assert_eq!(start_time(own), start_time(own));
    }

    #[test]
    fn an_ended_child_is_not_alive_even_before_it_is_reaped() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = Pid::from_raw(child.id().cast_signed()).unwrap();
        while is_alive(pid) {
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert!(!is_alive(pid));
    }
}
