//! A pool as a table: what it is, then a row for each worker.

use std::fmt::{self, Write};

use super::units::{bytes, count, duration, percent, rate};
use super::{PoolStage, PoolStats, WorkerState, WorkerStats};

/// The width where nothing else is said.
const WIDTH: usize = 100;
/// Between two columns.
const GAP: usize = 2;
/// Columns are rather left out than that a task has less room.
const LEAST_TASK: usize = 12;
/// The same where there is room for more columns.
const MOST_TASK: usize = 24;

/// One measure of a worker.
struct Column {
    head: &'static str,
    /// Columns of a higher rank are left out first when there is no room.
    rank: u8,
    left: bool,
    /// What stands there, given the most characters that a task may take.
    cell: fn(&WorkerStats, usize) -> String,
}

const fn column(head: &'static str, rank: u8, cell: fn(&WorkerStats, usize) -> String) -> Column {
    Column {
        head,
        rank,
        left: false,
        cell,
    }
}

const COLUMNS: [Column; 15] = [
    Column {
        left: true,
        ..column("worker", 0, |w, _| w.name())
    },
    column("pid", 4, |w, _| {
        w.pid.map_or_else(dash, |pid| pid.to_string())
    }),
    Column {
        left: true,
        ..column("state", 0, |w, _| w.state.to_string())
    },
    Column {
        left: true,
        ..column("task", 0, WorkerStats::task_label)
    },
    column("for", 1, |w, _| w.task_age.map_or_else(dash, duration)),
    column("queued", 5, |w, _| count(w.queued)),
    column("tasks", 0, |w, _| count(w.tasks)),
    column("per s", 3, |w, _| rate(w.tasks_per_second)),
    column("wait", 6, |w, _| share(w, w.stages.wait)),
    column("compute", 2, |w, _| {
        share(w, w.stages.compute + w.stages.check)
    }),
    column("transfer", 7, |w, _| {
        share(w, w.stages.decode + w.stages.encode + w.stages.send)
    }),
    column("lock", 8, |w, _| share(w, w.stages.lock)),
    column("in", 9, |w, _| bytes(w.bytes_in)),
    column("out", 9, |w, _| bytes(w.bytes_out)),
    column("memory", 1, |w, _| w.rss_bytes.map_or_else(dash, bytes)),
];

fn dash() -> String {
    "-".to_owned()
}

fn share(worker: &WorkerStats, part: std::time::Duration) -> String {
    let whole = worker.stages.sum().as_secs_f64();
    if worker.state == WorkerState::Gone || whole <= 0.0 {
        return dash();
    }
    percent(part.as_secs_f64() / whole)
}

impl PoolStats {
    /// The pool in two or three lines, then a table with a row for each worker: with as many columns
    /// as fit into `width`, but at least what each worker is doing and has done. Each line ends
    /// with a newline.
    #[must_use]
    pub fn table(&self, width: usize) -> String {
        let mut text = String::new();
        for line in self.summary(width).iter().chain(&self.rows(width)) {
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    /// What the pool is and does, in lines of at most `width` where words allow it.
    #[must_use]
    pub fn summary(&self, width: usize) -> Vec<String> {
        let counted = |n: u64, one: &str| {
            let many = if n == 1 { "" } else { "s" };
            format!("{} {one}{many}", count(n))
        };
        let mut what = vec![
            format!("{} in process {}", self.name, self.pid),
            counted(self.workers.len() as u64, "worker"),
            self.start_method.to_string(),
            self.transport.to_string(),
            format!("up {}", duration(self.uptime)),
        ];
        if self.stage != PoolStage::Open {
            what.push(self.stage.to_string());
        }
        let mut done = vec![
            counted(self.tasks, "task"),
            format!("{} per s", rate(self.tasks_per_second())),
        ];
        if self.pending > 0 {
            done.push(format!("{} waiting", counted(self.pending, "message")));
        }
        let first = self.workers.len() as u64;
        if self.starts > first || self.deaths > 0 {
            done.push(format!(
                "{} started",
                counted(self.starts, "process").replace("processs", "processes")
            ));
            done.push(format!("{} died", count(self.deaths)));
        }
        if self.arena.peak_bytes > 0 {
            let limit = match self.arena.limit_bytes {
                0 => String::new(),
                limit => format!(" of {}", bytes(limit)),
            };
            done.push(format!("arena {}{limit}", bytes(self.arena.reserved_bytes)));
        }
        let mut lines = wrapped(&what, width);
        lines.extend(wrapped(&done, width));
        lines
    }

    /// The head of the table and a row for each worker.
    fn rows(&self, width: usize) -> Vec<String> {
        let mut most = COLUMNS.iter().map(|column| column.rank).max().unwrap_or(0);
        let task = (width / 6).clamp(LEAST_TASK, MOST_TASK);
        loop {
            let columns: Vec<&Column> = COLUMNS.iter().filter(|c| c.rank <= most).collect();
            let lines = laid_out(&columns, &self.workers, task);
            let widest = lines.iter().map(|line| line.chars().count()).max();
            let widest = widest.unwrap_or(0);
            if widest <= width {
                // What room there is left is for what was cut.
                return laid_out(&columns, &self.workers, task + (width - widest));
            }
            if most == 0 {
                return lines;
            }
            most -= 1;
        }
    }
}

fn laid_out(columns: &[&Column], workers: &[WorkerStats], task: usize) -> Vec<String> {
    let head = columns
        .iter()
        .map(|column| column.head.to_owned())
        .collect();
    let row = |worker| {
        let cells = columns.iter().map(|column| (column.cell)(worker, task));
        cells.collect()
    };
    let cells: Vec<Vec<String>> = std::iter::once(head)
        .chain(workers.iter().map(row))
        .collect();
    let width_of = |place: usize| {
        let widths = cells.iter().map(|row| row[place].chars().count());
        widths.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width_of).collect();
    let line = |row: &Vec<String>| {
        let mut line = String::new();
        for ((cell, column), width) in row.iter().zip(columns).zip(&widths) {
            if !line.is_empty() {
                line.push_str(&" ".repeat(GAP));
            }
            // Writing to a string does not fail.
            let _ = if column.left {
                write!(line, "{cell:<width$}")
            } else {
                write!(line, "{cell:>width$}")
            };
        }
        line.trim_end().to_owned()
    };
    cells.iter().map(line).collect()
}

/// Pieces with commas between them, broken between pieces; later lines are indented.
fn wrapped(pieces: &[String], width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for piece in pieces {
        match lines.last_mut() {
            Some(line) if line.chars().count() + piece.chars().count() + 3 <= width => {
                line.push_str(", ");
                line.push_str(piece);
            }
            Some(line) => {
                line.push(',');
                lines.push(format!("  {piece}"));
            }
            None => lines.push(piece.clone()),
        }
    }
    lines
}

/// [`table`](PoolStats::table) of 100 columns.
impl fmt::Display for PoolStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.table(WIDTH))
    }
}
