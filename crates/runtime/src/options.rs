//! The modes of a pool.

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;

/// How a worker process comes into being.
///
/// However it does, it reads nothing: its standard input is `/dev/null`, and what is typed at or
/// piped into the program is the program's. (What the program's [`std::io::stdin`] had read ahead
/// when a pool with [`Fork`](Self::Fork) was built, its workers have a copy of.)
///
/// A worker leads a process group of its own, so that Ctrl-C reaches the program alone. It ignores
/// SIGTTIN and SIGTTOU, with which a terminal stops jobs in the background: to read from `/dev/tty`
/// fails with EIO, and what is printed there is shown, also with `stty tostop`. It ignores SIGHUP too,
/// since its program's end ends it. What tasks execute inherits all that; a program that needs
/// these signals sets them itself, as shells do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StartMethod {
    /// Executes the same program again; [`init`](crate::init) turns it into a worker.
    #[default]
    Spawn,
    /// Forks the calling process, once, into a single-threaded *zygote* that forks the
    /// workers. They begin with a copy of the caller's memory, and of its open files. Refused
    /// when the caller has more than one thread.
    ///
    /// Should the zygote be killed, a spare that was forked at the same time takes over, and forks
    /// the next spare. When both are killed at once, or the spare, which is not watched, before the
    /// zygote, there is nobody to fork a replacement: workers go on as long as they live, and when
    /// the last one has died, tasks fail with
    /// [`TaskError::NoWorkers`](crate::TaskError::NoWorkers).
    Fork,
    /// Executes the same program again, once, as a clean zygote that forks the workers.
    ForkServer,
}

/// How arguments and results travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transport {
    /// Through lanes and blocks of shared memory.
    #[default]
    Shared,
    /// Encoded, through pipes, and decoded: at least three copies.
    Copy,
}

/// How many items of a `map` travel in one message. Where one is asked for, a number (of 1 or more)
/// does, too; a text is [parsed](FromStr): `"auto"`, `"1_000"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ChunkSize {
    /// Follows the measured time of a task.
    #[default]
    Auto,
    /// This many.
    Items(NonZeroUsize),
}

/// What becomes of a task whose worker dies while it runs it.
///
/// ```no_run
/// use forkyard::{OnCrash, Pool};
///
/// # fn main() -> Result<(), forkyard::BuildError> {
/// # forkyard::init();
/// // Decoding is safe to repeat: another worker may have better luck.
/// let pool = Pool::builder().on_crash(OnCrash::Retry { max: 2 }).build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnCrash {
    /// It fails with [`TaskError::WorkerDied`](crate::TaskError::WorkerDied).
    #[default]
    Fail,
    /// It is run again by another process, before all that wait. For tasks that may be run
    /// several times: what the first run has done until it died stays done.
    ///
    /// It gives up, with [`TaskError::GaveUp`](crate::TaskError::GaveUp), which has the whole
    /// history, after so many more deaths; or at once, when the argument has moved something (an
    /// [`Owned`](crate::Owned)) into the process that died, or is a part that it was
    /// [writing where it lies](crate::Pool::for_each_chunk_mut). A task that was stopped, because its
    /// time was over or it was cancelled, is not run again.
    Retry {
        /// How often at most, after the first time.
        max: u32,
    },
}

/// A text that names no mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no {what}; there are {choices}")]
pub struct ParseOptionError {
    text: String,
    what: &'static str,
    choices: &'static str,
}

impl ParseOptionError {
    pub(crate) fn new(text: &str, what: &'static str, choices: &'static str) -> Self {
        Self {
            text: text.to_owned(),
            what,
            choices,
        }
    }
}

impl fmt::Display for StartMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Spawn => "spawn",
            Self::Fork => "fork",
            Self::ForkServer => "forkserver",
        })
    }
}

impl FromStr for StartMethod {
    type Err = ParseOptionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "spawn" => Ok(Self::Spawn),
            "fork" => Ok(Self::Fork),
            "forkserver" => Ok(Self::ForkServer),
            _ => Err(ParseOptionError {
                text: text.to_owned(),
                what: "start method",
                choices: "spawn, fork and forkserver",
            }),
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Shared => "shared",
            Self::Copy => "copy",
        })
    }
}

impl FromStr for Transport {
    type Err = ParseOptionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "shared" => Ok(Self::Shared),
            "copy" => Ok(Self::Copy),
            _ => Err(ParseOptionError {
                text: text.to_owned(),
                what: "transport",
                choices: "shared and copy",
            }),
        }
    }
}

impl fmt::Display for ChunkSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.pad("auto"),
            Self::Items(n) => n.fmt(f),
        }
    }
}

impl From<NonZeroUsize> for ChunkSize {
    fn from(items: NonZeroUsize) -> Self {
        Self::Items(items)
    }
}

/// # Panics
/// When it is 0, as `slice::chunks` does: there are no chunks of nothing.
impl From<usize> for ChunkSize {
    fn from(items: usize) -> Self {
        match NonZeroUsize::new(items) {
            Some(items) => Self::Items(items),
            None => panic!("a chunk of no items; take 1 or more, or ChunkSize::Auto"),
        }
    }
}

impl FromStr for ChunkSize {
    type Err = ParseOptionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        text.replace('_', "")
            .parse()
            .map(Self::Items)
            .map_err(|_| ParseOptionError {
                text: text.to_owned(),
                what: "chunk size",
                choices: "auto and whole numbers from 1",
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_size_is_a_number_or_a_text() {
        let ten = ChunkSize::Items(NonZeroUsize::new(10).expect("not zero"));
        let sizes: [ChunkSize; 2] = [10.into(), NonZeroUsize::new(10).expect("not zero").into()];
        assert_eq!(sizes, [ten; 2]);
        assert_eq!(
            ("10".parse(), "auto".parse()),
            (Ok(ten), Ok(ChunkSize::Auto))
        );
        assert!("0".parse::<ChunkSize>().is_err());
    }

    #[test]
    #[should_panic(expected = "a chunk of no items")]
    fn there_is_no_chunk_of_nothing() {
        let _ = ChunkSize::from(0);
    }
}
