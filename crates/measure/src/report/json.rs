//! The report for programs, schema `forkyard.run/1`.

use std::time::Duration;

use forkyard::{CheckEvery, ChunkSize, ExitCause, ProcessTimings, WorkerDeath};
use forkyard_workloads::Findings;
use serde::Serialize;

use super::{Comparison, RunReport};

/// What the schema is called. A change that takes something away or changes its meaning makes
/// it `/2`.
const SCHEMA: &str = "forkyard.run/1";

#[derive(Serialize)]
struct Report<'a> {
    schema: &'static str,
    workload: &'a str,
    transport: String,
    start_method: String,
    workers: usize,
    chunk_size: Interval,
    check_every: Interval,
    tasks: u64,
    wall_ns: u64,
    startup_ns: u64,
    work_ns: u64,
    result: &'a Findings,
    against: Option<Against>,
    processes: Vec<Process>,
    supervisor: Supervisor,
    died: u64,
    deaths: Vec<Death<'a>>,
}

/// A number, or `"auto"`.
#[derive(Serialize)]
#[serde(untagged)]
enum Interval {
    Every(u64),
    Auto(&'static str),
}

#[derive(Serialize)]
struct Against {
    kind: String,
    wall_ns: u64,
    speedup: f64,
    verdict: String,
}

#[derive(Serialize)]
struct Process {
    worker: usize,
    generation: u32,
    pid: i32,
    tasks: u64,
    bytes_in: u64,
    bytes_out: u64,
    checks: u64,
    wall_ns: u64,
    stages_ns: Stages,
    cpu_user_ns: u64,
    cpu_system_ns: u64,
    peak_rss_bytes: u64,
    exit: Option<Exit>,
}

#[derive(Serialize)]
struct Stages {
    startup: u64,
    wait: u64,
    decode: u64,
    compute: u64,
    check: u64,
    encode: u64,
    send: u64,
    lock: u64,
    exit: u64,
    residual: i64,
}

#[derive(Serialize)]
struct Supervisor {
    cpu_user_ns: u64,
    cpu_system_ns: u64,
    peak_rss_bytes: u64,
}

/// A worker that ended without being asked to.
#[derive(Serialize)]
struct Death<'a> {
    worker: usize,
    generation: u32,
    pid: i32,
    exit: Exit,
    task: Option<Task<'a>>,
    out_of_memory: Option<bool>,
    stderr_tail: &'a str,
}

/// What it ran.
#[derive(Serialize)]
struct Task<'a> {
    function: &'a str,
    first: u64,
    items: u32,
}

/// How a process ended.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Exit {
    Code(i32),
    Signal(i32),
    Unknown,
}

/// The report as JSON, indented, with a newline at its end.
///
/// # Errors
/// Only if a number has no place in JSON, which none here is.
pub fn to_json(report: &RunReport) -> Result<String, serde_json::Error> {
    let chunk_size = match report.chunk_size {
        ChunkSize::Auto => Interval::Auto("auto"),
        ChunkSize::Items(n) => Interval::Every(n.get() as u64),
    };
    let check_every = match report.check_every {
        CheckEvery::Auto => Interval::Auto("auto"),
        CheckEvery::Iterations(n) => Interval::Every(u64::from(n.get())),
    };
    let mut json = serde_json::to_string_pretty(&Report {
        schema: SCHEMA,
        workload: &report.workload,
        transport: report.transport.to_string(),
        start_method: report.start_method.to_string(),
        workers: report.workers,
        chunk_size,
        check_every,
        tasks: report.outcome.tasks,
        wall_ns: ns(report.wall),
        startup_ns: ns(report.startup),
        work_ns: ns(report.work),
        result: &report.outcome.result,
        against: report.against.as_ref().map(against),
        processes: report.processes.iter().map(process).collect(),
        supervisor: Supervisor {
            cpu_user_ns: ns(report.supervisor.cpu_user),
            cpu_system_ns: ns(report.supervisor.cpu_system),
            peak_rss_bytes: report.supervisor.peak_rss_bytes,
        },
        died: report.died,
        deaths: report.deaths.iter().map(death).collect(),
    })?;
    json.push('\n');
    Ok(json)
}

fn against(comparison: &Comparison) -> Against {
    Against {
        kind: comparison.against.to_string(),
        wall_ns: ns(comparison.other_wall),
        speedup: comparison.speedup(),
        verdict: comparison.verdict().to_string(),
    }
}

fn process(timings: &ProcessTimings) -> Process {
    let stages = &timings.stages;
    Process {
        worker: timings.worker,
        generation: timings.generation,
        pid: timings.pid,
        tasks: timings.tasks,
        bytes_in: timings.bytes_in,
        bytes_out: timings.bytes_out,
        checks: timings.checks,
        wall_ns: ns(timings.wall),
        stages_ns: Stages {
            startup: ns(stages.startup),
            wait: ns(stages.wait),
            decode: ns(stages.decode),
            compute: ns(stages.compute),
            check: ns(stages.check),
            encode: ns(stages.encode),
            send: ns(stages.send),
            lock: ns(stages.lock),
            exit: ns(stages.exit),
            residual: timings.residual_ns(),
        },
        cpu_user_ns: ns(timings.cpu_user),
        cpu_system_ns: ns(timings.cpu_system),
        peak_rss_bytes: timings.peak_rss_bytes,
        exit: timings.exit.as_ref().map(exit),
    }
}

fn death(death: &WorkerDeath) -> Death<'_> {
    Death {
        worker: death.worker,
        generation: death.generation,
        pid: death.pid,
        exit: exit(&death.cause),
        task: death.task.as_ref().map(|task| Task {
            function: task.function,
            first: task.first,
            items: task.items,
        }),
        out_of_memory: death.out_of_memory,
        stderr_tail: &death.stderr_tail,
    }
}

fn exit(cause: &ExitCause) -> Exit {
    match *cause {
        ExitCause::Code(code) => Exit::Code(code),
        ExitCause::Signal { signal, .. } => Exit::Signal(signal),
        ExitCause::Unknown => Exit::Unknown,
    }
}

fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
