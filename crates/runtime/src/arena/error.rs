//! Why a value could not be had in shared memory.

use std::fmt;
use std::time::Duration;

use forkyard_os::segment::SegmentError;
use forkyard_shm::arena::{AllocError, ExtentError};

/// Why a value could not be had in shared memory. Each says how much there is and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArenaError {
    /// The pool's own limit is reached, and nothing idle was left to give back.
    #[error(
        "{wanted_bytes} bytes more would exceed the arena's limit: {reserved_bytes} of {limit_bytes} bytes are \
         in use{waited}; drop shared values that are done with, or raise the limit (PoolBuilder::arena_limit)"
    )]
    OverLimit {
        /// Bytes that were to be added.
        wanted_bytes: u64,
        /// Bytes that the arena has.
        reserved_bytes: u64,
        /// Bytes that it may have.
        limit_bytes: u64,
        /// How long was waited for others to give something back.
        waited: Waited,
    },
    /// The system's shared memory is used up, or this process may have no more of it.
    ///
    /// A limit of file sizes (`ulimit -f`) holds for shared memory too, and is told so only to a process that ignores
    /// SIGXFSZ: elsewhere that signal comes first, and ends it.
    #[error(
        "no room for {wanted_bytes} bytes of shared memory: {free_bytes} of {total_bytes} bytes are free{waited}; \
         drop shared values that are done with, or {}",
        enlarge(*.wanted_bytes, *.free_bytes)
    )]
    SystemFull {
        /// Bytes that were to be added.
        wanted_bytes: u64,
        /// Bytes that are free; 0 where the system does not tell.
        free_bytes: u64,
        /// Bytes that there are; 0 where the system does not tell.
        total_bytes: u64,
        /// How long was waited for others to give something back.
        waited: Waited,
    },
    /// The arena has as many extents as it can have, all in use.
    #[error(
        "the arena has {extents} extents, all in use{waited}; drop shared values that are done with, or share \
         fewer and larger ones"
    )]
    TooManyExtents {
        /// How many it can have.
        extents: usize,
        /// How long was waited for others to give something back.
        waited: Waited,
    },
    /// No block is that large.
    #[error("{wanted} are more than one block can have ({most_bytes} bytes); share them in parts")]
    TooLarge {
        /// What was asked for.
        wanted: Box<str>,
        /// Bytes of the largest block.
        most_bytes: u64,
    },
    /// The type wants to lie where no block begins.
    #[error(
        "a type aligned to {align} bytes does not fit the arena, whose blocks are aligned to 64"
    )]
    Alignment {
        /// What the type asks for.
        align: usize,
    },
    /// The bytes are no text.
    #[error("the bytes are not UTF-8 from byte {valid_up_to} on; share them as bytes")]
    NotText {
        /// So many bytes are.
        valid_up_to: usize,
    },
    /// The arena was inherited through fork and is the parent's.
    #[error("this arena is the parent process's; a forked child builds a pool of its own")]
    Inherited,
    /// The system has no place for shared memory.
    #[error("this system has no /dev/shm; mount a tmpfs there (mount -t tmpfs tmpfs /dev/shm)")]
    NoSharedMemory,
    /// Anything else that the system said.
    #[error("shared memory could not be made or mapped")]
    System(#[source] AllocError),
}

/// What else to do where no room was found.
fn enlarge(wanted: u64, free: u64) -> &'static str {
    if free >= wanted {
        "raise what keeps this process from them: its limits (address space: ulimit -v; size of a file: ulimit -f), \
         or its cgroup's memory"
    } else {
        "enlarge it (docker run --shm-size=…, or mount -o remount,size=… /dev/shm)"
    }
}

/// How long an allocation waited before it gave up; zero when it was not asked to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Waited(pub Duration);

/// Goes into a sentence: empty, or " after waiting …".
impl fmt::Display for Waited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_zero() {
            return Ok(());
        }
        write!(
            f,
            " after waiting {:?} for others to give some back",
            self.0
        )
    }
}

impl ArenaError {
    /// What the arena's refusal means to a user.
    pub(super) fn new(refused: AllocError, waited: Duration) -> Self {
        let waited = Waited(waited);
        match refused {
            AllocError::Exhausted {
                wanted,
                reserved,
                limit,
            } => Self::OverLimit {
                wanted_bytes: wanted,
                reserved_bytes: reserved,
                limit_bytes: limit,
                waited,
            },
            AllocError::Extent(ExtentError::Full {
                wanted,
                free,
                limit,
            }) => Self::SystemFull {
                wanted_bytes: wanted,
                free_bytes: free,
                total_bytes: limit,
                waited,
            },
            AllocError::TooManyExtents => Self::TooManyExtents {
                extents: forkyard_shm::arena::MAX_EXTENTS,
                waited,
            },
            AllocError::TooLarge { wanted } => Self::too_large(format!("{wanted} bytes")),
            AllocError::Disowned => Self::Inherited,
            other if has_no_place(&other) => Self::NoSharedMemory,
            other => Self::System(other),
        }
    }

    pub(super) fn too_large(wanted: String) -> Self {
        Self::TooLarge {
            wanted: wanted.into(),
            most_bytes: forkyard_shm::arena::LARGEST_BLOCK,
        }
    }

    /// Whether it may be otherwise once something was given back: so that trying again later,
    /// or [waiting](crate::Arena::waiting), is of use.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::OverLimit { .. } | Self::SystemFull { .. } | Self::TooManyExtents { .. }
        )
    }
}

fn has_no_place(error: &AllocError) -> bool {
    let AllocError::Extent(ExtentError::System { source, .. }) = error else {
        return false;
    };
    matches!(
        source.downcast_ref::<SegmentError>(),
        Some(SegmentError::NoSharedMemory)
    )
}

/// The arena's refusal, in one line.
pub(crate) fn refusal(refused: AllocError) -> String {
    describe(&ArenaError::new(refused, Duration::ZERO))
}

/// An error with its causes, in one line.
pub(crate) fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_there_is_and_how_long_was_waited() {
        let refused = || AllocError::Exhausted {
            wanted: 7,
            reserved: 2,
            limit: 8,
        };
        let text = ArenaError::new(refused(), Duration::ZERO).to_string();
        assert!(text.contains("2 of 8 bytes are in use; drop"), "{text}");
        let error = ArenaError::new(refused(), Duration::from_secs(3));
        let text = error.to_string();
        assert!(
            text.contains("in use after waiting 3s for others"),
            "{text}"
        );
        assert!(error.may_pass());
        assert!(!ArenaError::new(AllocError::Disowned, Duration::ZERO).may_pass());
    }
}
