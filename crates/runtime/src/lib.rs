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
//! mutexes, events, semaphores, barriers, queues. What has no fixed size lives in a [`Manager`].
//!
//! # Observability
//!
//! [`Pool::stats`] tells what a pool and each of its workers are doing now, and what they have
//! done; [`inspect`] tells the same of the pools of other processes, as `forkyard inspect` does.
//! Both read what the pool's processes note in shared memory for themselves, and disturb none of
//! them. [`dump_stats_on`] has a signal, SIGUSR1 for one, print it to standard error; unasked, no
//! signal is touched. [`suspend`] stops the program with its workers, for Ctrl-Z.
//!
//! Through [`tracing`] the crate tells what happens, inside a span `pool` that lasts as long as
//! the pool (its fields: `pool`, `name`, `workers`, `start_method`, `transport`):
//!
//! | target | level | events | fields |
//! |---|---|---|---|
//! | `forkyard::pool` | debug | pool made, ready, closes, aborted, ended; workers signalled; zygote started | `pool`, `pid`, `startup`, `grace`, `signal`, `wall`, `deaths` |
//! | | debug | a pool that was found is not inspected | `pool`, `error` |
//! | | warn | zygote died | `pool`, `pid`, `cause` |
//! | | warn | no thread to be had; workers' output is not passed on, or late | `pool`, `for_what`, `why`, `error` |
//! | | error | the zygote broke the protocol; deaths cannot be waited for; shared state cannot be told of one; a thread of the pool panicked | `pool`, `error` |
//! | `forkyard::worker` | debug | worker started, ready, ended | `pool`, `worker`, `generation`, `pid`, `startup`, `task`, `cause` |
//! | | debug | what a worker had of shared memory was given back (`blocks_freed` and so on); worker inherits standard error | `pool`, `worker`, `generation`, `error` |
//! | | warn | worker died, worker did not start | as for started, `failure` |
//! | | warn | signal not delivered; worker cannot be watched; worker begins nothing, and is killed | the same, `signal`, `error`, `batch`, `first`, `items` |
//! | | error | worker broke the protocol; worker that must be watched cannot be; a process that nobody asked for | the same, `fault`, `error` |
//! | `forkyard::task` | trace | task queued, sent, done | `pool`, `worker`, `generation`, `batch`, `first`, `items` |
//! | | trace | in the worker: task started, finished | `pool`, `worker`, `generation`, `pid`, `message` |
//! | | debug | task is being stopped; task runs again | `pool`, `worker`, `generation`, `pid`, `batch`, `first`, `items`, `why` |
//! | | error | a callback or waker panicked | |
//! | `forkyard::manager` | warn | in a manager: it takes no caller now | `pool`, `pid`, `why`, `error` |
//! | `forkyard::cleanup` | info | leftovers of pools and managers that were killed are removed | `what`, `count` |
//! | | warn | leftovers were not looked for | `what`, `error` |
//! | `forkyard::test_support` | warn | the program's file cannot be read, to see whether it is a test | `error` |
//!
//! `pool` is the name of the pool's control segment, which no two pools share; what has none is of no
//! pool. `pid` is the process that the event is of, `task` what it ran. The events of a task are one for each message, which is a chunk of tasks
//! in a `map`: `batch` is the `submit` or `map`, `first` the index of its first item. A forked worker
//! may be told to be ready before it is told to have been started. Those in a worker are heard
//! by a subscriber that the program has installed there. While nobody listens, an event of a task
//! costs a load and a branch. Most are told while the pool's lock is held: a subscriber must not call
//! the pool that it hears of, nor panic.
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
mod calls;
mod chunk;
mod context;
mod driver;
mod error;
mod first;
#[doc(hidden)]
pub mod fuzzing;
mod handle;
mod init;
pub mod inspect;
mod items;
mod job;
mod life;
mod manager;
mod map;
mod mapped;
mod options;
mod packing;
mod parcel;
mod pool;
mod reaper;
mod reply;
mod report;
mod search;
mod setup;
mod sink;
mod sizing;
mod source;
mod start;
pub mod state;
mod stats;
#[doc(hidden)]
pub mod test_support;
mod time;
mod timings;
mod trace;
mod trampoline;
mod watcher;
mod window;
mod witness;
mod worker;
mod zygote;
mod zygotes;

