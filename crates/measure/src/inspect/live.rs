//! A pool as it works, in a terminal: a row for each worker, drawn anew for each look.

use anstyle::AnsiColor;
use forkyard::{PoolStats, Stages, WorkerState, WorkerStats};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Paragraph, Row, Table};

use crate::text::{STAGES, share_out, wrap};
use crate::units::{bytes, count, duration};

/// A pool, as it was at the last two looks: what lies between them is shown as a rate and as shares
/// of time.
#[derive(Debug)]
pub struct Live {
    now: PoolStats,
    before: Option<PoolStats>,
    /// The first worker that is shown.
    first: usize,
    colour: bool,
}

/// One measure of a worker.
struct Column {
    head: &'static str,
    /// 0: as wide as the terminal allows, see [`task_width`].
    width: u16,
    /// Shown from this width of the terminal on.
    from: u16,
    left: bool,
}

const fn column(head: &'static str, width: u16, from: u16, left: bool) -> Column {
    Column {
        head,
        width,
        from,
        left,
    }
}

const COLUMNS: [Column; 9] = [
    column("worker", 6, 0, true),
    column("pid", 7, 100, false),
    column("state", 8, 0, true),
    column("task", 0, 40, true),
    column("for", 8, 0, false),
    column("queued", 6, 110, false),
    column("tasks", 13, 100, false),
    column("per s", 9, 50, false),
    column("memory", 9, 70, false),
];

/// Columns for what a worker runs, on a terminal of that width.
fn task_width(terminal: u16) -> u16 {
    (terminal / 5).clamp(12, 40)
}

/// A stage is explained that would be seen in a bar of so many cells.
const LEGEND_CELLS: usize = 20;
/// What follows the columns.
const BAR_HEAD: &str = "time";
/// The least that a bar tells anything with.
const SHORTEST_BAR: u16 = 8;

impl Live {
    /// A pool at the first look. Without `colour` everything can be read as well.
    #[must_use]
    pub fn new(stats: PoolStats, colour: bool) -> Self {
        Self {
            now: stats,
            before: None,
            first: 0,
            colour,
        }
    }

    /// The same pool at the next look.
    pub fn update(&mut self, stats: PoolStats) {
        self.before = Some(std::mem::replace(&mut self.now, stats));
    }

    /// Goes so many workers down the list, or up.
    pub fn scroll(&mut self, rows: isize) {
        let last = self.now.workers.len().saturating_sub(1);
        self.first = self.first.saturating_add_signed(rows).min(last);
    }

    /// The pool at the last look.
    #[must_use]
    pub fn stats(&self) -> &PoolStats {
        &self.now
    }

    /// Draws it all over.
    pub fn draw(&self, frame: &mut Frame<'_>) {
        let area = frame.area();
        let summary = self.summary(usize::from(area.width));
        let legend = self.legend(usize::from(area.width));
        let heights = [
            Constraint::Length(u16::try_from(summary.len()).unwrap_or(u16::MAX)),
            Constraint::Min(2),
            Constraint::Length(u16::try_from(legend.len()).unwrap_or(u16::MAX)),
        ];
        let [top, middle, bottom] = Layout::vertical(heights).areas(area);
        frame.render_widget(Paragraph::new(summary), top);
        frame.render_widget(self.workers(middle), middle);
        frame.render_widget(Paragraph::new(legend), bottom);
    }

