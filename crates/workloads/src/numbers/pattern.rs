//! Which primes are asked for: all, or sparser ones, so that a search takes longer.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::PrimeTest;

/// Which primes are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Pattern {
    /// Any prime.
    #[default]
    Any,
    /// The smaller of two primes that differ by two.
    Twin,
    /// A prime p for which 2p + 1 is prime too.
    SophieGermain,
    /// A prime that reads the same from both ends, in decimal.
    Palindrome,
}

/// A name that is none of the patterns.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no pattern; take any, twin, sophie-germain or palindrome")]
pub struct PatternError(String);

impl Pattern {
    /// The names of all patterns.
    pub const NAMES: [&'static str; 4] = ["any", "twin", "sophie-germain", "palindrome"];

    /// Whether `n` is a prime of this kind. Cheap conditions are looked at first.
    pub fn matches(self, n: u64, test: PrimeTest) -> bool {
        match self {
            Self::Any => test.is_prime(n),
            Self::Twin => n
                .checked_add(2)
                .is_some_and(|twin| test.is_prime(n) && test.is_prime(twin)),
            Self::SophieGermain => {
                let safe = n.checked_mul(2).and_then(|twice| twice.checked_add(1));
                safe.is_some_and(|safe| test.is_prime(n) && test.is_prime(safe))
            }
            Self::Palindrome => is_palindrome(n) && test.is_prime(n),
        }
    }

    /// Roughly how many numbers from `n` on must be looked at to meet one of this kind, by the
    /// densities of Gauss and of Hardy and Littlewood. Used to choose a check interval.
    pub fn expected_gap(self, n: u64) -> u64 {
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let ln = (n.max(3) as f64).ln();
        let gap = match self {
            Self::Any => ln,
            Self::Twin | Self::SophieGermain => ln * ln / 1.32,
            #[expect(clippy::cast_precision_loss, reason = "an estimate")]
            Self::Palindrome => (n.max(3) as f64).sqrt() * ln,
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "positive and at most 2^32 × 45"
        )]
        let gap = gap.ceil() as u64;
        gap.max(1)
    }

    /// What it is called in a sentence.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Any => "prime",
            Self::Twin => "twin prime",
            Self::SophieGermain => "Sophie Germain prime",
            Self::Palindrome => "palindromic prime",
        }
    }
}

fn is_palindrome(n: u64) -> bool {
    let (mut rest, mut reversed) = (n, 0_u64);
    while rest > 0 {
        // A palindrome's reverse is itself, so one that does not fit belongs to none.
        let Some(next) = reversed
            .checked_mul(10)
            .and_then(|r| r.checked_add(rest % 10))
        else {
            return false;
        };
        reversed = next;
        rest /= 10;
    }
    reversed == n
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Any => "any",
            Self::Twin => "twin",
            Self::SophieGermain => "sophie-germain",
            Self::Palindrome => "palindrome",
        })
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(name: &str) -> Result<Self, PatternError> {
        match name {
            "any" => Ok(Self::Any),
            "twin" => Ok(Self::Twin),
            "sophie-germain" => Ok(Self::SophieGermain),
            "palindrome" => Ok(Self::Palindrome),
            _ => Err(PatternError(name.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(pattern: Pattern, count: usize) -> Vec<u64> {
        (0..)
            .filter(|&n| pattern.matches(n, PrimeTest::MillerRabin))
            .take(count)
            .collect()
    }

    #[test]
    fn each_pattern_begins_as_the_books_say() {
        assert_eq!(first(Pattern::Any, 5), [2, 3, 5, 7, 11]);
        assert_eq!(first(Pattern::Twin, 5), [3, 5, 11, 17, 29]);
        assert_eq!(first(Pattern::SophieGermain, 5), [2, 3, 5, 11, 23]);
        assert_eq!(first(Pattern::Palindrome, 7), [2, 3, 5, 7, 11, 101, 131]);
    }

    #[test]
    fn names_go_both_ways() {
        for name in Pattern::NAMES {
            let pattern: Pattern = name.parse().expect(name);
            assert_eq!(pattern.to_string(), name);
        }
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        for name in Pattern::NAMES {
            let pattern: Pattern = name.parse().expect(name);
            assert!(!pattern.matches(u64::MAX, PrimeTest::MillerRabin));
            assert!(pattern.expected_gap(u64::MAX) > 1);
        }
    }
}
