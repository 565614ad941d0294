//! The exit codes, in one place: what they are is also what `--help` says.

use std::fmt::Write;
use std::process::ExitCode;

use forkyard_workloads::Status;

/// How the command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    Success = 0,
    NothingFound = 1,
    /// Mostly given by the option parser itself, before anything else happens.
    Usage = 2,
    TaskFailed = 3,
    WorkerLost = 4,
    Environment = 5,
    Interrupted = 130,
}

/// Each code with its meaning.
const TABLE: [(u8, &str); 7] = [
    (0, "success"),
    (
        1,
        "nothing found: all was searched, and nothing was there; no such pool",
    ),
    (2, "bad usage: the command line was not understood"),
    (3, "a task failed, or a file could not be read"),
    (4, "a worker was lost, and a task with it"),
    (
        5,
        "the system refused: no worker, no shared memory, no output",
    ),
    (130, "interrupted by Ctrl-C or SIGTERM"),
];

impl From<Status> for Exit {
    fn from(status: Status) -> Self {
        match status {
            Status::Success => Self::Success,
            Status::NothingFound => Self::NothingFound,
            Status::TaskFailed => Self::TaskFailed,
            Status::Environment => Self::Environment,
            Status::WorkerLost => Self::WorkerLost,
            Status::Interrupted => Self::Interrupted,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// The table of codes for the help.
pub(crate) fn help() -> String {
    let mut text = String::from("Exit codes:\n");
    for (code, meaning) in TABLE {
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {code:>3}  {meaning}");
    }
    text.truncate(text.trim_end().len());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_every_code_once() {
        let codes: Vec<u8> = TABLE.iter().map(|(code, _)| *code).collect();
        let exits = [
            Exit::Success,
            Exit::NothingFound,
            Exit::Usage,
            Exit::TaskFailed,
            Exit::WorkerLost,
            Exit::Environment,
            Exit::Interrupted,
        ];
        assert_eq!(codes, exits.map(|exit| exit as u8));
    }
}
