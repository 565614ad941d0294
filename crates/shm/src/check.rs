//! How often to look at the stop flag.
//!
//! Looking costs `r`; an iteration costs `c`; the signal is expected after `N` iterations.
//! A look every `k` iterations costs `N·r/k` until then, and `k·c/2` of wasted work after it.
//! The sum is least where the two are equal: **k\* = √(2·N·r/c)**. So the interval, in
//! iterations, *shrinks* as iterations grow dearer, and checks/second stays within reason.

use core::num::NonZeroU32;
use core::str::FromStr;

use crate::stop::{Round, StopFlag};

/// How many iterations between two looks at the stop flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CheckEvery {
    /// The interval is solved from costs measured while the loop runs (see the module).
    #[default]
    Auto,
    /// A look every so many iterations.
    Iterations(NonZeroU32),
}

impl CheckEvery {
    /// A look every `n` iterations.
    ///
    /// # Panics
    /// If `n` is zero.
    #[must_use]
    pub fn every(n: u32) -> Self {
        match NonZeroU32::new(n) {
            Some(n) => Self::Iterations(n),
            None => panic!("the stop flag is looked at every 1 iteration or more, not every 0"),
        }
    }
}

impl core::fmt::Display for CheckEvery {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Auto => f.pad("auto"),
            Self::Iterations(n) => n.fmt(f),
        }
    }
}

/// The text is neither `auto` nor a whole number from 1 to 4294967295.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no check interval; say auto, or how many iterations between two checks (1 or more)"
)]
pub struct ParseCheckEveryError(String);

impl FromStr for CheckEvery {
    type Err = ParseCheckEveryError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        text.replace('_', "")
            .parse()
            .map(Self::Iterations)
            .map_err(|_| ParseCheckEveryError(text.to_owned()))
    }
}

/// The interval that costs least, at least 1: `N` iterations expected until the signal, a
/// check costs `r_ns`, an iteration `c_ns`.
#[must_use]
pub fn best_interval(expected_iterations: u64, r_ns: f64, c_ns: f64) -> u32 {
    let k = (2.0 * expected_iterations as f64 * r_ns / c_ns.max(0.01)).sqrt();
    // A float-to-int `as` saturates and turns NaN into 0.
    (k as u32).max(1)
}

/// The most that a signal may be overlooked for under [`CheckEvery::Auto`], in nanoseconds.
const MOST_DELAY_NS: f64 = 1_000_000.0;
/// Iterations over which the cost of one is first measured.
const PROBE: u32 = 32;
/// Looks over which the cost of one is measured.
const LOOKS: u32 = 64;

/// Counts iterations, and looks at the flag when it is time.
///
/// In the loop this is a decrement and a branch; the flag is read every
/// [`every`](Self::every) iterations.
#[derive(Debug)]
pub struct Checker<'a> {
    left: u32,
    every: u32,
    flag: &'a StopFlag,
    round: Round,
    checks: u64,
    auto: Option<Auto>,
}

/// What `auto` knows so far.
#[derive(Debug)]
struct Auto {
    now_ns: fn() -> u64,
    started_ns: u64,
    iterations: u64,
    expected: Option<u64>,
    retune_at: u64,
    look_ns: f64,
}

impl<'a> Checker<'a> {
    /// A checker for one loop of `round`. `now_ns` is a monotonic clock in nanoseconds;
    /// `expected` is how many iterations the loop may run, where that is known: it sharpens
    /// `auto`, which else expects a loop to last as long again as it has.
    #[must_use]
    pub fn new(
        flag: &'a StopFlag,
        round: Round,
        every: CheckEvery,
        expected: Option<u64>,
        now_ns: fn() -> u64,
    ) -> Self {
        let (first, auto) = match every {
            CheckEvery::Iterations(n) => (n.get(), None),
            CheckEvery::Auto => (
                PROBE,
                Some(Auto {
                    now_ns,
                    started_ns: now_ns(),
                    iterations: 0,
                    expected,
                    retune_at: 0,
                    look_ns: 0.0,
                }),
            ),
        };
        Self {
            left: first,
            every: first,
            flag,
            round,
            checks: 0,
            auto,
        }
    }

    /// Call once per iteration: whether to leave the loop now. Once it says so it always does, so
    /// that loops around the loop end too.
    #[inline(always)]
    pub fn should_stop(&mut self) -> bool {
        self.left -= 1;
        if self.left != 0 {
            return false;
        }
        self.look()
    }

    #[inline]
    fn look(&mut self) -> bool {
        self.left = self.every;
        self.checks += 1;
        if self.auto.is_some() {
            self.tune();
        }
        let is_raised = self.flag.is_raised(self.round);
        if is_raised {
            // A round that is over stays over.
            self.auto = None;
            self.every = 1;
            self.left = 1;
        }
        is_raised
    }

