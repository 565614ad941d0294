//! Samples, their medians and spread, and the table of ratios.

use std::time::{Duration, Instant};

use comfy_table::{CellAlignment, Table, presets};

/// Batches of operations in one sample.
const BATCHES: u64 = 100;

/// Times `operations` runs of `body` in batches, and returns the median batch: how long it took,
/// and how many operations it had.
///
/// A machine that is shared takes a core away now and then, for longer than a million of the
/// operations measured here last. That happens to some batches, and the median forgets them; a
/// mean would say more about the neighbours than about the code.
pub fn median_batch(operations: u64, mut body: impl FnMut()) -> (Duration, u64) {
    let each = (operations / BATCHES).max(1);
    let mut batches: Vec<Duration> = (0..operations / each)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..each {
                body();
            }
            start.elapsed()
        })
        .collect();
    batches.sort_unstable();
    let median = batches.get(batches.len() / 2);
    (median.copied().unwrap_or_default(), each)
}

/// The samples of one measurement, in nanoseconds per operation.
#[derive(Debug, Clone)]
pub struct Samples {
    name: String,
    ns: Vec<f64>,
    floor: Option<String>,
    mark: Option<String>,
}

impl Samples {
    /// A measurement without samples yet.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ns: Vec::new(),
            floor: None,
            mark: None,
        }
    }

    /// The measurement that this one is held against.
    #[must_use]
    pub fn against(mut self, floor: &str) -> Self {
        self.floor = Some(floor.to_owned());
        self
    }

    /// What it should reach, in words.
    #[must_use]
    pub fn mark(mut self, mark: &str) -> Self {
        self.mark = Some(mark.to_owned());
        self
    }

    /// One more sample: `operations` took `spent`.
    pub fn add(&mut self, spent: Duration, operations: u64) {
        self.ns.push(spent.as_secs_f64() * 1e9 / operations as f64);
    }

    /// The sample that half of the others exceed.
    #[must_use]
    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    fn quantile(&self, q: f64) -> f64 {
        let mut sorted = self.ns.clone();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().saturating_sub(1);
        let at = (last as f64 * q).round() as usize;
        sorted.get(at).copied().unwrap_or(f64::NAN)
    }
}

/// Nanoseconds in the unit that suits them.
#[must_use]
pub fn human(ns: f64) -> String {
    match ns {
        ns if ns < 1e3 => format!("{ns:.0} ns"),
        ns if ns < 1e6 => format!("{:.2} µs", ns / 1e3),
        ns if ns < 1e9 => format!("{:.2} ms", ns / 1e6),
        ns => format!("{:.2} s", ns / 1e9),
    }
}

/// Operations a second at so many nanoseconds each.
fn rate(ns: f64) -> String {
    match 1e9 / ns {
        r if r >= 1e6 => format!("{:.2} M/s", r / 1e6),
        r if r >= 1e3 => format!("{:.1} k/s", r / 1e3),
        r => format!("{r:.1} /s"),
    }
}

/// The table of all measurements: median, range, rate, and the ratio to the floor.
#[must_use]
pub fn table(all: &[Samples]) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header([
        "measurement",
        "median",
        "min … max",
        "rate",
        "held against",
        "ratio",
        "mark",
    ]);
    for samples in all {
        let floor = samples
            .floor
            .as_ref()
            .and_then(|name| all.iter().find(|other| other.name == *name));
        table.add_row([
            samples.name.clone(),
            human(samples.median()),
            format!(
                "{} … {}",
                human(samples.quantile(0.0)),
                human(samples.quantile(1.0))
            ),
            rate(samples.median()),
            samples.floor.clone().unwrap_or_default(),
            floor.map_or_else(String::new, |floor| {
                format!("{:.2} ×", samples.median() / floor.median())
            }),
            samples.mark.clone().unwrap_or_default(),
        ]);
    }
    for column in [1, 2, 3, 5] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_that_of_the_medians() {
        let mut floor = Samples::new("floor");
        let mut ours = Samples::new("ours").against("floor");
        for ns in [90, 100, 5000] {
            floor.add(Duration::from_nanos(ns), 1);
            ours.add(Duration::from_nanos(ns * 20), 10);
        }
        assert!((ours.median() - 200.0).abs() < 1e-9);
        assert!(table(&[floor, ours]).contains("2.00 ×"));
    }
}
