//! Ranges of numbers as people write them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One more than the largest number there is.
const END_OF_U64: u128 = 1 << 64;

/// A range of numbers that is never empty. Both ends belong to it, so that it can reach
/// `u64::MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumberRange {
    first: u64,
    last: u64,
}

/// Why a text is not a number or not a range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RangeError {
    /// There is no `..` in it.
    #[error("'{0}' is not a range; write A..B (without B) or A..=B, for example 1e12..1e13")]
    NotARange(String),
    /// One end is missing.
    #[error("the {end} of '{text}' is missing; write A..B, for example 1e12..1e13")]
    EndMissing {
        /// The text.
        text: String,
        /// Which end: start or end.
        end: &'static str,
    },
    /// A number cannot be read.
    #[error("'{0}' is not a whole number; write 10000, 10_000, 1e4, 2.5e6 or 2^40")]
    NotANumber(String),
    /// A number is too large.
    #[error("{0} is too large; numbers go up to 2^64 - 1 (18446744073709551615)")]
    TooLarge(String),
    /// The start lies behind the end.
    #[error("{first}..{last} runs backwards; did you mean {last}..{first}?")]
    Reversed {
        /// What was given as start.
        first: String,
        /// What was given as end.
        last: String,
    },
    /// Nothing lies between start and end.
    #[error(
        "{number}..{number} holds no number, because the end is left out; write {number}..={number} for the one"
    )]
    Empty {
        /// Start and end.
        number: String,
    },
}

impl NumberRange {
    /// From `first` to `last`, both included; `None` where `last` is before `first`.
    pub fn new(first: u64, last: u64) -> Option<Self> {
        (first <= last).then_some(Self { first, last })
    }

    /// The smallest number in it.
    pub fn first(self) -> u64 {
        self.first
    }

    /// The largest number in it.
    pub fn last(self) -> u64 {
        self.last
    }

    /// How many numbers it holds, at most `u64::MAX`.
    pub fn len(self) -> u64 {
        (self.last - self.first).saturating_add(1)
    }

    /// Always false: a range holds at least one number.
    pub fn is_empty(self) -> bool {
        false
    }

    /// Cuts it into `pieces` neighbouring ranges whose lengths differ by at most one; fewer
    /// where there are fewer numbers.
    pub fn split(self, pieces: u64) -> impl ExactSizeIterator<Item = Self> {
        // `usize` is as wide on every machine this runs on.
        let count = usize::try_from(self.pieces(pieces)).unwrap_or(usize::MAX);
        (0..count).map(move |index| self.piece(pieces, index as u64))
    }

    /// How many pieces [`NumberRange::split`] makes of it: none is empty.
    pub(crate) fn pieces(self, pieces: u64) -> u64 {
        pieces.clamp(1, self.len())
    }

    /// Piece `index` of [`NumberRange::split`].
    pub(crate) fn piece(self, pieces: u64, index: u64) -> Self {
        let len = u128::from(self.last - self.first) + 1;
        let pieces = u128::from(self.pieces(pieces));
        let bound = |index: u128| self.first + to_u64(len * index / pieces);
        let index = u128::from(index);
        let last = if index + 1 >= pieces {
            self.last
        } else {
            bound(index + 1) - 1
        };
        Self {
            first: bound(index),
            last,
        }
    }
}

/// `value`, which the caller knows to fit.
fn to_u64(value: u128) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

impl fmt::Display for NumberRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..={}", self.first, self.last)
    }
}

impl FromStr for NumberRange {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, RangeError> {
        let (start, end) = text
            .split_once("..")
            .ok_or_else(|| RangeError::NotARange(text.to_owned()))?;
        let (end, closed) = match end.strip_prefix('=') {
            Some(end) => (end, true),
            None => (end, false),
        };
        for (part, name) in [(start, "start"), (end, "end")] {
            if part.trim().is_empty() {
                return Err(RangeError::EndMissing {
                    text: text.to_owned(),
                    end: name,
                });
            }
        }
        let first = parse_wide(start)?;
        let end_excluded = parse_wide(end)?.saturating_add(u128::from(closed));
        if first >= END_OF_U64 {
            return Err(RangeError::TooLarge(start.trim().to_owned()));
        }
        if end_excluded > END_OF_U64 {
            return Err(RangeError::TooLarge(end.trim().to_owned()));
        }
        if first == end_excluded && !closed {
            return Err(RangeError::Empty {
                number: start.trim().to_owned(),
            });
        }
        if first >= end_excluded {
            return Err(RangeError::Reversed {
                first: start.trim().to_owned(),
                last: end.trim().to_owned(),
            });
        }
        Ok(Self {
            first: to_u64(first),
            last: to_u64(end_excluded - 1),
        })
    }
}

/// Reads a number such as `10000`, `10_000`, `1e4`, `2.5e6` or `2^40`.
///
/// # Errors
/// [`RangeError::NotANumber`] and [`RangeError::TooLarge`].
///
/// ```
/// assert_eq!(forkyard_workloads::parse_number("2.5e3"), Ok(2_500));
/// ```
pub fn parse_number(text: &str) -> Result<u64, RangeError> {
    let wide = parse_wide(text)?;
    u64::try_from(wide).map_err(|_| RangeError::TooLarge(text.trim().to_owned()))
}

