//! Memory on Linux.

use std::time::Duration;

use nix::unistd::{SysconfVar, sysconf};

use super::LiveUsage;
use crate::process::{Pid, stat, stat_field};

/// The most resident memory, in bytes, that the calling process's present image has had.
///
/// It is `VmHWM`: `ru_maxrss` of a spawned child also counts the image of its parent, which it shared until exec.
/// Without `/proc` that is what is told all the same. About 20 µs, and far less in a forked child, for which both are
/// the same.
#[must_use]
pub fn peak_rss_bytes() -> u64 {
    if crate::process::is_forked() {
        return maxrss_bytes(&super::get());
    }
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
    resident_pages(&text)?.checked_mul(page_bytes()?)
}

/// The resident memory in bytes that belongs to the calling process alone, or is shared with a process only as long as
/// neither writes there (after a fork): heap and stacks. Not files that are mapped, nor shared memory. Zero without `/proc`.
/// About 5 µs.
#[must_use]
pub fn private_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    private_pages(&text).map_or(0, |pages| pages.saturating_mul(page_bytes().unwrap_or(0)))
}

fn page_bytes() -> Option<u64> {
    configured(SysconfVar::PAGE_SIZE)
}

fn private_pages(statm: &str) -> Option<u64> {
    let mut numbers = statm.split_ascii_whitespace().skip(1);
    let mut next = || numbers.next()?.parse::<u64>().ok();
    let (resident, shared) = (next()?, next()?);
    Some(resident.saturating_sub(shared))
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
    fn private_pages_are_the_second_number_less_the_third() {
        assert_eq!(super::private_pages("100 42 3 4 0 5 0\n"), Some(39));
        assert_eq!(super::private_pages("100 3 42 4 0 5 0\n"), Some(0));
        assert_eq!(super::private_pages("100 42\n"), None);
    }

    #[test]
    fn the_mark_is_read_in_bytes() {
        let status = "Name:\tx\nVmPeak:\t  10 kB\nVmHWM:\t    2048 kB\n";
        assert_eq!(super::high_water_mark(status), Some(2 << 20));
        assert_eq!(super::high_water_mark("Name:\tx\n"), None);
    }
}
