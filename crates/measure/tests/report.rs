//! What people and programs read, for a fixed report.

use std::time::Duration;

use forkyard::{
    CheckEvery, ChunkSize, ExitCause, ProcessTimings, Stages, StartMethod, SupervisorTimings,
    Transport,
};
use forkyard_measure::{Against, Comparison, RunReport, Style, to_json, to_text};
use forkyard_workloads::{Findings, Outcome, Status};

fn us(us: u64) -> Duration {
    Duration::from_micros(us)
}

fn process(worker: usize) -> ProcessTimings {
    let slower = worker as u64 * 1_000;
    let stages = Stages {
        startup: us(1_900),
        wait: us(13_400 - slower),
        decode: us(2_600),
        compute: us(61_200 + slower),
        check: us(0),
        encode: us(310),
        send: us(1_250),
        lock: us(0),
        exit: us(420),
    };
    ProcessTimings {
        worker,
        generation: 0,
        pid: 41_200 + i32::try_from(worker).expect("small"),
        tasks: 1_250 + worker as u64,
        bytes_in: 1_310_720_000,
        bytes_out: 20_000,
        checks: 0,
        wall: stages.sum() + us(35),
        stages,
        cpu_user: us(60_100),
        cpu_system: us(3_900),
        peak_rss_bytes: 7_654_321,
        exit: Some(ExitCause::Code(0)),
    }
}

fn report(workers: usize) -> RunReport {
    RunReport {
        workload: "spin".to_owned(),
        start_method: StartMethod::Spawn,
        transport: Transport::Copy,
        workers,
        cpus: 2,
        chunk_size: ChunkSize::Auto,
        check_every: CheckEvery::every(1_000),
        wall: us(81_500),
        startup: us(1_950),
        work: us(78_800),
        outcome: Outcome {
            answer: vec![
                "2,500 tasks of 50.0 µs: 2.4 GiB sent, 0 B taken back, every byte checked"
                    .to_owned(),
            ],
            listing: None,
            complaints: Vec::new(),
            result: Findings::Spin {
                verified: 2_500,
                failed: 0,
                payload_bytes: 2_621_440_000,
                result_bytes: 0,
            },
            tasks: 2_500,
            status: Status::Success,
        },
        against: Some(Comparison {
            against: Against::Sequential,
            pool_wall: us(81_500),
            pool_work: us(78_800),
            other_wall: us(131_000),
            pairs: 3,
        }),
        processes: (0..workers).map(process).collect(),
        supervisor: SupervisorTimings {
            cpu_user: us(41_000),
            cpu_system: us(22_000),
            peak_rss_bytes: 12_345_678,
        },
        deaths: Vec::new(),
        died: 0,
    }
}

fn text(workers: usize, width: usize) -> String {
    let style = Style {
        width,
        colour: false,
    };
    let text = to_text(&report(workers), style, true);
    for line in text.lines() {
        assert!(line.chars().count() <= width, "{line}");
        assert!(!line.contains('\u{1b}'), "colour where there is to be none");
    }
    text
}

#[test]
fn a_wide_terminal_has_a_row_for_each_process() {
    insta::assert_snapshot!(text(2, 160));
}

#[test]
fn eighty_columns() {
    insta::assert_snapshot!(text(2, 80));
}

#[test]
fn sixty_columns() {
    insta::assert_snapshot!(text(2, 60));
}

#[test]
fn many_workers_on_a_narrow_terminal() {
    insta::assert_snapshot!(text(12, 60));
}

#[test]
fn colours_change_no_character() {
    let style = Style {
        width: 80,
        colour: true,
    };
    let coloured = to_text(&report(2), style, true);
    let mut plain = String::new();
    let mut parts = coloured.split('\u{1b}');
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        plain.push_str(part.split_once('m').expect("an escape code ends with m").1);
    }
    assert_eq!(plain, text(2, 80));
}

#[test]
fn a_worker_that_died_is_shown_with_its_replacement() {
    let mut report = report(2);
    report.processes[1].exit = Some(ExitCause::Signal {
        signal: 9,
        core: false,
    });
    report.processes.push(ProcessTimings {
        generation: 1,
        ..process(1)
    });
    let text = to_text(&report, Style::default(), false);
    assert!(text.contains("worker 1.1"), "{text}");
    assert!(text.contains("signal 9"), "{text}");
}

#[test]
fn json_has_the_keys_of_the_schema() {
    insta::assert_snapshot!(to_json(&report(1)).expect("json"));
}
