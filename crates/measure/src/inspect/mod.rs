//! Pools that are looked at while they work: for people, for programs, and live.

mod live;

use forkyard::PoolStats;
use serde::Serialize;

use crate::text::Style;
use crate::units::{count, duration};

pub use live::Live;

/// What the schema is called. A change that takes something away or changes its meaning makes
/// it `/2`.
const SCHEMA: &str = "forkyard.inspect/1";

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    pools: &'a [PoolStats],
}

/// The pools for programs, schema `forkyard.inspect/1`, with a newline at the end.
///
/// # Errors
/// Never, as long as numbers and names can be written.
pub fn pools_to_json(pools: &[PoolStats]) -> serde_json::Result<String> {
    let schema = SCHEMA;
    let mut json = serde_json::to_string_pretty(&Document { schema, pools })?;
    json.push('\n');
    Ok(json)
}

/// Each pool for people: in two or three lines, then a row for each worker.
pub fn pools_to_text(pools: &[PoolStats], style: Style) -> String {
    let bold = anstyle::Style::new().bold();
    let text = |pool: &PoolStats| {
        let heads = pool.summary(style.width).len();
        let table = pool.table(style.width);
        let lines = table.lines().enumerate().map(|(place, line)| match place {
            0 => style.paint(bold, line) + "\n",
            place if place == heads => style.paint(anstyle::Style::new().dimmed(), line) + "\n",
            _ => format!("{line}\n"),
        });
        lines.collect::<String>()
    };
    pools.iter().map(text).collect::<Vec<_>>().join("\n")
}

/// A line for each pool, to choose from.
pub fn pools_to_list(pools: &[PoolStats]) -> String {
    let head = ["pid", "workers", "tasks", "up", "segment", "name"].map(str::to_owned);
    let row = |pool: &PoolStats| {
        [
            pool.pid.to_string(),
            pool.workers.len().to_string(),
            count(pool.tasks),
            duration(pool.uptime),
            pool.segment.clone(),
            pool.name.clone(),
        ]
    };
    let rows: Vec<_> = std::iter::once(head).chain(pools.iter().map(row)).collect();
    let width = |place: usize| rows.iter().map(|row| row[place].chars().count()).max();
    let widths: Vec<usize> = (0..5).map(|place| width(place).unwrap_or(0)).collect();
    let line = |[pid, workers, tasks, up, segment, name]: &[String; 6]| {
        let [a, b, c, d, e] = [0, 1, 2, 3, 4].map(|place| widths[place]);
        let line =
            format!("{pid:>a$}  {workers:>b$}  {tasks:>c$}  {up:>d$}  {segment:<e$}  {name}");
        format!("{}\n", line.trim_end())
    };
    rows.iter().map(line).collect()
}
