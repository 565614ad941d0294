//! What was measured: raw samples by work and contestant, their medians, and how they are written.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// What one contestant made of one work, over all rounds.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Outcome {
    /// Samples by kind: `time`, or `error` and `next`, or `pss`, `rss` and `private`.
    pub(super) series: BTreeMap<String, Vec<f64>>,
    /// What was seen, in words, by the same kinds.
    pub(super) words: BTreeMap<String, String>,
    /// Why there is nothing.
    pub(super) absent: Option<String>,
}

/// Everything, by work and then contestant.
pub(super) type All = BTreeMap<(String, String), Outcome>;

impl Outcome {
    /// From the line that a program printed.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(line).ok()?;
        if let Some(why) = value["absent"].as_str() {
            return Some(Self::absent(why));
        }
        let numbers = |list: &Value| -> Option<Vec<f64>> {
            list.as_array()?.iter().map(Value::as_f64).collect()
        };
        let series = value["series"].as_object()?.iter();
        let words = value["words"].as_object()?.iter();
        Some(Self {
            series: series
                .map(|(name, list)| Some((name.clone(), numbers(list)?)))
                .collect::<Option<_>>()?,
            words: words
                .map(|(name, word)| Some((name.clone(), word.as_str()?.to_owned())))
                .collect::<Option<_>>()?,
            absent: None,
        })
    }

    pub(super) fn absent(why: &str) -> Self {
        Self {
            absent: Some(why.to_owned()),
            ..Self::default()
        }
    }

    /// With what another round brought.
    pub(super) fn add(&mut self, other: Self) {
        for (name, samples) in other.series {
            self.series.entry(name).or_default().extend(samples);
        }
        self.words.extend(other.words);
        self.absent = other.absent;
    }

    /// Median and quartiles of the samples of a kind; `None` when there are none.
    pub(super) fn spread(&self, name: &str) -> Option<Spread> {
        Spread::of(self.series.get(name)?)
    }

    /// Whether somebody was waited for until the deadline.
    pub(super) fn hung(&self) -> bool {
        self.words.values().any(|word| word == NO_ANSWER)
    }
}

/// What a program says when the deadline passed.
pub(super) const NO_ANSWER: &str = "no answer";

/// A median and its quartiles.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    pub(super) lower: f64,
    pub(super) median: f64,
    pub(super) upper: f64,
    pub(super) count: usize,
}

impl Spread {
    fn of(samples: &[f64]) -> Option<Self> {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().checked_sub(1)?;
        let at = |quarter: usize| sorted[(last * quarter + 2) / 4];
        Some(Self {
            lower: at(1),
            median: at(2),
            upper: at(3),
            count: sorted.len(),
        })
    }
}

/// All samples as JSON, for whoever wants to look closer.
pub(super) fn to_json(all: &All) -> String {
    let rows: Vec<Value> = all
        .iter()
        .map(|((work, contestant), outcome)| {
            json!({
                "work": work,
                "contestant": contestant,
                "series": outcome.series,
                "words": outcome.words,
                "absent": outcome.absent,
            })
        })
        .collect();
    format!("{:#}\n", Value::from(rows))
}

/// Nanoseconds in the unit that suits them.
pub(super) fn time(ns: f64) -> String {
    match ns {
        ns if ns < 1e3 => format!("{ns:.0} ns"),
        ns if ns < 1e6 => format!("{} µs", digits(ns / 1e3)),
        ns if ns < 1e9 => format!("{} ms", digits(ns / 1e6)),
        ns => format!("{} s", digits(ns / 1e9)),
    }
}

/// How many there are in a second, of what takes so many nanoseconds.
pub(super) fn rate(ns: f64) -> String {
    match 1e9 / ns {
        rate if rate >= 1e6 => format!("{} million", digits(rate / 1e6)),
        rate if rate >= 1e3 => format!("{} thousand", digits(rate / 1e3)),
        rate => digits(rate),
    }
}

/// Bytes in MiB.
pub(super) fn bytes(bytes: f64) -> String {
    format!("{:.2} MiB", bytes / f64::from(1 << 20))
}

/// Three digits that mean something.
pub(super) fn digits(number: f64) -> String {
    match number {
        n if n < 9.995 => format!("{n:.2}"),
        n if n < 99.95 => format!("{n:.1}"),
        n => format!("{n:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_says_is_read() {
        let said = r#"{"series": {"time": [1.0, 2]}, "words": {"error": "told"}}"#;
        let mut outcome = Outcome::parse(said).expect("it is well-formed");
        outcome.add(Outcome::parse(said).expect("as before"));
        assert_eq!(outcome.series["time"], [1.0, 2.0, 1.0, 2.0]);
        assert_eq!(outcome.words["error"], "told");
        assert!(!outcome.hung());
        let absent = Outcome::parse(r#"{"absent": "has none"}"#).expect("as well");
        assert_eq!(absent.absent.as_deref(), Some("has none"));
        for nonsense in ["", "{}", r#"{"series": {"time": ["x"]}, "words": {}}"#] {
            assert_eq!(Outcome::parse(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn quartiles_are_those_of_the_sorted_samples() {
        let spread = Spread::of(&[5.0, 1.0, 3.0, 2.0, 4.0]).expect("there are samples");
        assert_eq!((spread.lower, spread.median, spread.upper), (2.0, 3.0, 4.0));
        assert_eq!(Spread::of(&[7.0]).map(|one| one.upper), Some(7.0));
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn numbers_have_three_digits() {
        assert_eq!(time(518.0), "518 ns");
        assert_eq!(time(7_402_000.0), "7.40 ms");
        assert_eq!(time(212_659.0), "213 µs");
        assert_eq!(rate(100.0), "10.0 million");
        assert_eq!(bytes(1_048_576.0), "1.00 MiB");
    }
}
