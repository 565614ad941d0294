//! Numbers as the table shows them.

use std::time::Duration;

/// Three digits and a unit: `850 ns`, `45.1 ms`; `2 min 3 s`, `1 h 2 min`, `3 d 4 h`.
pub(super) fn duration(d: Duration) -> String {
    let seconds = d.as_secs();
    match seconds {
        86_400.. => return format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
        3_600.. => return format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        60.. => return format!("{} min {} s", seconds / 60, seconds % 60),
        _ => {}
    }
    let value = d.as_secs_f64();
    for (unit, scale) in [("ns", 1e9), ("µs", 1e6), ("ms", 1e3)] {
        // 999.5 and more would be rounded to four digits: that is the next unit's.
        if value * scale < 999.5 {
            let digits = if unit == "ns" {
                0
            } else {
                places(value * scale)
            };
            return format!("{:.digits$} {unit}", value * scale);
        }
    }
    format!("{value:.0$} s", places(value))
}

/// Places behind the point that make three digits.
fn places(value: f64) -> usize {
    match value {
        value if value >= 99.95 => 0,
        value if value >= 9.995 => 1,
        _ => 2,
    }
}

/// Thousands separated: `1,234,567`.
pub(super) fn count(n: u64) -> String {
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

/// `512 B`, `4.1 MiB`.
#[expect(clippy::cast_precision_loss, reason = "shown to a tenth")]
pub(super) fn bytes(n: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if n < 1024 {
        return format!("{n} B");
    }
    let mut value = n as f64;
    let mut unit = "B";
    for next in UNITS {
        // 1023.95 and more would be shown as 1024.0.
        if value < 1023.95 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    format!("{value:.1} {unit}")
}

/// Tasks a second: `0`, `0.25`, `12.5`, `402,113`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate is no negative number, and one beyond any count is shown as the largest"
)]
pub(super) fn rate(per_second: f64) -> String {
    if per_second <= 0.0 {
        "0".to_owned()
    } else if per_second >= 99.95 {
        count(per_second.round() as u64)
    } else {
        format!("{per_second:.0$}", places(per_second))
    }
}

/// Whole percent, `<1 %` where there is a little.
pub(super) fn percent(share: f64) -> String {
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
    fn durations_keep_three_digits() {
        let shown = |ns| duration(Duration::from_nanos(ns));
        assert_eq!(shown(0), "0 ns");
        assert_eq!(shown(999), "999 ns");
        assert_eq!(shown(3_214), "3.21 µs");
        assert_eq!(shown(999_900), "1.00 ms");
        assert_eq!(shown(59_990_000_000), "60.0 s");
        assert_eq!(shown(123_000_000_000), "2 min 3 s");
        assert_eq!(shown(3_725_000_000_000), "1 h 2 min");
        assert_eq!(shown(u64::MAX), "213503 d 23 h");
    }

    #[test]
    fn counts_rates_bytes_and_shares() {
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(
            [0.0, 0.25, 12.5, 402_113.4].map(rate),
            ["0", "0.25", "12.5", "402,113"]
        );
        assert_eq!(
            [512, 4_300_000, (1 << 20) - 1, u64::MAX].map(bytes),
            ["512 B", "4.1 MiB", "1.0 MiB", "16.0 EiB"]
        );
        assert_eq!([0.0, 0.001, 0.614].map(percent), ["0 %", "<1 %", "61 %"]);
    }
}
