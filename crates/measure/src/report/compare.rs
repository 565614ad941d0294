//! A pool against the same work without one.

use std::fmt;
use std::time::Duration;

use crate::run::Against;

/// Below this a pool is not worth its processes.
const PAYS_FROM: f64 = 1.2;

/// One run in a pool.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// With starting and ending the workers.
    pub(crate) wall: Duration,
    /// Without.
    pub(crate) work: Duration,
}

/// A pool against the same work without one: medians of runs taken in turn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// What the pool was compared with.
    pub against: Against,
    /// The pool's time, with starting and ending the workers.
    pub pool_wall: Duration,
    /// The pool's time without that, as for a pool that is kept.
    pub pool_work: Duration,
    /// The other's time.
    pub other_wall: Duration,
    /// How many runs of each.
    pub pairs: usize,
}

/// Whether a pool is worth it. The course's rule: measure, and question anything below 1.2 ×.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// 1.2 × as fast or more.
    Pays,
    /// Faster, but less than 1.2 ×.
    QuestionIt,
    /// Slower.
    DoesNotPay,
}

impl Comparison {
    /// Medians of the pairs; `None` where there is none.
    pub(crate) fn of(against: Against, pool: &[Sample], other: &[Duration]) -> Option<Self> {
        let pairs = pool.len().min(other.len());
        Some(Self {
            against,
            pool_wall: median(pool[..pairs].iter().map(|sample| sample.wall))?,
            pool_work: median(pool[..pairs].iter().map(|sample| sample.work))?,
            other_wall: median(other[..pairs].iter().copied())?,
            pairs,
        })
    }

    /// How many times as fast the pool was, its start and end included.
    pub fn speedup(&self) -> f64 {
        ratio(self.other_wall, self.pool_wall)
    }

    /// How many times as fast the pool was once it ran.
    pub fn speedup_without_start(&self) -> f64 {
        ratio(self.other_wall, self.pool_work)
    }

    /// What that means, start and end included.
    pub fn verdict(&self) -> Verdict {
        match self.speedup() {
            speedup if speedup < 1.0 => Verdict::DoesNotPay,
            speedup if speedup < PAYS_FROM => Verdict::QuestionIt,
            _ => Verdict::Pays,
        }
    }
}

fn ratio(of: Duration, to: Duration) -> f64 {
    of.as_secs_f64() / to.as_secs_f64().max(1e-9)
}

/// The middle one, or the mean of the two in the middle.
fn median(durations: impl Iterator<Item = Duration>) -> Option<Duration> {
    let mut sorted: Vec<Duration> = durations.collect();
    sorted.sort_unstable();
    let upper = *sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = sorted[sorted.len() / 2 - 1];
    Some(lower + (upper - lower) / 2)
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pays => "pays",
            Self::QuestionIt => "question it",
            Self::DoesNotPay => "does not pay",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(pool_ms: &[u64], other_ms: &[u64]) -> Option<Comparison> {
        let ms = Duration::from_millis;
        let pool: Vec<_> = pool_ms
            .iter()
            .map(|&wall| Sample {
                wall: ms(wall),
                work: ms(wall / 2),
            })
            .collect();
        let other: Vec<_> = other_ms.iter().map(|&wall| ms(wall)).collect();
        Comparison::of(Against::Sequential, &pool, &other)
    }

    #[test]
    fn medians_of_whole_pairs() {
        let comparison = compare(&[10, 30, 20, 99], &[40, 900, 41]).expect("three pairs");
        assert_eq!(comparison.pairs, 3);
        assert_eq!(comparison.pool_wall, Duration::from_millis(20));
        assert_eq!(comparison.other_wall, Duration::from_millis(41));
        assert!((comparison.speedup() - 2.05).abs() < 1e-9);
        let even = compare(&[10, 20], &[40, 60]).expect("two pairs");
        assert_eq!(even.pool_wall, Duration::from_millis(15));
        assert!(compare(&[10], &[]).is_none());
    }

    #[test]
    fn the_course_draws_the_lines_at_one_and_at_one_point_two() {
        let verdict = |other| compare(&[100], &[other]).map(|c| c.verdict());
        assert_eq!(verdict(99), Some(Verdict::DoesNotPay));
        assert_eq!(verdict(100), Some(Verdict::QuestionIt));
        assert_eq!(verdict(119), Some(Verdict::QuestionIt));
        assert_eq!(verdict(120), Some(Verdict::Pays));
    }
}
