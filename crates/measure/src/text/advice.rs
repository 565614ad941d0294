//! One sentence about what limited a run, chosen by a table of rules.

use std::time::Duration;

use forkyard::{ChunkSize, StartMethod, Transport};
use forkyard_workloads::Status;

use super::facts::Facts;
use crate::units::{bytes, count, counted, duration, percent};

/// A chunk of tasks should compute this long, so that its dispatch does not show.
const CHUNK_TIME: Duration = Duration::from_micros(200);

/// What an automatic chunk aims at.
const AUTO_CHUNK_TIME: Duration = Duration::from_micros(50);

/// Tasks shorter than this are dominated by their dispatch.
const SHORT_TASK: Duration = Duration::from_micros(50);

/// A supervisor that spends more on a task does not only dispatch it: it prepares its data.
const PREPARATION: Duration = Duration::from_micros(10);

/// Arguments and results longer than this are payloads.
const LARGE_BYTES: u64 = 64 * 1024;

/// What to look for, and what to say about it.
struct Rule {
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "names the rule for reader and test")
    )]
    name: &'static str,
    applies: fn(&Facts) -> bool,
    says: fn(&Facts) -> String,
}

/// The rules in order; the first that applies speaks. Rare and grave causes come first.
const RULES: [Rule; 18] = [
    Rule {
        name: "workers died",
        applies: |f| f.deaths > 0,
        says: deaths,
    },
    Rule {
        name: "interrupted",
        applies: |f| f.status == Status::Interrupted,
        says: |_| {
            "the run was interrupted; all of this is about what was done until then.".to_owned()
        },
    },
    Rule {
        name: "no room",
        applies: |f| f.status == Status::Environment,
        says: |_| {
            "shared memory, of which there was not enough; send less, or raise --arena-limit or \
             the system's own limit."
                .to_owned()
        },
    },
    Rule {
        name: "nothing to do",
        applies: |f| f.tasks == 0,
        says: |_| "there was no task; all of this is starting and ending workers.".to_owned(),
    },
    Rule {
        name: "start and end",
        applies: |f| f.start_and_end >= 0.5,
        says: start_and_end,
    },
    Rule {
        name: "won search",
        applies: |f| {
            let short = f.tasks <= f.workers as u64;
            f.is_won_search && (short || f.compute + f.check + f.lock >= 0.2)
        },
        says: |_| {
            "the search was over with the first hit; a sparser --pattern or a higher range makes \
             a longer one."
                .to_owned()
        },
    },
    Rule {
        name: "more workers than tasks",
        applies: |f| f.idle_workers > 0 && f.tasks < f.workers as u64,
        says: |f| {
            format!(
                "{} of {} had nothing to do, because there {} only {}; cut the work finer or \
                 take --workers {}.",
                f.idle_workers,
                counted(f.workers as u64, "worker", "workers"),
                if f.tasks == 1 { "was" } else { "were" },
                counted(f.tasks, "task", "tasks"),
                f.tasks
            )
        },
    },
    Rule {
        name: "more workers than cpus",
        applies: |f| f.workers > f.cpus && f.cpu_while_busy < 0.8,
        says: |f| {
            format!(
                "{} shared {} and had one {} of the time they were busy; --workers {} is enough.",
                counted(f.workers as u64, "worker", "workers"),
                counted(f.cpus as u64, "cpu", "cpus"),
                percent(f.cpu_while_busy),
                f.cpus
            )
        },
    },
    Rule {
        name: "supervisor too slow",
        applies: |f| {
            f.wait >= 0.3 && f.supervisor_cpu >= 0.4 && f.supervisor_per_task >= PREPARATION
        },
        says: supervisor_too_slow,
    },
    Rule {
        name: "tasks too short",
        applies: |f| f.wait >= 0.3 && f.compute_per_task < SHORT_TASK && better_chunk(f).is_some(),
        says: short_tasks,
    },
    Rule {
        name: "tasks too short, whatever the chunk",
        applies: |f| {
            f.wait + f.transfer >= 0.3
                && f.compute_per_task < SHORT_TASK
                && f.bytes_per_task < LARGE_BYTES
        },
        says: |f| {
            format!(
                "workers spent {} of their time waiting for tasks and handing over results: \
                 tasks of {} are shorter than their dispatch; {}.",
                percent(f.wait + f.transfer),
                duration(f.compute_per_task),
                match f.transport {
                    Transport::Copy => "try --transport shared, or give each task more to do",
                    Transport::Shared => "give each task more to do",
                }
            )
        },
    },
    Rule {
        name: "payloads are copied",
        applies: |f| {
            f.wait + f.transfer >= 0.25
                && f.transport == Transport::Copy
                && f.bytes_per_task >= LARGE_BYTES
        },
        says: |f| {
            format!(
                "workers spent {} of their time waiting for payloads and copying them ({} a \
                 task); --transport shared hands them over in shared memory.",
                percent(f.wait + f.transfer),
                bytes(f.bytes_per_task)
            )
        },
    },
    Rule {
        name: "uneven work",
        applies: |f| f.wait >= 0.3 && f.workers > 1 && f.imbalance >= 1.5,
        says: |f| {
            format!(
                "workers waited {} of the time: the busiest one had {:.1} × the work of the \
                 average; cut the work into more, smaller tasks.",
                percent(f.wait),
                f.imbalance
            )
        },
    },
    Rule {
        name: "waiting",
        applies: |f| f.wait >= 0.3,
        says: waiting,
    },
    Rule {
        name: "transfer",
        applies: |f| f.transfer >= 0.25,
        says: transfer,
    },
    Rule {
        name: "checks",
        applies: |f| f.check >= 0.05,
        says: |f| {
            format!(
                "looking at the stop flag took {} of the time; look more rarely with a larger \
                 --check-every, or leave it to --check-every auto.",
                percent(f.check)
            )
        },
    },
    Rule {
        name: "lock",
        applies: |f| f.lock >= 0.05,
        says: |f| {
            format!(
                "workers spent {} of the time on the lock; --protocol claim needs none.",
                percent(f.lock)
            )
        },
    },
    Rule {
        name: "residual",
        applies: |f| f.residual > 0.02,
        says: |f| {
            format!(
                "{} of the time belongs to no stage; something else probably used the machine, \
                 so measure again when it is quiet.",
                percent(f.residual)
            )
        },
    },
];