    /// The present interval in iterations.
    #[must_use]
    pub fn every(&self) -> u32 {
        self.every
    }

    /// How often the flag was read.
    #[must_use]
    pub fn checks(&self) -> u64 {
        self.checks
    }

    #[cold]
    fn tune(&mut self) {
        let Some(auto) = &mut self.auto else { return };
        auto.iterations += u64::from(self.every);
        if auto.iterations < auto.retune_at {
            return;
        }
        let now = (auto.now_ns)();
        let spent_ns = now.saturating_sub(auto.started_ns) as f64;
        let iteration_ns = spent_ns / auto.iterations as f64;
        if auto.look_ns == 0.0 {
            auto.look_ns = look_cost(self.flag, self.round, auto.now_ns);
            self.checks += u64::from(LOOKS);
        }
        let expected = auto.expected.unwrap_or(2 * auto.iterations);
        let within_delay = (MOST_DELAY_NS / iteration_ns.max(0.01)) as u32;
        self.every = best_interval(expected, auto.look_ns, iteration_ns)
            .min(within_delay)
            .max(1);
        self.left = self.every;
        auto.retune_at = 2 * auto.iterations;
    }
}

/// The cost of one look in nanoseconds, measured now, contention included.
fn look_cost(flag: &StopFlag, round: Round, now_ns: fn() -> u64) -> f64 {
    let start = now_ns();
    for _ in 0..LOOKS {
        core::hint::black_box(flag.is_raised(round));
    }
    let spent = now_ns().saturating_sub(start) as f64;
    (spent / f64::from(LOOKS)).max(0.1)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use core::cell::Cell;

    thread_local! { static CLOCK: Cell<u64> = const { Cell::new(0) }; }

    fn fake_now() -> u64 {
        CLOCK.with(|c| {
            // Each reading costs nothing; iterations advance the clock themselves.
            c.get()
        })
    }

    #[test]
    fn a_fixed_interval_reads_the_flag_once_per_interval() {
        let flag = StopFlag::new();
        let round = flag.arm();
        let mut check = Checker::new(&flag, round, CheckEvery::every(10), None, fake_now);
        for _ in 0..1_000 {
            assert!(!check.should_stop());
        }
        assert_eq!(check.checks(), 100);
        flag.raise(round);
        let left = (1..).find(|_| check.should_stop()).expect("stops");
        assert_eq!(left, 10, "out within the interval");
        assert!((0..100).all(|_| check.should_stop()), "and never in again");
    }

    #[test]
    fn the_interval_shrinks_as_iterations_grow_dearer() {
        assert!(best_interval(1_000_000, 1.0, 1.0) > best_interval(1_000_000, 1.0, 1_000.0));
        assert_eq!(best_interval(1_000_000, 1.0, 2.0), 1_000);
        assert_eq!(best_interval(10, 1.0, 1e9), 1);
        assert_eq!(best_interval(0, 1.0, 1.0), 1);
    }

    #[test]
    fn auto_never_overlooks_a_signal_for_more_than_a_millisecond() {
        for iteration_ns in [1u64, 100, 10_000, 10_000_000] {
            let flag = StopFlag::new();
            let round = flag.arm();
            let mut check = Checker::new(&flag, round, CheckEvery::Auto, None, fake_now);
            for _ in 0..100_000 {
                CLOCK.with(|c| c.set(c.get() + iteration_ns));
                assert!(!check.should_stop());
            }
            let delay = u64::from(check.every()) * iteration_ns;
            assert!(
                delay <= 1_000_000 || check.every() == 1,
                "{iteration_ns}: {delay}"
            );
        }
    }

    #[test]
    fn auto_stops_for_good() {
        let flag = StopFlag::new();
        let round = flag.arm();
        let mut check = Checker::new(&flag, round, CheckEvery::Auto, None, fake_now);
        (0..10_000).for_each(|_| assert!(!check.should_stop()));
        flag.raise(round);
        assert!((0..1_000_000).any(|_| check.should_stop()));
        assert!((0..10_000).all(|_| check.should_stop()));
        flag.arm();
        assert!(check.should_stop(), "its round is over");
    }

    #[test]
    fn intervals_parse_and_print() {
        assert_eq!("auto".parse(), Ok(CheckEvery::Auto));
        assert_eq!("1_000".parse(), Ok(CheckEvery::every(1000)));
        assert_eq!(CheckEvery::every(7).to_string(), "7");
        for bad in ["0", "", "-1", "ten", "5000000000"] {
            assert!(bad.parse::<CheckEvery>().is_err(), "{bad}");
        }
    }
}
