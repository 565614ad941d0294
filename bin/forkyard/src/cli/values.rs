//! Values as people write them.

use std::num::{NonZeroU64, NonZeroUsize};
use std::time::Duration;

use bytesize::ByteSize;
use clap::builder::PossibleValuesParser;
use forkyard::MAX_WORKERS;

/// One of some names; the help and the completions list them.
pub(crate) fn named<const N: usize>(names: [&'static str; N]) -> PossibleValuesParser {
    PossibleValuesParser::new(names)
}

/// Worker processes, from one to what a pool can have.
pub(crate) fn workers(text: &str) -> Result<NonZeroUsize, String> {
    let explain = || format!("write a whole number from 1 to {MAX_WORKERS}");
    let workers = text.parse::<usize>().map_err(|_| explain())?;
    if workers > MAX_WORKERS {
        return Err(explain());
    }
    NonZeroUsize::new(workers).ok_or_else(|| {
        "a pool needs at least one worker; leave --workers out for one per available cpu".to_owned()
    })
}

/// Pieces, from one.
pub(crate) fn pieces(text: &str) -> Result<NonZeroU64, String> {
    let pieces = forkyard_workloads::parse_number(text).map_err(|error| error.to_string())?;
    NonZeroU64::new(pieces).ok_or_else(|| "write a whole number from 1".to_owned())
}

/// A size in bytes: `1048576`, `64KiB`, `1MiB`, `10MB`.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let size = text.replace('_', "").parse::<ByteSize>();
    size.map(|size| size.as_u64())
        .map_err(|_| "write bytes, or a size such as 64KiB, 1MiB or 10MB".to_owned())
}

/// A size of something that has to fit into memory.
pub(crate) fn length(text: &str) -> Result<usize, String> {
    let size = size(text)?;
    usize::try_from(size).map_err(|_| "more than this machine can address".to_owned())
}

/// A time in microseconds, which may have a fraction.
pub(crate) fn microseconds(text: &str) -> Result<Duration, String> {
    let explain = || "write microseconds, such as 50 or 0.5".to_owned();
    let us: f64 = text.replace('_', "").parse().map_err(|_| explain())?;
    Duration::try_from_secs_f64(us / 1e6).map_err(|_| explain())
}

/// A time in seconds, which may have a fraction: from a twentieth to an hour.
pub(crate) fn interval(text: &str) -> Result<Duration, String> {
    let explain = || "write seconds from 0.05 to 3600, such as 1 or 0.5".to_owned();
    let seconds: f64 = text.parse().map_err(|_| explain())?;
    if (0.05..=3600.0).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err(explain())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times() {
        assert_eq!(size("1048576"), Ok(1 << 20));
        assert_eq!(size("1_000"), Ok(1_000));
        assert_eq!(size("1MiB"), Ok(1 << 20));
        assert_eq!(size("10MB"), Ok(10_000_000));
        assert!(size("-1").is_err());
        assert!(size("much").is_err());
        assert_eq!(microseconds("0.5"), Ok(Duration::from_nanos(500)));
        assert_eq!(microseconds("0"), Ok(Duration::ZERO));
        for bad in ["-1", "NaN", "inf", "x", "1e300"] {
            assert!(microseconds(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn intervals() {
        assert_eq!(interval("0.5"), Ok(Duration::from_millis(500)));
        for bad in ["0", "0.01", "3601", "-1", "NaN", "inf", "x"] {
            assert!(interval(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn no_workers_is_explained() {
        assert!(workers("0").unwrap_err().contains("at least one worker"));
        assert!(workers("-1").is_err());
        assert!(workers("255").is_ok());
        assert!(workers("256").unwrap_err().contains("from 1 to 255"));
        assert_eq!(workers("3"), Ok(NonZeroUsize::new(3).expect("not zero")));
        assert!(pieces("0").is_err());
    }
}