pub use abort::AbortHandle;
pub use arena::{
    Arena, ArenaError, ArenaStats, ArenaWriter, Owned, Payload, Plain, Shared, Waited,
};
pub use builder::{Pinning, PoolBuilder};
pub use calls::{Imap, ImapUnordered, StarFn, Task};
pub use context::{Context, context};
pub use driver::suspend;
pub use error::{
    BuildError, GaveUp, NotRetried, RunningTask, TaskError, TaskPanic, TaskTimeout, WorkerDeath,
};
pub use first::{First, Found};
#[doc(inline)]
pub use forkyard_os::process::ExitCause;
#[doc(inline)]
pub use forkyard_shm::{CheckEvery, Checker, MAX_WORKERS, Protocol, Round, StopFlag};
pub use handle::{
    AsCompleted, CancelHandle, Done, Handle, TaskTimings, Timed, WaitFor, as_completed, wait,
};
pub use init::init;
pub use manager::{CallPanic, Dict, List, Manager, ManagerError, ManagerStartError};
pub use options::{ChunkSize, OnCrash, ParseOptionError, StartMethod, Transport};
pub use pool::Pool;
pub use report::{CutShort, Report, SupervisorTimings, Unlisted};
pub use search::{Search, SearchChecker};
pub use setup::{Maker, Outcome, WorkerProgress};
pub use state::{
    Barrier, Event, Queue, Semaphore, SharedArray, SharedCell, SharedMutex, StateError,
};
pub use stats::{
    ArenaUse, PoolStage, PoolStats, TaskProgress, WorkerState, WorkerStats, dump_stats_on,
};
pub use timings::{ProcessTimings, Stages};
pub use watcher::PoolWatcher;
pub use witness::WorkerStderr;

/// What the errors of this crate are made of, to be matched on and kept.
///
/// [`BuildError`] has a [`SpawnError`](errors::SpawnError), a [`LinkError`](errors::LinkError) or a
/// [`SegmentError`](cleanup::SegmentError) in it, [`ArenaError`] and [`StateError`] an
/// [`AllocError`](errors::AllocError), and [`inspect::InspectError`] an
/// [`AttachError`](errors::AttachError). The others say why a text is no [`CheckEvery`] and no
/// [`Protocol`].
pub mod errors {
    #[doc(inline)]
    pub use forkyard_os::OsError;
    #[doc(inline)]
    pub use forkyard_os::process::SpawnError;
    #[doc(inline)]
    pub use forkyard_shm::arena::{AllocError, ExtentError, ExtentId};
    #[doc(inline)]
    pub use forkyard_shm::check::ParseCheckEveryError;
    #[doc(inline)]
    pub use forkyard_shm::control::AttachError;
    #[doc(inline)]
    pub use forkyard_shm::first::ParseProtocolError;
    #[doc(inline)]
    pub use forkyard_wire::link::LinkError;
}

/// Removing what pools left behind when everything was killed at once.
///
/// Every pool that is built does it; this is for doing it by hand.
pub mod cleanup {
    pub use crate::manager::{leftovers as manager_leftovers, sweep as sweep_managers};
    #[doc(inline)]
    pub use forkyard_os::segment::{Leftover, SegmentError, SegmentName, leftovers, sweep};
}

/// How many cpus this process may use: what scheduling affinity and the cgroup's quota leave.
#[must_use]
pub fn available_cpus() -> std::num::NonZeroUsize {
    forkyard_os::cpus::available()
}
