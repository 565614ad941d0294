//! How a process ended, and what it had used.

use std::fmt;
use std::time::Duration;

use super::Pid;

/// Bytes of an encoded [`Exit`].
pub const EXIT_BYTES: usize = 48;

/// Marks an encoded exit, so that a stray message is not taken for one.
const MAGIC: u64 = u64::from_le_bytes(*b"fy-exit1");

/// A process that has ended and was reaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// Which process.
    pub pid: Pid,
    /// How it ended.
    pub cause: ExitCause,
    /// Processor time in user mode, its reaped children included.
    pub cpu_user: Duration,
    /// Processor time in the kernel, its reaped children included.
    pub cpu_system: Duration,
    /// The most resident memory that it had; zero when nobody could say. After a spawn this also counts what the image
    /// of its parent had shared with it before exec: see [`Exit::without_image`].
    pub peak_rss_bytes: u64,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitCause {
    /// It ended itself with this code (0..=255).
    Code(i32),
    /// A signal ended it.
    Signal {
        /// The signal's number.
        signal: i32,
        /// Whether a core was dumped.
        core: bool,
    },
    /// It is gone, and who could have told how is gone too: the zygote that it was forked from, or whoever else had
    /// reaped it.
    Unknown,
}

impl ExitCause {
    /// Whether the process ended by itself with code 0.
    #[must_use]
    pub fn is_success(self) -> bool {
        self == Self::Code(0)
    }

    /// From a wait status; `None` for a process that is only stopped or continued.
    pub(super) fn from_status(status: i32) -> Option<Self> {
        if libc::WIFEXITED(status) {
            Some(Self::Code(libc::WEXITSTATUS(status)))
        } else if libc::WIFSIGNALED(status) {
            Some(Self::Signal {
                signal: libc::WTERMSIG(status),
                core: libc::WCOREDUMP(status),
            })
        } else {
            None
        }
    }
}

impl fmt::Display for ExitCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal { signal, core } => {
                write!(f, "signal {signal}")?;
                if let Ok(name) = nix::sys::signal::Signal::try_from(signal) {
                    write!(f, " ({})", name.as_str())?;
                }
                if core {
                    f.write_str(", core dumped")?;
                }
                Ok(())
            }
            Self::Unknown => f.write_str("an end that nobody saw (its parent process was gone)"),
        }
    }
}

impl Exit {
    /// The same of a process that was started by exec, when the peak of its parent was `peak_bytes` then. Linux counts
    /// that for the child too; so what is not clearly above it may be the parent's, and is not told.
    #[must_use]
    pub fn without_image(self, peak_bytes: u64) -> Self {
        // The kernel counts pages for each processor and adds them up now and then.
        let most = peak_bytes.saturating_add(peak_bytes / 16);
        let is_own = !cfg!(target_os = "linux") || self.peak_rss_bytes > most;
        Self {
            peak_rss_bytes: if is_own { self.peak_rss_bytes } else { 0 },
            ..self
        }
    }

    /// The exit in fixed bytes, for another process of this machine.
    ///
    /// ```text
    /// 0      4      8       12      16       24         32       40      48
    /// | pid  | kind | value | zero  | user ns | system ns | rss    | magic |
    /// ```
    #[must_use]
    pub fn encode(&self) -> [u8; EXIT_BYTES] {
        let (kind, value) = match self.cause {
            ExitCause::Code(code) => (0_u32, code),
            ExitCause::Signal { signal, core } => (1 + u32::from(core), signal),
            ExitCause::Unknown => (3, 0),
        };
        let ns = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let mut bytes = [0; EXIT_BYTES];
        bytes[0..4].copy_from_slice(&self.pid.as_raw().to_le_bytes());
        bytes[4..8].copy_from_slice(&kind.to_le_bytes());
        bytes[8..12].copy_from_slice(&value.to_le_bytes());
        bytes[16..24].copy_from_slice(&ns(self.cpu_user).to_le_bytes());
        bytes[24..32].copy_from_slice(&ns(self.cpu_system).to_le_bytes());
        bytes[32..40].copy_from_slice(&self.peak_rss_bytes.to_le_bytes());
        bytes[40..48].copy_from_slice(&MAGIC.to_le_bytes());
        bytes
    }

    /// Reads what [`Exit::encode`] wrote; `None` for anything else.
    #[must_use]
    pub fn decode(bytes: &[u8; EXIT_BYTES]) -> Option<Self> {
        let word = |at: usize| {
            bytes
                .get(at..at + 4)?
                .try_into()
                .ok()
                .map(i32::from_le_bytes)
        };
        let long = |at: usize| {
            bytes
                .get(at..at + 8)?
                .try_into()
                .ok()
                .map(u64::from_le_bytes)
        };
        let value = word(8)?;
        let cause = match word(4)? {
            0 => ExitCause::Code(value),
            kind @ (1 | 2) => ExitCause::Signal {
                signal: value,
                core: kind == 2,
            },
            3 => ExitCause::Unknown,
            _ => return None,
        };
        (long(40)? == MAGIC && word(12)? == 0).then_some(())?;
        Some(Self {
            pid: Pid::from_raw(word(0)?)?,
            cause,
            cpu_user: Duration::from_nanos(long(16)?),
            cpu_system: Duration::from_nanos(long(24)?),
            peak_rss_bytes: long(32)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some_exit(cause: ExitCause) -> Exit {
        Exit {
            pid: Pid::current(),
            cause,
            cpu_user: Duration::from_micros(17),
            cpu_system: Duration::from_secs(4),
            peak_rss_bytes: 1 << 33,
        }
    }

    #[test]
    fn an_exit_survives_its_encoding() {
        for cause in [
            ExitCause::Code(0),
            ExitCause::Code(255),
            ExitCause::Signal {
                signal: 9,
                core: false,
            },
            ExitCause::Signal {
                signal: 11,
                core: true,
            },
            ExitCause::Unknown,
        ] {
            let exit = some_exit(cause);
            assert_eq!(Exit::decode(&exit.encode()), Some(exit));
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_peak_that_may_be_the_parents_is_not_told() {
        let exit = some_exit(ExitCause::Code(0));
        let told = |image| exit.without_image(image).peak_rss_bytes;
        assert_eq!([told(0), told(1 << 32)], [1 << 33; 2]);
        assert_eq!(
            [told(1 << 33), told((1 << 33) - 4096), told(u64::MAX)],
            [0; 3]
        );
    }

    #[test]
    fn other_bytes_are_no_exit() {
        assert_eq!(Exit::decode(&[0; EXIT_BYTES]), None);
        let good = some_exit(ExitCause::Code(1)).encode();
        for (at, value) in [(3, 0x80), (4, 4), (12, 1), (47, 0)] {
            let mut bad = good;
            bad[at] = value;
            assert_eq!(Exit::decode(&bad), None, "byte {at}");
        }
    }

    #[test]
    fn causes_are_named() {
        let killed = ExitCause::Signal {
            signal: 9,
            core: false,
        };
        assert_eq!(killed.to_string(), "signal 9 (SIGKILL)");
        let crashed = ExitCause::Signal {
            signal: libc::SIGSEGV,
            core: true,
        };
        assert_eq!(crashed.to_string(), "signal 11 (SIGSEGV), core dumped");
        assert_eq!(ExitCause::Code(3).to_string(), "exit code 3");
    }
}
