//! What people and programs see of a pool at work, for a fixed one.

use std::time::Duration;

use forkyard::{
    ArenaUse, PoolStage, PoolStats, Stages, StartMethod, TaskProgress, Transport, WorkerState,
    WorkerStats,
};
use forkyard_measure::{Live, Style, pools_to_json, pools_to_list, pools_to_text};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

/// What workers run.
const NAMES: [&str; 2] = ["thumbnail", "Image::load_and_resize_all::{closure}"];

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn worker(index: usize, state: WorkerState, seconds: u64) -> WorkerStats {
    let running = state == WorkerState::Running;
    let gone = state == WorkerState::Gone;
    let busy = if running {
        seconds * 900
    } else {
        seconds * 100
    };
    WorkerStats {
        worker: index,
        generation: u32::from(index == 1),
        pid: (!gone).then_some(41_200 + i32::try_from(index).expect("small")),
        state,
        task: running.then(|| NAMES[index % 2].to_owned()),
        progress: (running && index == 1).then_some(TaskProgress {
            done: 37,
            total: 120,
        }),
        task_age: running.then(|| Duration::from_micros(12_345)),
        queued: if running { 17 } else { 0 },
        tasks: if gone {
            0
        } else {
            1_234_567 * seconds + index as u64
        },
        tasks_per_second: if gone { 0.0 } else { 1_234_567.0 },
        bytes_in: 5_000_000_000 * seconds,
        bytes_out: 20_000,
        age: if gone {
            Duration::ZERO
        } else {
            ms(seconds * 1_000)
        },
        stages: if gone {
            Stages::default()
        } else {
            Stages {
                startup: ms(2),
                wait: ms(seconds * 950 - busy),
                decode: ms(seconds * 30),
                compute: ms(busy),
                send: ms(seconds * 20 - 2),
                ..Stages::default()
            }
        },
        rss_bytes: (!gone).then_some(7_654_321),
    }
}

fn pool(seconds: u64, workers: Vec<WorkerStats>) -> PoolStats {
    PoolStats {
        segment: "/fy-6hz-1ike9-xt0wyhps8".to_owned(),
        name: "thumbnails".to_owned(),
        pid: 41_199,
        start_method: StartMethod::ForkServer,
        transport: Transport::Shared,
        stage: PoolStage::Open,
        uptime: ms(seconds * 1_000 + 4),
        tasks: workers.iter().map(|worker| worker.tasks).sum::<u64>() + 99,
        pending: 1_203,
        starts: workers.len() as u64 + 1,
        deaths: 1,
        arena: ArenaUse {
            reserved_bytes: 256 << 20,
            peak_bytes: 256 << 20,
            limit_bytes: 1 << 30,
        },
        workers,
    }
}

fn four(seconds: u64) -> PoolStats {
    let states = [
        WorkerState::Running,
        WorkerState::Running,
        WorkerState::Idle,
        WorkerState::Gone,
    ];
    let workers = states.into_iter().enumerate();
    pool(
        seconds,
        workers
            .map(|(index, state)| worker(index, state, seconds))
            .collect(),
    )
}

fn text(width: usize) -> String {
    let style = Style {
        width,
        colour: false,
    };
    let text = pools_to_text(&[four(10)], style);
    for line in text.lines() {
        assert!(line.chars().count() <= width, "{line}");
    }
    text
}

#[test]
fn sixty_columns() {
    insta::assert_snapshot!(text(60));
}

#[test]
fn eighty_columns() {
    insta::assert_snapshot!(text(80));
}

#[test]
fn a_wide_terminal() {
    insta::assert_snapshot!(text(160));
}

#[test]
fn a_narrow_terminal_has_what_matters_most() {
    let text = text_of_any_width(20);
    assert!(text.contains("worker  state    task "), "{text}");
}

fn text_of_any_width(width: usize) -> String {
    four(10).table(width)
}

#[test]
fn colours_change_no_character() {
    let style = Style {
        width: 80,
        colour: true,
    };
    let coloured = pools_to_text(&[four(10)], style);
    let mut plain = String::new();
    let mut parts = coloured.split('\u{1b}');
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        plain.push_str(part.split_once('m').expect("an escape code ends with m").1);
    }
    assert_eq!(plain, text(80));
}

#[test]
fn json_has_the_keys_of_the_schema() {
    let one = pool(10, vec![worker(0, WorkerState::Running, 10)]);
    insta::assert_snapshot!(pools_to_json(&[one]).expect("json"));
}

#[test]
fn several_pools_are_a_list() {
    let mut other = pool(7_200, vec![worker(0, WorkerState::Idle, 7_200)]);
    other.pid = 7;
    insta::assert_snapshot!(pools_to_list(&[four(10), other]));
}

/// As it stands on a terminal of that size after two looks, a second apart.
fn live(width: u16, height: u16, looks: &[PoolStats], scrolled: isize) -> String {
    let mut live = Live::new(looks[0].clone(), true);
    for look in &looks[1..] {
        live.update(look.clone());
    }
    live.scroll(scrolled);
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("memory");
    terminal.draw(|frame| live.draw(frame)).expect("drawn");
    terminal.backend().to_string()
}

#[test]
fn live_at_sixty_columns() {
    insta::assert_snapshot!(live(60, 12, &[four(10), four(11)], 0));
}

#[test]
fn live_at_eighty_columns() {
    insta::assert_snapshot!(live(80, 10, &[four(10), four(11)], 0));
}

#[test]
fn live_at_a_hundred_and_twenty_columns() {
    insta::assert_snapshot!(live(120, 10, &[four(10), four(11)], 0));
}

#[test]
fn live_at_the_first_look() {
    insta::assert_snapshot!(live(80, 10, &[four(10)], 0));
}

#[test]
fn more_workers_than_rows_can_be_scrolled() {
    let look = |seconds| {
        let workers = (0..30).map(|index| worker(index, WorkerState::Running, seconds));
        pool(seconds, workers.collect())
    };
    let looks = [look(10), look(11)];
    insta::assert_snapshot!(live(60, 12, &looks, 0));
    let last = live(60, 12, &looks, 29);
    assert!(last.contains("\"29 "), "{last}");
    assert!(!last.contains("\"… "), "{last}");
}

#[test]
fn any_size_can_be_drawn() {
    let looks = [four(10), four(11)];
    for width in [1, 2, 5, 20, 41, 59, 300] {
        for height in [1, 2, 3, 5, 40] {
            let _ = live(width, height, &looks, 2);
        }
    }
}
