//! Starting worker processes, and what the two sides agree on for it.

use std::os::fd::OwnedFd;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use forkyard_os::control::MESSAGE_BYTES;
use forkyard_os::park;
use forkyard_os::process::{Environment, Pid, spawn_self, spawn_self_with_stderr};
use forkyard_shm::Park;

use crate::zygotes::Zygotes;

/// Names the environment variable that makes a process a worker.
pub(crate) const WORKER_VARIABLE: &str = "FORKYARD_WORKER";
/// Names the environment variable that makes a process a zygote.
pub(crate) const ZYGOTE_VARIABLE: &str = "FORKYARD_ZYGOTE";

/// Names the environment variable that makes a process a worker, or a zygote, before its `main`.
pub(crate) const EARLY_VARIABLE: &str = "FORKYARD_BEFORE_MAIN";

/// Exit code of a worker that reached `Pool::build` with its orders unread.
pub(crate) const EXIT_SKIPPED_INIT: i32 = 113;
/// Exit code of a worker that could not attach to its pool.
pub(crate) const EXIT_NOT_ATTACHED: i32 = 114;
/// Exit code of a worker whose supervisor is gone.
pub(crate) const EXIT_ORPHANED: i32 = 115;

/// Sleeping as the operating system does it, for the structures of `forkyard-shm`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OsPark;

impl Park for OsPark {
    fn park(&self, word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
        // Woken, changed or timed out: the caller looks again either way.
        let _ = park::wait(word, expected, timeout);
    }

    fn unpark(&self, word: &AtomicU32) {
        park::wake(word, 1);
    }

    fn unpark_all(&self, word: &AtomicU32) {
        park::wake(word, u32::MAX);
    }
}

/// Where new workers come from.
#[derive(Debug)]
pub(crate) enum Starter {
    /// The program is executed again.
    Spawn {
        segment: String,
        environment: Environment,
    },
    /// A zygote forks them.
    Zygote(Zygotes),
}

impl Starter {
    /// Ends the zygotes, if there are any. They have no workers left.
    pub(crate) fn end(&self) {
        if let Self::Zygote(zygotes) = self {
            zygotes.end();
        }
    }
}

/// Executes this program again as worker `index` of the pool in its `generation`. Without `stderr`
/// it has this process's.
pub(crate) fn spawn(
    segment: &str,
    environment: &Environment,
    (index, generation): (usize, u32),
    stderr: Option<OwnedFd>,
) -> Result<Pid, String> {
    let orders = format!("{segment} {index} {generation}");
    let variables = [(WORKER_VARIABLE, orders.as_str())];
    let started = match stderr {
        Some(stderr) => spawn_self_with_stderr(&variables, environment, stderr),
        None => spawn_self(&variables, environment),
    };
    started.map_err(|error| error.to_string())
}

/// Why a zygote has not forked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotForked {
    /// The limit of processes is reached.
    Limit,
    /// The zygote has threads, from before `init` or from its preload.
    Threads,
    /// Anything else.
    Other,
}

impl NotForked {
    /// In words for the user.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Limit => "fork failed: the limit of processes is reached (ulimit -u)",
            Self::Threads => {
                "fork is refused: the process from which workers are forked has threads, whose \
                 locks a worker would inherit. Either main() starts them before forkyard::init(), \
                 as #[tokio::main] does (write a plain main, and build the runtime after init), or \
                 a preload leaves them behind (have it end them)"
            }
            Self::Other => "fork failed",
        }
    }
}

/// What supervisor and zygote say to each other, in messages of fixed size:
/// a tag, then little-endian numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ZygoteMessage {
    /// Supervisor: fork this worker.
    Fork { index: usize, generation: u32 },
    /// Zygote: here it is.
    Forked {
        index: usize,
        generation: u32,
        pid: i32,
    },
    /// Zygote: it could not be forked.
    NotForked {
        index: usize,
        generation: u32,
        why: NotForked,
    },
    /// Zygote: a worker ended.
    Exited(forkyard_os::process::Exit),
    /// Zygote: the spare that it was to fork.
    Spare { pid: i32 },
}

impl ZygoteMessage {
    pub(crate) fn encode(self) -> [u8; MESSAGE_BYTES] {
        let mut bytes = [0; MESSAGE_BYTES];
        let mut numbers = |tag: u8, index: usize, generation: u32, last: i32| {
            bytes[0] = tag;
            bytes[4..8].copy_from_slice(&(index as u32).to_le_bytes());
            bytes[8..12].copy_from_slice(&generation.to_le_bytes());
            bytes[12..16].copy_from_slice(&last.to_le_bytes());
        };
        match self {
            Self::Fork { index, generation } => numbers(1, index, generation, 0),
            Self::Forked {
                index,
                generation,
                pid,
            } => numbers(2, index, generation, pid),
            Self::NotForked {
                index,
                generation,
                why,
            } => {
                let why = match why {
                    NotForked::Other => 0,
                    NotForked::Limit => 1,
                    NotForked::Threads => 2,
                };
                numbers(3, index, generation, why);
            }
            Self::Spare { pid } => numbers(5, 0, 0, pid),
            Self::Exited(exit) => {
                bytes[0] = 4;
                let exit = exit.encode();
                bytes[8..8 + exit.len()].copy_from_slice(&exit);
            }
        }
        bytes
    }

    pub(crate) fn decode(bytes: &[u8; MESSAGE_BYTES]) -> Option<Self> {
        let number = |at: usize| {
            let mut four = [0; 4];
            four.copy_from_slice(&bytes[at..at + 4]);
            u32::from_le_bytes(four)
        };
        let (index, generation, last) = (number(4) as usize, number(8), number(12).cast_signed());
        match bytes[0] {
            1 => Some(Self::Fork { index, generation }),
            2 => Some(Self::Forked {
                index,
                generation,
                pid: last,
            }),
            3 => Some(Self::NotForked {
                index,
                generation,
                why: match last {
                    1 => NotForked::Limit,
                    2 => NotForked::Threads,
                    _ => NotForked::Other,
                },
            }),
            4 => {
                let mut exit = [0; forkyard_os::process::EXIT_BYTES];
                let end = 8 + exit.len();
                exit.copy_from_slice(&bytes[8..end]);
                forkyard_os::process::Exit::decode(&exit).map(Self::Exited)
            }
            5 => Some(Self::Spare { pid: last }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use forkyard_os::process::{Exit, ExitCause};

    #[test]
    fn zygote_messages_survive_the_line() {
        let exit = Exit {
            pid: Pid::from_raw(7).expect("a pid"),
            cause: ExitCause::Signal {
                signal: 9,
                core: false,
            },
            cpu_user: Duration::from_micros(5),
            cpu_system: Duration::from_micros(6),
            peak_rss_bytes: 1 << 20,
        };
        let all = [
            ZygoteMessage::Fork {
                index: 254,
                generation: u32::MAX,
            },
            ZygoteMessage::Forked {
                index: 0,
                generation: 1,
                pid: i32::MAX,
            },
            ZygoteMessage::NotForked {
                index: 1,
                generation: 2,
                why: NotForked::Threads,
            },
            ZygoteMessage::Exited(exit),
            ZygoteMessage::Spare { pid: 12 },
        ];
        for message in all {
            assert_eq!(ZygoteMessage::decode(&message.encode()), Some(message));
        }
        assert_eq!(ZygoteMessage::decode(&[0; MESSAGE_BYTES]), None);
    }
}
