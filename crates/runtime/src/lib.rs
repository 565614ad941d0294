//! A true multi-process runtime: worker processes, shared memory, and no hangs.
//!
//! ```no_run
//! use forkyard::Pool;
//!
//! fn main() -> Result<(), forkyard::BuildError> {
//!     forkyard::init(); // first: in a worker process this call never returns
//!
//!     let pool = Pool::builder().build()?;
//!     let squares = pool.map(|n: u64| n * n, 0..1000);
//!     assert!(squares.into_iter().all(|s| s.is_ok()));
//!     pool.close();
//!     Ok(())
//! }
//! ```
//!
//! Tasks are plain functions and closures that capture nothing: workers run the same program,
//! so a task crosses as the place of its code, and only its argument and its result travel.
//! They travel over one of two paths with one interface ([`Transport`]): encoded into lanes
//! in shared memory, or encoded and sent through pipes. Large data need not travel at all:
//! see [`Arena`], [`Owned`] and [`Shared`]. What tasks change together is in [`state`]: cells,
//! mutexes, events, semaphores, barriers, queues.
//!
//! Not here: threads inside a process (take rayon), processes on other machines, and state
//! that tasks capture.
//!
//! Where to start reading: `pool` for what users call; `driver` for how tasks move and what
//! happens when a worker dies; `worker` for the other side; `trampoline` for how a function
//! crosses.
#![cfg_attr(not(test), deny(clippy::unwrap_used))]

mod abort;
mod arena;
mod bootstrap;
mod builder;
mod bulk;
mod chunk;
mod context;
mod driver;
mod error;
mod first;
#[doc(hidden)]
pub mod fuzzing;
mod handle;
mod init;
mod job;
mod map;
mod mapped;
mod options;
mod packing;
mod parcel;
mod pool;
mod reaper;
mod reply;
mod search;
mod sink;
mod source;
mod start;
pub mod state;
mod time;
mod timings;
mod trampoline;
mod witness;
mod worker;
mod zygote;

pub use abort::AbortHandle;
pub use arena::{
    Arena, ArenaError, ArenaStats, ArenaWriter, Owned, Payload, Plain, Shared, Waited,
};
pub use builder::PoolBuilder;
pub use context::{Context, context};
pub use error::{BuildError, TaskError, TaskPanic, WorkerDeath};
pub use first::{First, Found};
pub use forkyard_os::process::ExitCause;
pub use forkyard_shm::{CheckEvery, Checker, MAX_WORKERS, Protocol, ResultSlot, Round, StopFlag};
pub use handle::Handle;
pub use init::init;
pub use options::{ChunkSize, ParseOptionError, StartMethod, Transport};
pub use pool::{Pool, Report, SupervisorTimings};
pub use search::{Search, SearchChecker};
pub use state::{
    Barrier, Event, Queue, Semaphore, SharedArray, SharedCell, SharedMutex, StateError,
};
pub use timings::{ProcessTimings, Stages};
pub use witness::WorkerStderr;

/// Removing what pools left behind when everything was killed at once.
///
/// Every pool that is built does it; this is for doing it by hand.
pub mod cleanup {
    pub use forkyard_os::segment::{Leftover, SegmentError, SegmentName, leftovers, sweep};
}

/// How many cpus this process may use: what scheduling affinity and the cgroup's quota leave.
#[must_use]
pub fn available_cpus() -> std::num::NonZeroUsize {
    forkyard_os::cpus::available()
}
