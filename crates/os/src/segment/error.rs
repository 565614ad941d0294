//! What can go wrong with shared memory.

use crate::OsError;

/// Why a segment could not be made, opened or unlinked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SegmentError {
    /// The shared-memory file system has too little room.
    #[error(
        "no room for {wanted} bytes of shared memory: {free} of {limit} bytes are free; ask for less, remove what \
         is left in /dev/shm, or enlarge it (docker run --shm-size=…, or mount -o remount,size=… /dev/shm)"
    )]
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
