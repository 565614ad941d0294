//! A bar for each process: which share of its time went where.

use anstyle::AnsiColor;
use forkyard::ProcessTimings;

use super::style::{Style, wrap};
use crate::RunReport;
use crate::units::percent;

/// The longest bar; a longer one says no more.
const LONGEST: usize = 60;

/// Each stage with its character and colour. The characters differ enough to be read without.
pub(crate) const STAGES: [(&str, char, AnsiColor); 10] = [
    ("start-up", '▒', AnsiColor::Magenta),
    ("wait", '░', AnsiColor::BrightBlack),
    ("decode", '▞', AnsiColor::Blue),
    ("compute", '█', AnsiColor::Green),
    ("check", '▌', AnsiColor::Yellow),
    ("encode", '▚', AnsiColor::Cyan),
    ("send", '▄', AnsiColor::BrightBlue),
    ("lock", '▀', AnsiColor::Red),
    ("exit", '▁', AnsiColor::BrightMagenta),
    ("residual", '·', AnsiColor::White),
];

/// The name by which a process goes in table and bars: its worker, and which incarnation of it.
pub(crate) fn name(process: &ProcessTimings) -> String {
    match process.generation {
        0 => process.worker.to_string(),
        generation => format!("{}.{generation}", process.worker),
    }
}

/// A bar for each process, and what the characters mean.
pub(crate) fn lines(report: &RunReport, style: Style) -> Vec<String> {
    if report.processes.is_empty() {
        return Vec::new();
    }
    let names: Vec<String> = report.processes.iter().map(name).collect();
    let longest = names.iter().map(String::len).max().unwrap_or(0);
    let room = style.width.saturating_sub("worker ".len() + longest + 2);
    let cells = room.clamp(10, LONGEST);
    let mut seen = [false; STAGES.len()];
    let mut totals = [0_u64; STAGES.len()];
    let mut lines = Vec::new();
    for (process, name) in report.processes.iter().zip(&names) {
        let parts = parts_ns(process);
        let widths = share_out(&parts, cells);
        let mut bar = String::new();
        for (stage, &width) in widths.iter().enumerate() {
            let (_, character, colour) = STAGES[stage];
            let run: String = std::iter::repeat_n(character, width).collect();
            bar.push_str(&style.paint(colour.on_default(), &run));
            seen[stage] |= width > 0;
            totals[stage] += parts[stage];
        }
        lines.push(format!("worker {name:>longest$}  {bar}"));
    }
    lines.extend(legend(&seen, &totals, style));
    lines
}

/// The stages that can be seen in the bars, with their share of all processes' time.
fn legend(seen: &[bool], totals: &[u64], style: Style) -> Vec<String> {
    let all: u64 = totals.iter().sum();
    let entries = STAGES.iter().enumerate().filter(|(stage, _)| seen[*stage]);
    let text: Vec<String> = entries
        .map(|(stage, (name, character, _))| {
            #[expect(clippy::cast_precision_loss, reason = "a share in whole percent")]
            let share = totals[stage] as f64 / all.max(1) as f64;
            // Kept together when lines are broken.
            let share = percent(share).replace(' ', "\u{a0}");
            format!("{character}\u{a0}{name}\u{a0}{share}")
        })
        .collect();
    let wrapped = wrap(&text.join("  "), style.width, 0);
    let plain = wrapped
        .iter()
        .map(|line| line.trim_start().replace('\u{a0}', " "));
    plain.map(|line| paint_legend(&line, style)).collect()
}

fn paint_legend(line: &str, style: Style) -> String {
    let mut painted = String::new();
    for c in line.chars() {
        match STAGES.iter().find(|(_, character, _)| *character == c) {
            Some((_, _, colour)) => {
                painted.push_str(&style.paint(colour.on_default(), &c.to_string()));
            }
            None => painted.push(c),
        }
    }
    painted
}

/// The parts of a process's time, in the order of [`STAGES`]. A negative residual (stages that
/// overlap) has no width.
fn parts_ns(process: &ProcessTimings) -> [u64; STAGES.len()] {
    let mut parts = [0; STAGES.len()];
    for (part, (_, duration)) in parts.iter_mut().zip(process.stages.named()) {
        *part = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    }
    parts[STAGES.len() - 1] = u64::try_from(process.residual_ns()).unwrap_or(0);
    parts
}

/// Shares `cells` out by the largest remainder, so that they add up.
pub(crate) fn share_out(parts: &[u64; STAGES.len()], cells: usize) -> [usize; STAGES.len()] {
    let mut widths = [0; STAGES.len()];
    let all: u128 = parts.iter().map(|&part| u128::from(part)).sum();
    if all == 0 {
        return widths;
    }
    let mut remainders = Vec::with_capacity(STAGES.len());
    for (stage, &part) in parts.iter().enumerate() {
        let scaled = u128::from(part) * cells as u128;
        widths[stage] = usize::try_from(scaled / all).unwrap_or(0);
        remainders.push((scaled % all, stage));
    }
    remainders.sort_unstable_by(|a, b| b.cmp(a));
    let given: usize = widths.iter().sum();
    for (_, stage) in remainders.into_iter().take(cells - given) {
        widths[stage] += 1;
    }
    widths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_to_the_bar() {
        let mut parts = [0; STAGES.len()];
        assert_eq!(share_out(&parts, 40).iter().sum::<usize>(), 0);
        parts = [1, 1, 1, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(share_out(&parts, 40).iter().sum::<usize>(), 40);
        parts[3] = u64::MAX;
        assert_eq!(share_out(&parts, 40)[3], 40);
    }

    #[test]
    fn every_character_is_used_once() {
        for (place, (_, character, _)) in STAGES.iter().enumerate() {
            assert!(STAGES[place + 1..].iter().all(|(_, c, _)| c != character));
        }
    }
}
