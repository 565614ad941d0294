//! The memory of processes that have nothing to do, as Linux tells of it.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use forkyard::Pool;

/// How long a process has been left alone when it is looked at.
const SETTLE: Duration = Duration::from_millis(100);

/// What a process has in memory, in KiB; all zero where nobody tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Idle {
    /// What is shared counts in parts.
    pub pss: u64,
    /// What nobody else has.
    pub private: u64,
    /// Everything.
    pub rss: u64,
}

impl fmt::Display for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pss, private, rss } = self;
        write!(f, "PSS {pss} KiB, private {private} KiB, RSS {rss} KiB")
    }
}

/// The memory of that process, once it has settled.
#[must_use]
pub fn of(pid: u32) -> Idle {
    std::thread::sleep(SETTLE);
    let path = format!("/proc/{pid}/smaps_rollup");
    parse(&std::fs::read_to_string(path).unwrap_or_default())
}

fn parse(text: &str) -> Idle {
    let kib = |field: &str| -> u64 {
        let line = text.lines().find_map(|line| line.strip_prefix(field));
        line.and_then(|rest| rest.trim().strip_suffix(" kB")?.parse().ok())
            .unwrap_or(0)
    };
    Idle {
        pss: kib("Pss:"),
        private: kib("Private_Clean:") + kib("Private_Dirty:"),
        rss: kib("Rss:"),
    }
}

/// The processes of a pool, each of which has done a task.
#[must_use]
pub fn pids_of(pool: &Pool) -> Vec<u32> {
    let mut pids = BTreeSet::new();
    while pids.len() < pool.workers() {
        let slow_enough = |()| {
            std::thread::sleep(Duration::from_millis(5));
            std::process::id()
        };
        let tasks = vec![(); 2 * pool.workers()];
        pids.extend(pool.map(slow_enough, tasks).into_iter().flatten());
    }
    pids.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollup_is_read() {
        let text = "Rss:  3000 kB\nPss:   700 kB\nPss_Anon: 1 kB\nPrivate_Clean: 4 kB\n\
                    Private_Dirty:  190 kB\n";
        let expected = Idle {
            pss: 700,
            private: 194,
            rss: 3000,
        };
        assert_eq!(parse(text), expected);
        assert_eq!(parse(""), Idle::default());
    }
}
