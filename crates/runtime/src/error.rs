//! What can go wrong, by group of operations: building a pool, running a task, ending. The death of a
//! worker is in `death`.

mod death;

use std::time::Duration;

use forkyard_os::process::ExitCause;

pub use death::{RunningTask, WorkerDeath};

/// Why a pool could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// `forkyard::init()` has not run in this process, so a worker started from the same
    /// program would not run it either and would start over as a second supervisor.
    #[error(
        "forkyard::init() has not run in this process; make it the first line of main(), \
         because workers start from the same program and become workers there (in tests: \
         forkyard::test_support!() at the top of the file)"
    )]
    MissingInit,
    /// A worker was started from the program but came back as another supervisor.
    #[error(
        "worker {worker} ran the program's main() past the place where forkyard::init() should be; \
         make forkyard::init() the first line of main()"
    )]
    WorkerSkippedInit {
        /// Index of the worker.
        worker: usize,
    },
    /// A pool needs at least one worker.
    #[error("a pool needs at least one worker; leave workers() out for one per available cpu")]
    NoWorkers,
    /// More workers than one pool can hold.
    #[error("{asked} workers asked for, a pool holds at most {limit}")]
    TooManyWorkers {
        /// How many were asked for.
        asked: usize,
        /// The most a pool can hold.
        limit: usize,
    },
    /// Forking a process that has several threads would copy their locks, held, into the child.
    #[error(
        "fork is refused: this process has {threads} threads, and a forked child would inherit \
         locks that the other threads hold; build the pool before starting threads, or take \
         StartMethod::Spawn"
    )]
    ForkFromThreads {
        /// Threads of the calling process, itself included.
        threads: usize,
    },
    /// The process has a global pool already.
    #[error(
        "the global pool exists already; call build_global() before the first Pool::global(), and once"
    )]
    GlobalExists,
    /// A worker did not answer in time.
    #[error(
        "worker {worker} (pid {pid}) did not answer within {within:?}; if main() does work before \
         forkyard::init(), move init() up, else raise start_timeout()"
    )]
    HandshakeTimeout {
        /// Index of the worker.
        worker: usize,
        /// Its process id.
        pid: i32,
        /// The handshake timeout.
        within: Duration,
    },
    /// A worker ended before it was ready.
    #[error("worker {worker} (pid {pid}) ended during start: {cause}{hint}")]
    DiedAtStart {
        /// Index of the worker.
        worker: usize,
        /// Its process id.
        pid: i32,
        /// How it ended.
        cause: ExitCause,
        /// What to do about it, where that is known (begins with "; "), else empty.
        hint: String,
    },
    /// The initializer failed in a worker, panicked, or took the worker with it.
    #[error("the initializer failed in worker {worker}: {why}")]
    Initializer {
        /// Index of the worker.
        worker: usize,
        /// What the initializer said, or how it ended.
        why: String,
    },
    /// The preload failed, or panicked, in the process from which workers are forked.
    #[error("the preload failed: {why}")]
    Preload {
        /// What it said.
        why: String,
    },
    /// A worker could not be set up as the builder says: a limit that cannot be had, for one.
    #[error("worker {worker} could not be set up: {why}")]
    WorkerSetup {
        /// Index of the worker.
        worker: usize,
        /// What could not be done.
        why: String,
    },
    /// What the builder says of the workers cannot be sent to them.
    #[error("{what} cannot be had: {why}")]
    Settings {
        /// What was to be sent.
        what: &'static str,
        /// Why not.
        why: String,
    },
    /// A pool inside a task of a pool inside a task, deeper than the outer pools allow.
    #[error(
        "a pool cannot be built in this task: the pools that it runs in allow no more levels below \
         them; raise max_depth() of the outermost one, or build the pool outside of tasks"
    )]
    TooDeep,
    /// The shared-memory segment could not be made.
    #[error(transparent)]
    Segment(#[from] forkyard_os::segment::SegmentError),
    /// The operating system refused to start a process.
    #[error(transparent)]
    Spawn(#[from] forkyard_os::process::SpawnError),
    /// The copy path could not be set up.
    #[error(transparent)]
    Link(#[from] forkyard_wire::link::LinkError),
    /// Another call of the operating system failed.
    #[error("{what} failed: {source}")]
    Os {
        /// What was being done.
        what: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Why one task has no result. The pool and every other task go on.
///
/// Small on purpose: a `map` returns one `Result` per item, and memory is touched for each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TaskError {
    /// The argument could not be encoded.
    #[error("the argument could not be encoded: {0}")]
    EncodeArgument(Box<str>),
    /// The worker could not decode the argument.
    #[error("a worker could not decode the argument: {0}")]
    DecodeArgument(Box<str>),
    /// The task panicked. Its worker lives on.
    #[error(transparent)]
    Panicked(Box<TaskPanic>),
    /// The result could not be encoded.
    #[error("a worker could not encode the result: {0}")]
    EncodeResult(Box<str>),
    /// The result arrived but could not be decoded.
    #[error("the result could not be decoded: {0}")]
    DecodeResult(Box<str>),
    /// The worker died while it ran this task.
    #[error(transparent)]
    WorkerDied(Box<WorkerDeath>),
    /// The worker died while it ran this task, which was then run again, and each time its worker
    /// died; or it could not be run again.
    #[error(transparent)]
    GaveUp(Box<GaveUp>),
    /// The task took longer than it may.
    #[error(transparent)]
    TimedOut(Box<TaskTimeout>),
    /// The task was cancelled.
    #[error("the task was cancelled")]
    Cancelled,
    /// The pool was aborted before the task ended.
    #[error("the pool was aborted before this task ended")]
    Aborted,
    /// The pool was closed before the task was submitted.
    #[error("the pool is closed; submit before close()")]
    Closed,
    /// No worker is left, and none can be started: why.
    #[error("no worker is left to run this task: {0}")]
    NoWorkers(Box<str>),
    /// A worker wrote something into shared memory that cannot be, and was killed for it.
    #[error("a worker wrote what it must not into shared memory: {0}")]
    Fault(Box<str>),
    /// A block of shared memory could not be had.
    #[error("no shared memory for this task: {0}")]
    SharedMemory(Box<str>),
}

const _: () = assert!(size_of::<TaskError>() <= 24);

/// A panic of a task.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the task panicked in worker {worker}: {message}{}", at(.location))]
pub struct TaskPanic {
    /// Index of the worker.
    pub worker: usize,
    /// The panic's message.
    pub message: String,
    /// `file:line:column` of the panic, where known.
    pub location: Option<String>,
    /// The backtrace, when `RUST_BACKTRACE` asks for one.
    pub backtrace: Option<String>,
}

fn at(location: &Option<String>) -> String {
    location
        .as_ref()
        .map_or_else(String::new, |l| format!(" at {l}"))
}

/// A task that took longer than it may.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the task took longer than its limit of {limit:?} in worker {worker}, and {}; raise task_timeout() if it is meant to take so long",
    if *.killed { "was killed with its process, because it did not stop when asked to" }
    else { "ended when it was asked to stop" })]
pub struct TaskTimeout {
    /// How long it may take.
    pub limit: Duration,
    /// Index of the worker that ran it.
    pub worker: usize,
    /// Whether its process had to be ended, since it did not stop by itself.
    pub killed: bool,
}

/// A task that was to be run again after its worker's death, and is not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("given up after {} death(s) of its worker: {why}; the last one: {}", .deaths.len(), last(.deaths))]
pub struct GaveUp {
    /// The deaths of its workers, the first one first.
    pub deaths: Vec<WorkerDeath>,
    /// Why it is not run once more.
    pub why: NotRetried,
}

/// Why a task is not run once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotRetried {
    /// As often as it may be it was.
    #[error("it was run again as often as on_crash() allows")]
    Spent,
    /// Its argument has moved something to the process that died.
    #[error("its argument moved shared memory (an Owned) to the worker that died; send a Shared")]
    ArgumentMoved,
    /// The worker that died had written over its argument, or a part of it: a task of
    /// [`for_each_chunk_mut`](crate::Pool::for_each_chunk_mut) does, by design.
    #[error("the worker that died had written over its argument")]
    ArgumentLost,
}

fn last(deaths: &[WorkerDeath]) -> String {
    deaths.last().map_or_else(String::new, ToString::to_string)
}