/// What limited the run, and what to do about it.
pub(crate) fn sentence(facts: &Facts) -> String {
    let rule = RULES.iter().find(|rule| (rule.applies)(facts));
    rule.map_or_else(|| work_itself(facts), |rule| (rule.says)(facts))
}

/// No rule applies: the time went where it should.
fn work_itself(f: &Facts) -> String {
    let share = percent(f.compute);
    if f.workers < f.cpus {
        format!(
            "the work itself, {share} of the time; there are {} for it: try --workers {}.",
            counted(f.cpus as u64, "cpu", "cpus"),
            f.cpus
        )
    } else {
        format!(
            "the work itself, {share} of the time; only faster code or more cpus than {} would help.",
            count(f.cpus as u64)
        )
    }
}

fn deaths(f: &Facts) -> String {
    let first = f.first_death.as_deref().unwrap_or("unknown");
    match (f.deaths, f.deaths.saturating_sub(f.idle_deaths)) {
        (1, 0) => format!("a worker died ({first}) while it had no task."),
        (1, _) => format!("a worker died ({first}), and with it the task it was running."),
        (n, 0) => format!("{n} workers died (the first: {first}) while they had no task."),
        (n, 1) => format!(
            "{n} workers died (the first: {first}), and with one of them the task it was running."
        ),
        (n, with) => format!(
            "{n} workers died (the first: {first}), and with {} the tasks they were running.",
            if with == n {
                "them".to_owned()
            } else {
                format!("{with} of them")
            }
        ),
    }
}

fn start_and_end(f: &Facts) -> String {
    let share = percent(f.start_and_end);
    let work = duration(f.busy_per_worker);
    let advice = match f.start_method {
        StartMethod::Fork => "give the pool more to do, or keep it for several jobs",
        _ => "give the pool more to do, keep it for several jobs, or try --start fork",
    };
    format!(
        "starting and ending the workers took {share} of their time, for {work} of work each; \
         {advice}."
    )
}

fn short_tasks(f: &Facts) -> String {
    let waited = percent(f.wait);
    let task = duration(f.compute_per_task);
    let chunk = better_chunk(f).unwrap_or(1);
    let transport = match f.transport {
        Transport::Copy => "--transport shared or ",
        Transport::Shared => "",
    };
    format!(
        "workers waited {waited} of the time: tasks of {task} are shorter than their dispatch; \
         try {transport}--chunk-size {chunk}."
    )
}

fn transfer(f: &Facts) -> String {
    let (why, advice) = if f.bytes_per_task < LARGE_BYTES {
        let task = duration(f.compute_per_task);
        (format!("for tasks of {task}"), "give each task more to do")
    } else {
        let advice = "send less, or send blocks of shared memory";
        (format!("{} a task", bytes(f.bytes_per_task)), advice)
    };
    format!(
        "taking arguments in and handing results over took {} of the time, {why}; {advice}.",
        percent(f.transfer)
    )
}

fn supervisor_too_slow(f: &Facts) -> String {
    let advice = match (f.workload.as_str(), f.transport) {
        ("hash-files", _) => "let the workers read their files with --payload path",
        (_, Transport::Copy) => "try --transport shared",
        _ => "let the workers make or read their data themselves",
    };
    format!(
        "workers waited {} of the time: the supervisor spent {} on preparing each task, the \
         worker {} on running it; {advice}.",
        percent(f.wait),
        duration(f.supervisor_per_task),
        duration(f.compute_per_task)
    )
}

fn waiting(f: &Facts) -> String {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a small number of workers"
    )]
    let enough = ((f.workers as f64 * (1.0 - f.wait)).ceil() as usize).max(1);
    let advice = if enough < f.workers {
        format!("--workers {enough} would do the same")
    } else {
        "send tasks sooner, or larger ones".to_owned()
    };
    format!(
        "workers waited {} of the time for tasks; {advice}.",
        percent(f.wait)
    )
}

/// The power of two of tasks that computes for [`CHUNK_TIME`], if that is more than is sent now
/// and leaves every worker several chunks.
fn better_chunk(f: &Facts) -> Option<u64> {
    let task = f.compute_per_task.as_nanos().max(1);
    let wanted = CHUNK_TIME.as_nanos().div_ceil(task).max(1);
    let wanted = u64::try_from(wanted).ok()?.next_power_of_two();
    let most = f.tasks / (f.workers as u64 * 4);
    let present = match f.chunk_size {
        ChunkSize::Auto => u64::try_from(AUTO_CHUNK_TIME.as_nanos().div_ceil(task)).ok()?,
        ChunkSize::Items(n) => n.get() as u64,
    };
    let best = wanted.min(1024).min(most);
    (best > present).then_some(best)
}

#[cfg(test)]
mod tests;
