//! Work of a given length that no clock ends: a chain of multiplications.
//!
//! A task that watches the clock until its time is up takes that long even when it has to
//! share its core, so that two of them on one core would seem twice as fast as one. Steps do
//! not: what they take depends on the core they get.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// Steps in one calibration, about a millisecond's worth.
const CALIBRATION_STEPS: u64 = 500_000;

/// Calibrations; the fastest counts, since everything else only makes them slower.
const CALIBRATIONS: u32 = 7;

/// Takes `steps` steps. Each needs the result of the one before.
#[inline(never)]
pub(crate) fn take(steps: u64) {
    let mut x = black_box(1_u64);
    for _ in 0..steps {
        x = x
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
    }
    black_box(x);
}

/// How many steps take `time` on this core, as fast as it runs now. Zero for no time.
pub(crate) fn in_time(time: Duration) -> u64 {
    if time.is_zero() {
        return 0;
    }
    let fastest = (0..CALIBRATIONS)
        .map(|_| {
            let start = Instant::now();
            take(CALIBRATION_STEPS);
            start.elapsed().as_nanos().max(1)
        })
        .min()
        .unwrap_or(1);
    let steps = time.as_nanos() * u128::from(CALIBRATION_STEPS) / fastest;
    u64::try_from(steps).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_time_is_more_steps_and_none_is_none() {
        assert_eq!(in_time(Duration::ZERO), 0);
        let short = in_time(Duration::from_micros(10));
        let long = in_time(Duration::from_millis(10));
        assert!(short > 0);
        assert!(long > short * 100, "{long} steps against {short}");
    }
}
