//! `getrusage`, in units.

use std::mem;
use std::time::Duration;

/// What a process has used since it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Processor time in user mode.
    pub cpu_user: Duration,
    /// Processor time in the kernel.
    pub cpu_system: Duration,
    /// Page faults that needed no disk.
    pub minor_faults: u64,
    /// Page faults that did.
    pub major_faults: u64,
    /// Times that it gave the processor up by itself (it slept).
    pub voluntary_switches: u64,
    /// Times that the processor was taken from it.
    pub involuntary_switches: u64,
}

/// What another process, which lives, has used so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LiveUsage {
    /// Processor time in user mode.
    pub cpu_user: Duration,
    /// Processor time in the kernel.
    pub cpu_system: Duration,
    /// The most resident memory, in bytes, that it has had.
    pub peak_rss_bytes: u64,
}

/// What the calling process, all its threads together, has used. About a microsecond.
#[must_use]
pub fn rusage_self() -> Usage {
    let raw = get();
    Usage {
        cpu_user: duration(raw.ru_utime),
        cpu_system: duration(raw.ru_stime),
        minor_faults: raw.ru_minflt.unsigned_abs(),
        major_faults: raw.ru_majflt.unsigned_abs(),
        voluntary_switches: raw.ru_nvcsw.unsigned_abs(),
        involuntary_switches: raw.ru_nivcsw.unsigned_abs(),
    }
}

pub(crate) fn get() -> libc::rusage {
    // SAFETY: a rusage is integers only, so zeros are a value of it; the call fills it and cannot fail with a valid
    // pointer and RUSAGE_SELF.
    unsafe {
        let mut raw: libc::rusage = mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut raw);
        raw
    }
}

pub(crate) fn duration(time: libc::timeval) -> Duration {
    let micros = u64::try_from(time.tv_usec).unwrap_or(0);
    Duration::from_secs(time.tv_sec.unsigned_abs()) + Duration::from_micros(micros)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_running_process_has_used_something() {
        let usage = super::rusage_self();
        assert!(usage.minor_faults > 0);
        assert!(crate::usage::peak_rss_bytes() > 100_000);
        let now = crate::usage::rss_bytes(crate::process::Pid::current());
        assert!(now.expect("it runs") > 100_000);
    }

    #[test]
    fn what_others_use_grows() {
        let me = crate::process::Pid::current();
        let Some(first) = crate::usage::live_usage(me) else {
            return; // a system that does not tell
        };
        assert!(first.peak_rss_bytes > 100_000, "{first:?}");
        let more = || {
            let now = crate::usage::live_usage(me).expect("it still runs");
            (now.cpu_user + now.cpu_system > first.cpu_user + first.cpu_system).then_some(now)
        };
        // Busy until a tick of it was counted.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        let later = loop {
            if let Some(later) = more() {
                break later;
            }
            assert!(std::time::Instant::now() < deadline, "{first:?} for ever");
        };
        assert!(later.peak_rss_bytes >= first.peak_rss_bytes);
        assert_eq!(
            crate::usage::live_usage(crate::process::Pid::from_raw(i32::MAX).expect("a pid")),
            None
        );
    }
}
