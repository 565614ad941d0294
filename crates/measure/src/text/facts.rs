//! What the rules of the advice look at.

use std::time::Duration;

use forkyard::{ChunkSize, ProcessTimings, StartMethod, Transport};
use forkyard_workloads::Status;

use crate::RunReport;

/// A run in the few numbers that tell what limited it. Shares are of the time of all worker
/// processes together.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Facts {
    pub(crate) workload: String,
    pub(crate) status: Status,
    pub(crate) first_death: Option<String>,
    pub(crate) deaths: u64,
    /// Those of workers that had no task.
    pub(crate) idle_deaths: u64,
    pub(crate) workers: usize,
    pub(crate) cpus: usize,
    pub(crate) idle_workers: usize,
    pub(crate) tasks: u64,
    pub(crate) start_method: StartMethod,
    pub(crate) transport: Transport,
    pub(crate) chunk_size: ChunkSize,
    /// A search that was won: idle and stopped workers are what was wanted.
    pub(crate) is_won_search: bool,
    /// Start-up and exit.
    pub(crate) start_and_end: f64,
    pub(crate) wait: f64,
    pub(crate) compute: f64,
    /// Decode, encode and send.
    pub(crate) transfer: f64,
    pub(crate) check: f64,
    pub(crate) lock: f64,
    pub(crate) residual: f64,
    /// Processor time for each second that the workers were busy.
    pub(crate) cpu_while_busy: f64,
    /// Processor time of the supervisor for each second of the work.
    pub(crate) supervisor_cpu: f64,
    pub(crate) supervisor_per_task: Duration,
    /// How many times as long as the average worker the busiest one was busy.
    pub(crate) imbalance: f64,
    pub(crate) compute_per_task: Duration,
    pub(crate) bytes_per_task: u64,
    pub(crate) busy_per_worker: Duration,
}

impl Facts {
    /// Those of a run.
    pub(crate) fn of(report: &RunReport) -> Self {
        let processes = &report.processes;
        let sum = |part: fn(&ProcessTimings) -> Duration| -> f64 {
            processes.iter().map(|p| part(p).as_secs_f64()).sum()
        };
        let wall = sum(|p| p.wall).max(f64::MIN_POSITIVE);
        let share = |part| sum(part) / wall;
        let busy = sum(busy);
        let busiest = processes.iter().map(busy_of).fold(0.0, f64::max);
        let workers = report.workers.max(1);
        #[expect(clippy::cast_precision_loss, reason = "worker counts are small")]
        let busy_per_worker = busy / workers as f64;
        // What workers say of themselves can be anything.
        let tasks = processes
            .iter()
            .fold(0, |sum: u64, p| sum.saturating_add(p.tasks));
        let bytes = processes.iter().fold(0, |sum: u64, p| {
            sum.saturating_add(p.bytes_in).saturating_add(p.bytes_out)
        });
        let residual: u64 = processes
            .iter()
            .map(|p| p.residual_ns().unsigned_abs())
            .fold(0, u64::saturating_add);
        let supervisor = report.supervisor.cpu_user + report.supervisor.cpu_system;
        let per_task = |total: f64| {
            #[expect(clippy::cast_precision_loss, reason = "an average")]
            Duration::from_secs_f64(total / tasks.max(1) as f64)
        };
        let is_search = report.workload == "primes";
        Self {
            workload: report.workload.clone(),
            status: report.outcome.status,
            first_death: report
                .deaths
                .first()
                .map(|d| format!("pid {}, {}", d.pid, d.cause)),
            deaths: report.died,
            idle_deaths: report.deaths.iter().filter(|d| d.task.is_none()).count() as u64,
            workers,
            cpus: report.cpus,
            idle_workers: processes.iter().filter(|p| p.tasks == 0).count(),
            tasks,
            start_method: report.start_method,
            transport: report.transport,
            chunk_size: report.chunk_size,
            is_won_search: is_search && report.outcome.status == Status::Success,
            start_and_end: share(|p| p.stages.startup + p.stages.exit),
            wait: share(|p| p.stages.wait),
            compute: share(|p| p.stages.compute),
            transfer: share(|p| p.stages.decode + p.stages.encode + p.stages.send),
            check: share(|p| p.stages.check),
            lock: share(|p| p.stages.lock),
            residual: Duration::from_nanos(residual).as_secs_f64() / wall,
            cpu_while_busy: sum(|p| p.cpu_user + p.cpu_system) / busy.max(1e-9),
            supervisor_cpu: supervisor.as_secs_f64() / report.work.as_secs_f64().max(1e-9),
            supervisor_per_task: per_task(supervisor.as_secs_f64()),
            imbalance: busiest / busy_per_worker.max(1e-9),
            compute_per_task: per_task(sum(|p| p.stages.compute)),
            bytes_per_task: bytes / tasks.max(1),
            busy_per_worker: Duration::from_secs_f64(busy_per_worker),
        }
    }
}

/// The time in which a worker was doing something for a task.
fn busy(process: &ProcessTimings) -> Duration {
    let stages = &process.stages;
    let idle = stages.startup + stages.wait + stages.exit;
    process.wall.saturating_sub(idle)
}

fn busy_of(process: &ProcessTimings) -> f64 {
    busy(process).as_secs_f64()
}
