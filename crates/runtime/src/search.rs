//! What a search task sees of its round.

use std::cell::Cell;

use forkyard_shm::{CheckEvery, Checker, Round, StopFlag};

/// One search in one round: when to look whether another has found it, and the looking.
///
/// A task of [`Pool::first`](crate::Pool::first) is handed one. It can also be made without a
/// pool, for the same search in threads or in a plain loop:
///
/// ```
/// use forkyard::{CheckEvery, Search, StopFlag};
///
/// let flag = StopFlag::new();
/// let search = Search::new(&flag, flag.arm(), CheckEvery::every(100));
/// let mut check = search.checker();
/// let mut candidates = (0u64..1_000_000).take_while(|_| !check.should_stop());
/// let found = candidates.find(|n| n * n > 1_000);
/// assert_eq!(found, Some(32));
/// ```
#[derive(Debug)]
pub struct Search<'a> {
    flag: &'a StopFlag,
    round: Round,
    every: CheckEvery,
    checks: Cell<u64>,
}

impl<'a> Search<'a> {
    /// A search in `round` of `flag`.
    #[must_use]
    pub fn new(flag: &'a StopFlag, round: Round, every: CheckEvery) -> Self {
        Self {
            flag,
            round,
            every,
            checks: Cell::new(0),
        }
    }

    /// A checker for one loop; its looks are counted in this search when it is dropped.
    #[must_use]
    pub fn checker(&self) -> SearchChecker<'_> {
        self.make_checker(None)
    }

    /// A checker for a loop of about `expected` iterations, which helps
    /// [`CheckEvery::Auto`] to choose its interval.
    #[must_use]
    pub fn with_iterations(&self, expected: u64) -> SearchChecker<'_> {
        self.make_checker(Some(expected))
    }

    /// Looks at the flag now.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.checks.set(self.checks.get() + 1);
        self.flag.is_raised(self.round)
    }

    /// How often the flag was looked at so far (live checkers not included).
    #[must_use]
    pub fn checks(&self) -> u64 {
        self.checks.get()
    }

    fn make_checker(&self, expected: Option<u64>) -> SearchChecker<'_> {
        SearchChecker {
            checker: Checker::new(
                self.flag,
                self.round,
                self.every,
                expected,
                forkyard_os::clock::now_ns,
            ),
            counted: &self.checks,
        }
    }
}

thread_local! {
    static CHECKS: Cell<u64> = const { Cell::new(0) };
}

/// Looks that searches dropped on this thread have made since the last call.
pub(crate) fn take_checks() -> u64 {
    CHECKS.replace(0)
}

impl Drop for Search<'_> {
    fn drop(&mut self) {
        CHECKS.set(CHECKS.get() + self.checks.get());
    }
}

/// A [`Checker`] whose looks are counted in its [`Search`].
#[derive(Debug)]
pub struct SearchChecker<'a> {
    checker: Checker<'a>,
    counted: &'a Cell<u64>,
}

impl SearchChecker<'_> {
    /// Call once per iteration: whether to leave the loop now, and then the search, with `None`.
    /// Once it says so it always does.
    #[inline(always)]
    pub fn should_stop(&mut self) -> bool {
        self.checker.should_stop()
    }

    /// The present interval in iterations.
    #[must_use]
    pub fn every(&self) -> u32 {
        self.checker.every()
    }
}

impl Drop for SearchChecker<'_> {
    fn drop(&mut self) {
        self.counted.set(self.counted.get() + self.checker.checks());
    }
}
