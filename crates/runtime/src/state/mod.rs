//! State that tasks share, from cheap to costly.
//!
//! | primitive | what it is | when its holder dies |
//! |---|---|---|
//! | [`SharedCell`], [`SharedArray`] | numbers and flags, without a lock | nothing: a change is one step |
//! | [`SharedMutex`] | plain data, one at a time | the next holders get [`OwnerDied`] with the data, until one repairs it |
//! | [`Event`] | wait until it is set | of one who had promised to set it: [`EventBroken`] to all who wait |
//! | [`Semaphore`] | so many at a time | its permits come back |
//! | [`Barrier`] | all wait for all | [`BarrierBroken`] to all, until it is reset |
//! | [`Queue`] | items, many producers, many consumers | an item half pushed never was, one half popped is offered again |
//! | [`Manager`](crate::Manager), [`Dict`](crate::Dict), [`List`](crate::List) | any value, in a process of its own; not of a pool | its function runs to its end |
//!
//! Data of one size that is used often belongs into the first ones, what changes its shape and is
//! used now and then into a manager: a call of it costs a round trip through a socket, where the
//! others cost a memory access or two.
//!
//! The supervisor makes them ([`Pool::mutex`](crate::Pool::mutex) and its neighbours) and sends
//! them to tasks, alone or within any argument or result. What crosses is a descriptor; clones
//! count, and the last handle, in whatever process, gives the memory back. Workers receive
//! them and may keep them; they do not make any.
//!
//! ```no_run
//! use forkyard::{Pool, SharedMutex};
//!
//! fn deposit((account, amount): (SharedMutex<u64>, u64)) {
//!     // A worker that died in here left the sum as it was: it changes in one step.
//!     let mut sum = account.lock().unwrap_or_else(|died| died.guard);
//!     *sum += amount;
//! }
//!
//! forkyard::init();
//! let pool = Pool::builder().build()?;
//! let account = pool.mutex(0_u64)?;
//! let done = pool.map(deposit, (1..=100).map(|amount| (account.clone(), amount)));
//! assert!(done.iter().all(Result::is_ok));
//! assert_eq!(*account.lock().expect("nobody has died"), 5050);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Nobody waits for the dead
//! What a process had when it died is given back as soon as it was reaped, and before another
//! takes its place, whether or not the supervisor itself still has a handle. When the pool has
//! ended, whoever waits in the supervisor for one of its processes is told: events that are not
//! set are [broken](EventBroken), barriers are broken, queues closed. What a *living* process
//! holds on to is waited for; the waits that take a timeout are there for that.
//!
//! # Tasks that wait for each other
//! A task may wait for what another task does, as long as both have a worker: `n` tasks that
//! meet at a barrier need `n` workers. A task that is sent an [`Event`], [`Semaphore`],
//! [`Barrier`] or [`Queue`] has nothing queued behind it in its worker and is the last of its
//! chunk in a `map`, so that it never waits for a task that waits for it. For that the pool has
//! to see the handle: so hand a task what it waits on, rather than keep it in the worker.
//!
//! The time that a worker waits in any of them counts to the `lock` stage of its
//! [timings](crate::Stages).

mod barrier;
mod cell;
mod event;
mod handle;
mod kind;
pub(crate) mod make;
mod mutex;
mod queue;
mod registry;
mod semaphore;
mod wait;

pub use barrier::Barrier;
pub use cell::{SharedArray, SharedCell};
pub use event::Event;
pub use forkyard_shm::OwnerIndex as Owner;
pub use forkyard_shm::state::{
    BarrierBroken, EventBroken, EventWaitError, NoPermit, NotLocked, Number, OwnerDied, Passed,
    PopError, PushError, QueueFault, Shareable, SharedCell as Cell, WaitError as BarrierWaitError,
};
pub use make::StateError;
pub use mutex::{SharedMutex, SharedMutexGuard};
pub use queue::{Queue, QueueIter};
pub use semaphore::{Permit, Semaphore};

pub(crate) use kind::Kind;
pub(crate) use registry::Registry;
pub(crate) use wait::take_waited;