fn parse_wide(text: &str) -> Result<u128, RangeError> {
    let text = text.trim();
    let bad = || RangeError::NotANumber(text.to_owned());
    let large = || RangeError::TooLarge(text.to_owned());
    if let Some((base, exponent)) = text.split_once('^') {
        let base = digits(base).ok_or_else(bad)?;
        let exponent = digits(exponent).ok_or_else(bad)?;
        let exponent = u32::try_from(exponent).map_err(|_| large())?;
        return base.checked_pow(exponent).ok_or_else(large);
    }
    if let Some((mantissa, exponent)) = text.split_once(['e', 'E']) {
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let exponent = digits(exponent).ok_or_else(bad)?;
        let fraction = fraction.trim_end_matches('0');
        let exponent = usize::try_from(exponent).map_err(|_| large())?;
        // 2.5e0 is not whole; 1e40 has more zeros than any u64.
        let zeros = exponent.checked_sub(fraction.len()).ok_or_else(bad)?;
        if zeros > 40 {
            return Err(large());
        }
        let digits = digits(&format!("{whole}{fraction}")).ok_or_else(bad)?;
        let scale = 10_u128.checked_pow(u32::try_from(zeros).unwrap_or(u32::MAX));
        return scale.and_then(|s| digits.checked_mul(s)).ok_or_else(large);
    }
    digits(text).ok_or_else(bad)
}

/// Digits with underscores between them; `None` for anything else. Saturates.
fn digits(text: &str) -> Option<u128> {
    let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    let ends = text.starts_with('_') || text.ends_with('_');
    if text.is_empty() || !plain || ends {
        return None;
    }
    let digits = text.bytes().filter(u8::is_ascii_digit);
    Some(digits.fold(0_u128, |n, d| {
        n.saturating_mul(10).saturating_add(u128::from(d - b'0'))
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(text: &str) -> Result<(u64, u64), String> {
        let range: Result<NumberRange, _> = text.parse();
        range
            .map(|r| (r.first(), r.last()))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn all_the_ways_to_write_a_number() {
        assert_eq!(
            range("1e12..1e13"),
            Ok((10_u64.pow(12), 10_u64.pow(13) - 1))
        );
        assert_eq!(range("10_000..2^40"), Ok((10_000, (1 << 40) - 1)));
        assert_eq!(range("2.5e3..=3E3"), Ok((2_500, 3_000)));
        assert_eq!(range("0..2^64"), Ok((0, u64::MAX)));
        assert_eq!(range("7..=7"), Ok((7, 7)));
        assert_eq!(range(" 7 .. 9 "), Ok((7, 8)));
        assert_eq!(parse_number("1.50e1"), Ok(15));
    }

    #[test]
    fn what_is_not_a_range_is_said_so_that_it_can_be_mended() {
        for (text, part) in [
            ("12", "not a range"),
            ("..5", "the start of '..5' is missing"),
            ("5..", "the end of '5..' is missing"),
            ("10..5", "did you mean 5..10?"),
            ("5..=4", "runs backwards"),
            ("5..5", "write 5..=5"),
            ("a..b", "'a' is not a whole number"),
            ("-1..5", "'-1' is not a whole number"),
            ("1.5e0..9", "'1.5e0' is not a whole number"),
            ("1__..9", "not a whole number"),
            ("0..2^65", "2^65 is too large"),
            ("0..1e30", "1e30 is too large"),
            ("0..1e99999999999999999999", "too large"),
            ("0..=2^64", "2^64 is too large"),
            ("2^64..=2^64", "too large"),
            (
                "0..99999999999999999999999999999999999999999999",
                "too large",
            ),
        ] {
            let message = range(text).expect_err(text);
            assert!(message.contains(part), "{text}: {message}");
        }
        assert!(parse_number("2^64").is_err());
    }

    proptest! {
        #[test]
        fn pieces_cover_the_range_without_gap_or_overlap(
            a: u64, b: u64, pieces in 0_u64..50
        ) {
            let whole = NumberRange::new(a.min(b), a.max(b)).expect("ordered");
            let cut: Vec<_> = whole.split(pieces).collect();
            prop_assert!(cut.len() as u64 <= pieces.max(1));
            prop_assert_eq!(cut[0].first(), whole.first());
            prop_assert_eq!(cut[cut.len() - 1].last(), whole.last());
            for pair in cut.windows(2) {
                prop_assert_eq!(pair[0].last() + 1, pair[1].first());
                prop_assert!(pair[0].len().abs_diff(pair[1].len()) <= 1);
            }
        }
    }

    #[test]
    fn no_piece_is_empty() {
        let three = NumberRange::new(5, 7).expect("ordered");
        assert_eq!(three.split(10).len(), 3);
        let all = NumberRange::new(0, u64::MAX).expect("ordered");
        assert_eq!(all.split(2).next(), NumberRange::new(0, u64::MAX / 2));
    }
}
