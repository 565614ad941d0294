//! How a workload is to be run.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use forkyard::{CheckEvery, ChunkSize, Pool, PoolBuilder, StartMethod, Transport};

/// How a workload is to be run.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// Worker processes.
    pub workers: usize,
    /// How they are started.
    pub start_method: StartMethod,
    /// The path on which tasks are handed over.
    pub transport: Transport,
    /// Tasks in one message.
    pub chunk_size: ChunkSize,
    /// How often a search or a count looks at the stop flag.
    pub check_every: CheckEvery,
    /// The most shared memory for payloads, in bytes; `None` for the pool's own limit.
    pub arena_limit: Option<u64>,
    /// What the pool is compared with.
    pub against: Option<Against>,
    /// Pairs of the comparison; `None` for three, fewer where a run is long.
    pub pairs: Option<NonZeroU32>,
    /// Whether a run longer than half a second may show a progress bar on standard error.
    pub progress: bool,
}

impl RunOptions {
    /// A builder that has them all.
    pub(crate) fn pool(&self) -> PoolBuilder {
        let builder = Pool::builder()
            .workers(self.workers)
            .start_method(self.start_method)
            .transport(self.transport)
            .chunk_size(self.chunk_size)
            .check_every(self.check_every);
        match self.arena_limit {
            Some(bytes) => builder.arena_limit(bytes),
            None => builder,
        }
    }
}

/// What a pool is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Against {
    /// The same work in one process, one task after another.
    Sequential,
    /// The same work on as many threads as the pool has workers.
    Threads,
}

/// A name that is none of the comparisons.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is nothing to compare with; take sequential or threads")]
pub struct AgainstError(String);

impl Against {
    /// The names of all comparisons.
    pub const NAMES: [&'static str; 2] = ["sequential", "threads"];
}

impl fmt::Display for Against {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Sequential => "sequential",
            Self::Threads => "threads",
        })
    }
}

impl FromStr for Against {
    type Err = AgainstError;

    fn from_str(name: &str) -> Result<Self, AgainstError> {
        match name {
            "sequential" => Ok(Self::Sequential),
            "threads" => Ok(Self::Threads),
            _ => Err(AgainstError(name.to_owned())),
        }
    }
}
