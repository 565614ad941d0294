//! What a run of a workload came to.

use serde::Serialize;

/// What a run of a workload came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The answer in words, one line each.
    pub answer: Vec<String>,
    /// What was made, byte for byte, where the workload makes something (checksums).
    pub listing: Option<Vec<u8>>,
    /// What went wrong, one line for each thing.
    pub complaints: Vec<String>,
    /// The answer for programs.
    pub result: Findings,
    /// Tasks that ended with a result.
    pub tasks: u64,
    /// How it ended.
    pub status: Status,
}

/// How a run ended, from good to bad; of several, the worst counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Status {
    /// All was done.
    #[default]
    Success,
    /// All was searched, and nothing was there.
    NothingFound,
    /// A task failed, a file could not be read, or a result was wrong.
    TaskFailed,
    /// The system did not give what the run needs, such as shared memory.
    Environment,
    /// A worker died and took a task with it.
    WorkerLost,
    /// The run was interrupted.
    Interrupted,
}

/// The answer for programs: the `result` of the JSON report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Findings {
    /// Of `primes`.
    Primes {
        /// Whether a prime was found.
        found: bool,
        /// The prime.
        value: Option<u64>,
        /// Index of the worker that won.
        worker: Option<usize>,
        /// How many workers believed to have won.
        winners: u32,
        /// From raising the flag until each loser was out of its search, in nanoseconds.
        stop_latency_ns: Vec<u64>,
    },
    /// Of `count-primes`.
    CountPrimes {
        /// The limit, itself included.
        limit: u64,
        /// Primes from 2 to the limit.
        primes: u64,
        /// Numbers tested.
        iterations: u64,
        /// Looks at the stop flag.
        checks: u64,
    },
    /// Of `hash-files`.
    HashFiles {
        /// Files hashed.
        files: u64,
        /// Their bytes.
        bytes: u64,
        /// Files and directories that could not be read.
        failed: u64,
    },
    /// Of `spin`.
    Spin {
        /// Tasks whose result was right.
        verified: u64,
        /// Tasks without a result, or with a wrong one.
        failed: u64,
        /// Payload bytes handed to tasks that were verified.
        payload_bytes: u64,
        /// Result bytes taken back and verified.
        result_bytes: u64,
    },
}
