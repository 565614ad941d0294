//! Memory on Linux.

use std::time::Duration;

use nix::unistd::{SysconfVar, sysconf};

use super::LiveUsage;
use crate::process::{Pid, stat, stat_field};

/// The most resident memory, in bytes, that the calling process's present image has had.
///
/// It is `VmHWM`: `ru_maxrss` of a spawned child also counts the image of its parent, which it shared until exec.
/// Without `/proc` that is what is told all the same. About 20 µs.
#[must_use]
pub fn peak_rss_bytes() -> u64 {
    std::fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| high_water_mark(&status))
        .unwrap_or_else(|| maxrss_bytes(&super::get()))
}

/// The resident memory of a process in bytes, with what it has mapped of memory that it shares; `None` when no such
/// process is there, or it is not ours to see. The process does not notice.
#[must_use]
pub fn rss_bytes(pid: Pid) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    resident_pages(&text)?.checked_mul(configured(SysconfVar::PAGE_SIZE)?)
}

/// What a process that lives has used so far; `None` when no such process is there, or the system does not tell. The
/// process does not notice. Times are in whole ticks of the kernel's, hundredths of a second as a rule. About 40 µs.
#[must_use]
pub fn live_usage(pid: Pid) -> Option<LiveUsage> {
    let line = stat(pid).ok()?;
    let ticks_a_second = configured(SysconfVar::CLK_TCK)?;
    let time = |field| {
        let ticks: u64 = stat_field(&line, field)?.parse().ok()?;
        let nanoseconds = u128::from(ticks) * 1_000_000_000 / u128::from(ticks_a_second);
        u64::try_from(nanoseconds).ok().map(Duration::from_nanos)
    };
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    Some(LiveUsage {
        cpu_user: time(14)?,
        cpu_system: time(15)?,
        // A process that has just ended has no memory any more.
        peak_rss_bytes: high_water_mark(&status).unwrap_or(0),
    })
}

fn configured(what: SysconfVar) -> Option<u64> {
    let value = sysconf(what).ok()??;
    u64::try_from(value).ok().filter(|value| *value > 0)
}

fn resident_pages(statm: &str) -> Option<u64> {
    statm.split_ascii_whitespace().nth(1)?.parse().ok()
}

fn high_water_mark(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(kibibytes * 1024)
}

/// `ru_maxrss` in bytes: Linux counts kibibytes.
pub(crate) fn maxrss_bytes(usage: &libc::rusage) -> u64 {
    usage.ru_maxrss.unsigned_abs() * 1024
}

#[cfg(test)]
mod tests {
    #[test]
    fn resident_pages_are_the_second_number() {
        assert_eq!(super::resident_pages("100 42 3 4 0 5 0\n"), Some(42));
        assert_eq!(super::resident_pages(""), None);
    }

    #[test]
    fn the_mark_is_read_in_bytes() {
        let status = "Name:\tx\nVmPeak:\t  10 kB\nVmHWM:\t    2048 kB\n";
        assert_eq!(super::high_water_mark(status), Some(2 << 20));
        assert_eq!(super::high_water_mark("Name:\tx\n"), None);
    }
}
