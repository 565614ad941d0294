//! What came out, how long it took, and whether the pool was worth it.

use anstyle::AnsiColor;

use super::style::{Style, wrap};
use crate::report::{Comparison, Verdict};
use crate::units::{bytes, counted, duration};
use crate::{Against, RunReport};

/// The answer: its first line in bold, for it is what was asked for.
pub(crate) fn lines(report: &RunReport, style: Style) -> Vec<String> {
    let bold = anstyle::Style::new().bold();
    let answer = report.outcome.answer.iter().enumerate();
    answer
        .flat_map(|(place, line)| {
            let wrapped = wrap(line, style.width, 2);
            let paint = move |line: String| match place {
                0 => style.paint(bold, &line),
                _ => line,
            };
            wrapped.into_iter().map(paint)
        })
        .collect()
}

/// How long the run took, what the supervisor used, and the comparison.
pub(crate) fn timing(report: &RunReport, style: Style) -> Vec<String> {
    let end = report.wall.saturating_sub(report.startup + report.work);
    let workers = counted(report.workers as u64, "worker", "workers");
    let mut text = vec![
        format!(
            "{} with {workers} ({}, {}): {} starting, {} working, {} ending",
            duration(report.wall),
            report.start_method,
            report.transport,
            duration(report.startup),
            duration(report.work),
            duration(end)
        ),
        format!(
            "supervisor: {} user, {} system, peak memory {}",
            duration(report.supervisor.cpu_user),
            duration(report.supervisor.cpu_system),
            bytes(report.supervisor.peak_rss_bytes)
        ),
    ];
    if let Some(comparison) = &report.against {
        text.push(compared(comparison));
    }
    let mut lines: Vec<String> = text
        .iter()
        .flat_map(|line| wrap(line, style.width, 2))
        .collect();
    if let Some(comparison) = &report.against {
        lines.extend(verdict(comparison, style));
    }
    lines
}

fn compared(comparison: &Comparison) -> String {
    let other = match comparison.against {
        Against::Sequential => "one after another",
        Against::Threads => "on threads",
    };
    let basis = match comparison.pairs {
        1 => "one run of each".to_owned(),
        pairs => format!("medians of {pairs} runs of each, taken in turn"),
    };
    format!(
        "the same work {other}: {}; in the pool: {} with starting and ending the workers, \
         {} without ({basis})",
        duration(comparison.other_wall),
        duration(comparison.pool_wall),
        duration(comparison.pool_work)
    )
}

fn verdict(comparison: &Comparison, style: Style) -> Vec<String> {
    let (colour, words) = match comparison.verdict() {
        Verdict::Pays => (AnsiColor::Green, "The pool pays:"),
        Verdict::QuestionIt => (AnsiColor::Yellow, "Question it:"),
        Verdict::DoesNotPay => (AnsiColor::Red, "The pool does not pay:"),
    };
    let text = format!(
        "{words} {:.2} × as fast, {:.2} × without start and end",
        comparison.speedup(),
        comparison.speedup_without_start()
    );
    let mut lines = wrap(&text, style.width, 2);
    if let Some(rest) = lines[0].strip_prefix(words) {
        lines[0] = style.paint(colour.on_default().bold(), words) + rest;
    }
    lines
}
