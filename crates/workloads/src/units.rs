//! Numbers as people read them: the one place that decides on units and digits.

use std::time::Duration;

use bytesize::ByteSize;

/// A duration with three significant digits: `850 ns`, `3.21 µs`, `45.1 ms`, `2 min 3 s`.
///
/// ```
/// use std::time::Duration;
/// use forkyard_workloads::units::duration;
///
/// assert_eq!(duration(Duration::from_nanos(3_214)), "3.21 µs");
/// assert_eq!(duration(Duration::from_secs(123)), "2 min 3 s");
/// ```
pub fn duration(d: Duration) -> String {
    let seconds = d.as_secs();
    if seconds >= 3_600 {
        return format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60);
    }
    if seconds >= 60 {
        return format!("{} min {} s", seconds / 60, seconds % 60);
    }
    let ns = d.as_nanos();
    if ns < 1_000 {
        return format!("{ns} ns");
    }
    let value = d.as_secs_f64();
    for (unit, scale) in [("µs", 1e6), ("ms", 1e3)] {
        // 999.5 and more would be rounded to four digits: that is the next unit's.
        if value * scale < 999.5 {
            return format!("{} {unit}", three_digits(value * scale));
        }
    }
    format!("{} s", three_digits(value))
}

fn three_digits(value: f64) -> String {
    if value >= 99.95 {
        format!("{value:.0}")
    } else if value >= 9.995 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

/// A number with thousands separated: `1,234,567`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number and its noun: `1 task`, `1,200 tasks`.
pub fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(n), if n == 1 { one } else { many })
}

/// An amount of memory: `512 B`, `4.1 MiB`.
pub fn bytes(n: u64) -> String {
    ByteSize(n).display().iec().to_string()
}

/// A share of one in whole percent, `<1 %` where there is a little of it.
pub fn percent(share: f64) -> String {
    if share > 0.0 && share < 0.005 {
        "<1 %".to_owned()
    } else {
        format!("{:.0} %", share * 100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_keep_three_digits_and_change_unit_where_a_fourth_would_come() {
        let shown = |ns| duration(Duration::from_nanos(ns));
        assert_eq!(shown(0), "0 ns");
        assert_eq!(shown(999), "999 ns");
        assert_eq!(shown(1_000), "1.00 µs");
        assert_eq!(shown(9_994), "9.99 µs");
        assert_eq!(shown(9_996), "10.0 µs");
        assert_eq!(shown(999_400), "999 µs");
        assert_eq!(shown(999_900), "1.00 ms");
        assert_eq!(shown(45_100_000), "45.1 ms");
        assert_eq!(shown(1_234_000_000), "1.23 s");
        assert_eq!(shown(59_990_000_000), "60.0 s");
        assert_eq!(shown(3_725_000_000_000), "1 h 2 min");
    }

    #[test]
    fn counts_bytes_and_shares() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(counted(1, "task", "tasks"), "1 task");
        assert_eq!(bytes(512), "512 B");
        assert_eq!(bytes(4_300_000), "4.1 MiB");
        assert_eq!(percent(0.614), "61 %");
        assert_eq!(percent(0.001), "<1 %");
        assert_eq!(percent(0.0), "0 %");
    }
}
