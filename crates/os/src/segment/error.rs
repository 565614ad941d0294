//! What can go wrong with shared memory.

use crate::OsError;

/// Why a segment could not be made, opened or unlinked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SegmentError {
    /// The shared-memory file system has too little room, or this process may not have so much.
    ///
    /// A limit of file sizes (`ulimit -f`) holds for shared memory too, and is told so only to a process that ignores
    /// SIGXFSZ: elsewhere that signal comes first, and ends it.
    #[error("no room for {wanted} bytes of shared memory{}", lacking(*.wanted, *.free, *.limit))]
    Full {
        /// Bytes asked for.
        wanted: u64,
        /// Bytes that are free; 0 where the system does not tell.
        free: u64,
        /// Bytes that it holds at most; 0 where the system does not tell.
        limit: u64,
    },
    /// A segment of this name is there already.
    #[error("a shared-memory segment {name} exists already; take a fresh name")]
    AlreadyExists {
        /// The name in question.
        name: String,
    },
    /// No segment of this name is there.
    #[error(
        "there is no shared-memory segment {name}; its pool has ended, or runs in another container"
    )]
    Missing {
        /// The name in question.
        name: String,
    },
    /// The segment belongs to somebody else.
    #[error(
        "no permission for the shared-memory segment {name}; only the user who started the pool can use it"
    )]
    Permission {
        /// The name in question.
        name: String,
    },
    /// The segment is shorter than it has to be.
    #[error(
        "the shared-memory segment {name} has {found} bytes where {wanted} are needed; it was cut, or is not ours"
    )]
    TooSmall {
        /// The name in question.
        name: String,
        /// Bytes that are needed.
        wanted: usize,
        /// Bytes that are there.
        found: usize,
    },
    /// The system has no place for shared memory.
    #[error("this system has no /dev/shm; mount a tmpfs there (mount -t tmpfs tmpfs /dev/shm)")]
    NoSharedMemory,
    /// Text that is not the name of a segment of ours.
    #[error(
        "{text:?} is not the name of a forkyard segment; one looks like /fy-2k9-5xk3p-8h2m0c4zq"
    )]
    BadName {
        /// The text in question.
        text: String,
    },
    /// Anything else that the system said.
    #[error(transparent)]
    Os(#[from] OsError),
}

/// What is in the way, and what to do.
fn lacking(wanted: u64, free: u64, limit: u64) -> String {
    if free >= wanted {
        return format!(
            ", although {free} of {limit} bytes are free: raise the limits of this process (address space: ulimit -v; \
             size of a file: ulimit -f), or of its cgroup's memory"
        );
    }
    format!(
        ": {free} of {limit} bytes are free; ask for less, remove what is left in /dev/shm, or enlarge it (docker run \
         --shm-size=…, or mount -o remount,size=… /dev/shm)"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_there_is_room_it_is_a_limit() {
        let text = |free| {
            let (wanted, limit) = (7, 100);
            SegmentError::Full {
                wanted,
                free,
                limit,
            }
            .to_string()
        };
        assert!(text(6).contains("--shm-size") && !text(6).contains("ulimit"));
        assert!(text(7).contains("ulimit -v") && !text(7).contains("--shm-size"));
    }
}
