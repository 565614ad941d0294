//! Where each process spent its time, as a table that fits the terminal.

use comfy_table::{Cell, CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};
use forkyard::ProcessTimings;

use super::bars::name;
use super::style::Style;
use crate::RunReport;
use crate::units::{bytes, count, duration};

/// A line under the header, and room between columns.
const LOOK: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─'));

/// One measure of a process.
struct Column {
    head: &'static str,
    cell: fn(&ProcessTimings) -> String,
}

const fn column(head: &'static str, cell: fn(&ProcessTimings) -> String) -> Column {
    Column { head, cell }
}

/// All there is.
const FULL: [Column; 17] = [
    column("worker", name),
    column("pid", |p| p.pid.to_string()),
    column("tasks", |p| count(p.tasks)),
    column("start-up", |p| time(p.stages.startup)),
    column("wait", |p| time(p.stages.wait)),
    column("decode", |p| time(p.stages.decode)),
    column("compute", |p| time(p.stages.compute)),
    column("check", |p| time(p.stages.check)),
    column("encode", |p| time(p.stages.encode)),
    column("send", |p| time(p.stages.send)),
    column("lock", |p| time(p.stages.lock)),
    column("exit", |p| time(p.stages.exit)),
    column("residual", residual),
    column("user", |p| time(p.cpu_user)),
    column("system", |p| time(p.cpu_system)),
    column("memory", memory),
    column("ended", ended),
];

/// Columns that say something even where all are zero.
const KEPT: [&str; 3] = ["worker", "pid", "tasks"];

/// What matters most, with what belongs together added up.
const MERGED: [Column; 8] = [
    column("worker", name),
    column("tasks", |p| count(p.tasks)),
    column("wait", |p| time(p.stages.wait)),
    column("compute", |p| time(p.stages.compute)),
    column("transfer", |p| {
        time(p.stages.decode + p.stages.encode + p.stages.send)
    }),
    column("rest", rest),
    column("cpu", |p| time(p.cpu_user + p.cpu_system)),
    column("memory", memory),
];

/// The least that says where the time went.
const SMALLEST: [Column; 5] = [
    column("worker", name),
    column("tasks", |p| count(p.tasks)),
    column("wait", |p| time(p.stages.wait)),
    column("compute", |p| time(p.stages.compute)),
    column("memory", memory),
];

fn time(time: std::time::Duration) -> String {
    if time.is_zero() {
        "0".to_owned()
    } else {
        duration(time)
    }
}

fn residual(process: &ProcessTimings) -> String {
    let ns = process.residual_ns();
    let shown = time(std::time::Duration::from_nanos(ns.unsigned_abs()));
    if ns < 0 { format!("-{shown}") } else { shown }
}

fn rest(process: &ProcessTimings) -> String {
    let stages = &process.stages;
    let shown = stages.wait + stages.compute + stages.decode + stages.encode + stages.send;
    time(process.wall.saturating_sub(shown))
}

fn ended(process: &ProcessTimings) -> String {
    match &process.exit {
        Some(cause) => cause.to_string(),
        None => "alive".to_owned(),
    }
}

/// The most telling table that fits: all columns; all that are not empty; a column for each
/// process instead of a row; some columns added up; the least.
pub(crate) fn lines(report: &RunReport, style: Style) -> Vec<String> {
    let processes = &report.processes;
    if processes.is_empty() {
        return Vec::new();
    }
    let clean = |p: &ProcessTimings| p.exit.is_some_and(forkyard::ExitCause::is_success);
    let all_clean = processes.iter().all(clean);
    let full: Vec<&Column> = FULL
        .iter()
        .filter(|column| column.head != "ended" || !all_clean)
        .collect();
    let filled: Vec<&Column> = full
        .iter()
        .copied()
        .filter(|column| {
            let tells = processes.iter().any(|p| (column.cell)(p) != "0");
            tells || KEPT.contains(&column.head)
        })
        .collect();
    let merged: Vec<&Column> = MERGED.iter().collect();
    let smallest: Vec<&Column> = SMALLEST.iter().collect();
    let layouts = [
        rows(&full, processes),
        rows(&filled, processes),
        columns(&full, processes),
        rows(&merged, processes),
        rows(&smallest, processes),
    ];
    let fits = |lines: &Vec<String>| lines.iter().all(|line| line.chars().count() <= style.width);
    let last = layouts.len() - 1;
    let chosen = layouts.iter().position(fits).unwrap_or(last);
    let mut layouts = layouts;
    let lines = std::mem::take(&mut layouts[chosen]);
    lines
        .into_iter()
        .enumerate()
        .map(|(place, line)| match place {
            0 => style.paint(anstyle::Style::new().bold(), &line),
            1 => style.paint(anstyle::Style::new().dimmed(), &line),
            _ => line,
        })
        .collect()
}

/// A row for each process.
fn rows(columns: &[&Column], processes: &[ProcessTimings]) -> Vec<String> {
    let head = columns.iter().map(|column| column.head.to_owned());
    let body = processes.iter().map(|process| {
        columns
            .iter()
            .map(|column| (column.cell)(process))
            .collect()
    });
    render(head.collect(), body)
}

/// A column for each process.
fn columns(columns: &[&Column], processes: &[ProcessTimings]) -> Vec<String> {
    let line = |column: &&Column| {
        let cells = processes.iter().map(|process| (column.cell)(process));
        std::iter::once(column.head.to_owned())
            .chain(cells)
            .collect()
    };
    let (head, body) = columns.split_at(1);
    render(line(&head[0]), body.iter().map(line))
}

fn render(head: Vec<String>, body: impl Iterator<Item = Vec<String>>) -> Vec<String> {
    let mut table = Table::new();
    table
        .load_style(LOOK)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(head.into_iter().map(Cell::new));
    for cells in body {
        table.add_row(cells);
    }
    for (place, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if place > 0 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let trimmed = table.lines().map(|line| line.trim_end().to_owned());
    let mut lines: Vec<String> = trimmed.collect();
    // The line under the header runs through the padding behind the last column.
    let longest = lines
        .iter()
        .enumerate()
        .filter(|(place, _)| *place != 1)
        .map(|(_, line)| line.chars().count())
        .max()
        .unwrap_or(0);
    if let Some(rule) = lines.get_mut(1) {
        *rule = "─".repeat(longest);
    }
    lines
}

/// The peak, where somebody could say.
fn memory(process: &ProcessTimings) -> String {
    match process.peak_rss_bytes {
        0 => "-".to_owned(),
        peak => bytes(peak),
    }
}
