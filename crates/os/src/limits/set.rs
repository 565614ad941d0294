//! What a process allows itself: limits on what it may use, and how it yields to others.

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::OsError;

/// What can be limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Bytes of address space. (macOS keeps the number and enforces nothing.)
    AddressSpace,
    /// Seconds of CPU time. At the limit comes SIGXCPU, a second later SIGKILL.
    CpuTime,
    /// Files open at once.
    OpenFiles,
    /// Bytes of a core dump.
    CoreDump,
}

impl Limit {
    fn resource(self) -> Resource {
        match self {
            Self::AddressSpace => Resource::RLIMIT_AS,
            Self::CpuTime => Resource::RLIMIT_CPU,
            Self::OpenFiles => Resource::RLIMIT_NOFILE,
            Self::CoreDump => Resource::RLIMIT_CORE,
        }
    }

    fn what(self) -> &'static str {
        match self {
            Self::AddressSpace => "address space in bytes (ulimit -v counts in KiB)",
            Self::CpuTime => "CPU time in seconds (ulimit -t)",
            Self::OpenFiles => "open files (ulimit -n)",
            Self::CoreDump => "core dumps in bytes (ulimit -c)",
        }
    }
}

/// A limit that cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LimitError {
    /// What the process may not go beyond by itself is less.
    #[error(
        "the limit of {what} cannot be {asked}: it may be {most} at most here, which only root can raise"
    )]
    AboveHard {
        /// What is limited.
        what: &'static str,
        /// What was asked for.
        asked: u64,
        /// The hard limit.
        most: u64,
    },
    /// Anything else that the system said.
    #[error("the limit of {what} cannot be {asked}: {source}")]
    System {
        /// What is limited.
        what: &'static str,
        /// What was asked for.
        asked: u64,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Limits the calling process, and what it starts from here on, to `most`, for good: the hard limit too.
///
/// # Errors
/// [`LimitError`]; the limit is as it was then.
pub fn set_limit(limit: Limit, most: u64) -> Result<(), LimitError> {
    let (what, resource) = (limit.what(), limit.resource());
    let system = |errno: Errno| LimitError::System {
        what,
        asked: most,
        source: errno.into(),
    };
    let (_, hard) = getrlimit(resource).map_err(system)?;
    // The signal that can be handled first, the one that cannot a second later.
    let last = match limit {
        Limit::CpuTime => most.saturating_add(1).min(hard),
        Limit::AddressSpace | Limit::OpenFiles | Limit::CoreDump => most,
    };
    setrlimit(resource, most, last.max(most)).map_err(|errno| match errno {
        Errno::EPERM => LimitError::AboveHard {
            what,
            asked: most,
            most: hard,
        },
        other => system(other),
    })
}

/// Sets how much the calling thread, and every thread and process that it starts from here on, yields to others:
/// −20 (least) to 19 (most). Other values are taken for the nearest of these.
///
/// # Errors
/// When it is less than now and the process may not do that.
pub fn set_nice(nice: i32) -> Result<(), OsError> {
    // SAFETY: the call touches no memory; `who` 0 is the caller.
    let result = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) };
    Errno::result(result).map(drop).map_err(|errno| {
        OsError::new(
            "change how much this process yields to others (nice)",
            errno,
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_is_there_already_can_be_set_again() {
        let (_, hard) = getrlimit(Resource::RLIMIT_CORE).unwrap();
        if hard == libc::RLIM_INFINITY {
            return;
        }
        set_limit(Limit::CoreDump, hard).unwrap();
        assert_eq!(getrlimit(Resource::RLIMIT_CORE).unwrap(), (hard, hard));
    }

    #[test]
    fn being_as_nice_as_one_is_changes_nothing() {
        // SAFETY: the call touches no memory.
        let now = unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
        set_nice(now).unwrap();
    }
}
