//! What can go wrong, by group of operations: building a pool, running a task, ending.

use std::time::Duration;

use forkyard_os::process::ExitCause;

use crate::StartMethod;

/// Why a pool could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// `forkyard::init()` has not run in this process, so a worker started from the same
    /// program would not run it either and would start over as a second supervisor.
    #[error(
        "forkyard::init() has not run in this process; make it the first line of main(), \
         because workers start from the same program and become workers there"
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
    /// The start method exists in the design, but not in this version.
    #[error("start method {0} is not there yet; take spawn or fork")]
    NotYet(StartMethod),
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
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TaskError {
    /// The argument could not be encoded.
    #[error("the argument could not be encoded: {0}")]
    EncodeArgument(String),
    /// The worker could not decode the argument.
    #[error("worker {worker} could not decode the argument: {message}")]
    DecodeArgument {
        /// Index of the worker.
        worker: usize,
        /// What the codec said.
        message: String,
    },
    /// The task panicked. Its worker lives on.
    #[error("the task panicked in worker {worker}: {message}{}", at(.location))]
    Panicked {
        /// Index of the worker.
        worker: usize,
        /// The panic's message.
        message: String,
        /// `file:line:column` of the panic, where known.
        location: Option<String>,
        /// The backtrace, when `RUST_BACKTRACE` asks for one.
        backtrace: Option<String>,
    },
    /// The result could not be encoded.
    #[error("worker {worker} could not encode the result: {message}")]
    EncodeResult {
        /// Index of the worker.
        worker: usize,
        /// What the codec said.
        message: String,
    },
    /// The result arrived but could not be decoded.
    #[error("the result could not be decoded: {0}")]
    DecodeResult(String),
    /// The worker died while it ran this task.
    #[error("{0}")]
    WorkerDied(WorkerDeath),
    /// The pool was aborted before the task ended.
    #[error("the pool was aborted before this task ended")]
    Aborted,
    /// The pool was closed before the task was submitted.
    #[error("the pool is closed; submit before close()")]
    Closed,
    /// Workers died faster than they could be replaced; the pool gave up.
    #[error("the pool gave up after {deaths} worker deaths; the first: {first}")]
    CrashLoop {
        /// How many workers had died.
        deaths: usize,
        /// The first death.
        first: WorkerDeath,
    },
    /// No replacement could be started for a dead worker, and none is left.
    #[error("no worker is left to run this task: {0}")]
    NoWorkers(String),
    /// A worker wrote something into shared memory that cannot be.
    #[error("worker {worker} wrote what it must not into shared memory: {fault}")]
    Fault {
        /// Index of the worker.
        worker: usize,
        /// Which check failed.
        fault: String,
    },
    /// A block of shared memory could not be had.
    #[error("no shared memory for this task: {0}")]
    SharedMemory(String),
}

fn at(location: &Option<String>) -> String {
    location
        .as_ref()
        .map_or_else(String::new, |l| format!(" at {l}"))
}

/// The end of a worker process that was not asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("worker {worker} (pid {pid}) died while it ran the task: {cause}; peak memory {} MiB", .peak_rss_bytes / (1 << 20))]
pub struct WorkerDeath {
    /// Index of the worker in the pool.
    pub worker: usize,
    /// Which incarnation of that worker: 0 for the first, one more for each replacement.
    pub generation: u32,
    /// Process id.
    pub pid: i32,
    /// How it ended.
    pub cause: ExitCause,
    /// Peak resident memory in bytes.
    pub peak_rss_bytes: u64,
}