    fn summary(&self, width: usize) -> Vec<Line<'static>> {
        let mut lines = self.now.summary(width);
        if let Some(before) = &self.before {
            let rate = self.now.rate_since(before);
            lines.push(format!("{} tasks per s now", rate_text(rate)));
        }
        let bold = Style::new().add_modifier(Modifier::BOLD);
        let styled = lines
            .into_iter()
            .enumerate()
            .map(|(place, line)| match place {
                0 => Line::styled(line, bold),
                _ => Line::raw(line),
            });
        styled.collect()
    }

    fn workers(&self, area: Rect) -> Table<'static> {
        let columns: Vec<&Column> = COLUMNS.iter().filter(|c| area.width >= c.from).collect();
        let task = task_width(area.width);
        let width = |column: &&Column| match column.width {
            0 => task,
            width => width,
        };
        let taken: u16 = columns.iter().map(|column| width(column) + 1).sum();
        let bar = area.width.saturating_sub(taken);
        let has_bar = bar >= SHORTEST_BAR;
        let mut widths: Vec<Constraint> = columns
            .iter()
            .map(|column| Constraint::Length(width(column)))
            .collect();
        let mut head: Vec<Cell<'_>> = columns
            .iter()
            .map(|column| aligned(column.head.to_owned(), column.left))
            .collect();
        if has_bar {
            widths.push(Constraint::Length(bar));
            head.push(Cell::from(BAR_HEAD));
        }
        // With the head, and a last line that says how many are not shown.
        let room = usize::from(area.height.saturating_sub(1));
        let all = self.now.workers.len();
        let first = self.first.min(all.saturating_sub(room));
        let shown = if all - first > room {
            room.saturating_sub(1)
        } else {
            room
        };
        let mut rows: Vec<Row<'_>> = self
            .now
            .workers
            .iter()
            .skip(first)
            .take(shown)
            .map(|worker| self.row(worker, &columns, task, has_bar.then_some(bar)))
            .collect();
        let hidden = all.saturating_sub(first + shown);
        if hidden > 0 {
            rows.push(Row::new([format!("… {hidden}")]));
        }
        let dim = Style::new().add_modifier(Modifier::DIM);
        Table::new(rows, widths).header(Row::new(head).style(dim))
    }

    fn row(
        &self,
        worker: &WorkerStats,
        columns: &[&Column],
        task: u16,
        bar: Option<u16>,
    ) -> Row<'static> {
        let rate = match &self.before {
            Some(before) => worker.rate_since(before),
            None => worker.tasks_per_second,
        };
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let mut cells: Vec<Cell<'_>> = columns
            .iter()
            .map(|column| {
                let text = match column.head {
                    "worker" => worker.name(),
                    "pid" => or_dash(worker.pid.map(|pid| pid.to_string())),
                    "state" => return Cell::from(self.state(worker.state)),
                    "task" => worker.task_label(usize::from(task)),
                    "for" => or_dash(worker.task_age.map(duration)),
                    "queued" => count(worker.queued),
                    "tasks" => count(worker.tasks),
                    "per s" => rate_text(rate),
                    _ => or_dash(worker.rss_bytes.map(bytes)),
                };
                aligned(text, column.left)
            })
            .collect();
        if let Some(width) = bar {
            cells.push(Cell::from(self.bar(worker, width)));
        }
        Row::new(cells)
    }

    fn state(&self, state: WorkerState) -> Span<'static> {
        let colour = match state {
            WorkerState::Running => AnsiColor::Green,
            WorkerState::Idle | WorkerState::Spinning => AnsiColor::BrightBlack,
            WorkerState::Starting => AnsiColor::Magenta,
            WorkerState::Ending => AnsiColor::Yellow,
            WorkerState::Gone => AnsiColor::Red,
        };
        Span::styled(state.name(), self.paint(colour))
    }

    /// Where a worker's time went since the last look, or, at the first, since its start.
    fn bar(&self, worker: &WorkerStats, width: u16) -> Line<'static> {
        let widths = share_out(&self.parts_ns(worker), usize::from(width));
        let runs = STAGES.iter().zip(widths).filter(|(_, width)| *width > 0);
        let spans = runs.map(|((_, character, colour), width)| {
            let run: String = std::iter::repeat_n(*character, width).collect();
            Span::styled(run, self.paint(*colour))
        });
        spans.collect::<Vec<_>>().into()
    }

    fn parts_ns(&self, worker: &WorkerStats) -> [u64; STAGES.len()] {
        let mut parts = [0; STAGES.len()];
        if worker.state == WorkerState::Gone {
            return parts;
        }
        let before = self.before.as_ref().and_then(|before| {
            let before = before.workers.get(worker.worker)?;
            (before.pid == worker.pid && before.generation == worker.generation)
                .then_some(before.stages)
        });
        let before: Stages = before.unwrap_or_default();
        let pairs = worker.stages.named().into_iter().zip(before.named());
        for (part, ((_, now), (_, before))) in parts.iter_mut().zip(pairs) {
            let spent = now.saturating_sub(before).as_nanos();
            *part = u64::try_from(spent).unwrap_or(u64::MAX);
        }
        parts
    }

    fn legend(&self, width: usize) -> Vec<Line<'static>> {
        let mut seen = [false; STAGES.len()];
        for worker in &self.now.workers {
            let widths = share_out(&self.parts_ns(worker), LEGEND_CELLS);
            for (seen, width) in seen.iter_mut().zip(widths) {
                *seen |= width > 0;
            }
        }
        let stages = STAGES.iter().zip(seen).filter(|(_, seen)| *seen);
        let names = stages.map(|((name, character, _), _)| format!("{character}\u{a0}{name}"));
        let keys = ["q\u{a0}quits".to_owned()];
        let text = names.chain(keys).collect::<Vec<_>>().join("  ");
        let lines = wrap(&text, width, 0);
        let lines = lines
            .iter()
            .map(|line| line.trim_start().replace('\u{a0}', " "));
        lines.map(|line| self.painted(&line)).collect()
    }

    fn painted(&self, line: &str) -> Line<'static> {
        let span = |c: char| match STAGES.iter().find(|(_, character, _)| *character == c) {
            Some((_, _, colour)) => Span::styled(c.to_string(), self.paint(*colour)),
            None => Span::raw(c.to_string()),
        };
        line.chars().map(span).collect::<Vec<_>>().into()
    }

    fn paint(&self, colour: AnsiColor) -> Style {
        if self.colour {
            Style::new().fg(of_terminal(colour))
        } else {
            Style::new()
        }
    }
}

fn aligned(text: String, left: bool) -> Cell<'static> {
    let line = Line::raw(text);
    Cell::from(if left { line } else { line.right_aligned() })
}

fn rate_text(per_second: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate is no negative number"
    )]
    match per_second {
        rate if rate >= 99.95 => count(rate.round() as u64),
        rate if rate > 0.0 => format!("{rate:.1}"),
        _ => "0".to_owned(),
    }
}

fn of_terminal(colour: AnsiColor) -> Color {
    match colour {
        AnsiColor::Black => Color::Black,
        AnsiColor::Red => Color::Red,
        AnsiColor::Green => Color::Green,
        AnsiColor::Yellow => Color::Yellow,
        AnsiColor::Blue => Color::Blue,
        AnsiColor::Magenta => Color::Magenta,
        AnsiColor::Cyan => Color::Cyan,
        AnsiColor::White => Color::Gray,
        AnsiColor::BrightBlack => Color::DarkGray,
        AnsiColor::BrightRed => Color::LightRed,
        AnsiColor::BrightGreen => Color::LightGreen,
        AnsiColor::BrightYellow => Color::LightYellow,
        AnsiColor::BrightBlue => Color::LightBlue,
        AnsiColor::BrightMagenta => Color::LightMagenta,
        AnsiColor::BrightCyan => Color::LightCyan,
        AnsiColor::BrightWhite => Color::White,
    }
}
