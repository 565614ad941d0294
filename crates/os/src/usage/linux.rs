//! Peak memory on Linux.

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

/// The resident memory, in bytes, that the calling process has now; zero without `/proc`. Some 5 µs.
#[must_use]
pub fn resident_bytes() -> u64 {
    // SAFETY: sysconf has no preconditions; it tells a number, or -1 for what it does not know.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    let pages = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|statm| resident_pages(&statm));
    pages.unwrap_or(0) * u64::try_from(page).unwrap_or(0)
}

fn resident_pages(statm: &str) -> Option<u64> {
    statm.split(' ').nth(1)?.parse().ok()
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
    fn the_mark_is_read_in_bytes() {
        let status = "Name:\tx\nVmPeak:\t  10 kB\nVmHWM:\t    2048 kB\n";
        assert_eq!(super::high_water_mark(status), Some(2 << 20));
        assert_eq!(super::high_water_mark("Name:\tx\n"), None);
    }

    #[test]
    fn resident_memory_grows_with_what_is_touched() {
        assert_eq!(super::resident_pages("9 7 3 1 0 2 0\n"), Some(7));
        assert_eq!(super::resident_pages(""), None);
        let before = super::resident_bytes();
        let large = std::hint::black_box(vec![1_u8; 64 << 20]);
        assert!(super::resident_bytes() >= before + (32 << 20));
        drop(large);
    }
}
