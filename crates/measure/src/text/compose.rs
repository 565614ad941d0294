//! The report from top to bottom.

use super::answer;
use super::facts::Facts;
use super::style::{Style, wrap};
use super::{advice, bars, table};
use crate::RunReport;

/// The report as people read it: how long it took and how that compares, a row and a bar for
/// each process, and a sentence about what limited the run.
///
/// The answer comes first where `with_answer` says so; a caller that has printed it elsewhere
/// leaves it out.
pub fn to_text(report: &RunReport, style: Style, with_answer: bool) -> String {
    let mut sections: Vec<Vec<String>> = Vec::new();
    if with_answer {
        sections.push(answer::lines(report, style));
    }
    sections.push(answer::timing(report, style));
    sections.push(table::lines(report, style));
    sections.push(bars::lines(report, style));
    let limit = advice::sentence(&Facts::of(report));
    sections.push(wrap(&format!("Limit: {limit}"), style.width, 2));

    let mut text = String::new();
    for section in sections.iter().filter(|lines| !lines.is_empty()) {
        if !text.is_empty() {
            text.push('\n');
        }
        for line in section {
            text.push_str(line.trim_end());
            text.push('\n');
        }
    }
    text
}
