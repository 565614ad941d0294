//! Whole pools: a worker, or the supervisor, dies at a step while a workload runs. How many steps
//! there are depends on who sleeps when, so a range of them is tried, the same in each run.

use std::time::Duration;

use forkyard_os::process::Signal;
use tests::{Way, victim};

use crate::found::once;

/// What is tried of a pool on one way.
#[derive(Debug, Clone)]
pub(crate) struct Tried {
    pub(crate) what: &'static str,
    pub(crate) steps: String,
}

/// The workloads of `tests/src/bin/victim/crash.rs`, and how many steps they take a worker on the
/// shared path. All are tried, from the hand-over of the result of the task that arms it.
const WORKLOADS: &[(&str, &str, u64)] = &[
    ("tiny", "tiny tasks", 64),
    ("large", "large arguments and results", 112),
    ("shared", "shared values", 80),
    ("search", "searches, by claim and by lock", 80),
];

/// On the copy path they take fewer.
const WORKER_LAST_ON_COPY: u64 = 48;

/// For all steps of one workload, each of which takes a pool.
const DEADLINE: Duration = Duration::from_secs(240);

/// The last step of a supervisor that is tried with a workload, and the stride to there: it takes
/// that many where payloads lie in shared memory, fewer where not, and each try is a program.
const SUPERVISOR_ON_SHARED: (u64, usize) = (130, 6);
const SUPERVISOR_ON_COPY: (u64, usize) = (36, 4);

/// The steps of a worker that are tried from its first one on.
const STARTING_LAST: u64 = 12;

/// The steps of building and ending a pool that are tried: all but a few that wait for workers.
const BUILDING_LAST: u64 = 30;

/// A worker of a pool on this way dies at each step, in each workload: everything else goes on.
pub(crate) fn workers(way: Way) -> Vec<Tried> {
    once(&format!("workers {way}"), || {
        let mut tried = Vec::new();
        for &(name, what, last) in WORKLOADS {
            let last = if way.is_shared() {
                last
            } else {
                WORKER_LAST_ON_COPY
            };
            let victim = victim!(way, "crash/worker").arg(name).arg(last);
            victim.deadline(DEADLINE).passes();
            let steps = format!("1 to {last}");
            tried.push(Tried { what, steps });
        }
        // A zygote would pass its arms on to all that it forks.
        if way.method == "spawn" {
            tried.push(starting(way));
        }
        tried
    })
}

/// One of the first workers dies while it starts, then one that comes in the stead of another.
fn starting(way: Way) -> Tried {
    for which in [0, 2] {
        for at in 1..=STARTING_LAST {
            let plan = format!("{which} {at}");
            let victim = victim!(way, "crash/starting").env("FY_CRASH_START", plan);
            victim.passes();
        }
    }
    Tried {
        what: "starting",
        steps: format!("1 to {STARTING_LAST}"),
    }
}

/// The supervisor of a pool on this way dies: no process and no segment is left.
pub(crate) fn supervisors(way: Way) -> Vec<Tried> {
    once(&format!("supervisors {way}"), || {
        let mut tried = vec![building(way)];
        let (last, stride) = if way.is_shared() {
            SUPERVISOR_ON_SHARED
        } else {
            SUPERVISOR_ON_COPY
        };
        // Each way and workload begins elsewhere, so that together they meet more steps.
        for (first, &(name, what, _)) in (offset_of(way)..).zip(WORKLOADS) {
            for at in (first..=last).step_by(stride) {
                dies_or_passes(victim!(way, "crash/supervisor").arg(name).arg(at));
            }
            let steps = format!("{first} to {last}, every {stride}th");
            tried.push(Tried { what, steps });
        }
        tried
    })
}

fn offset_of(way: Way) -> u64 {
    match way.method {
        "fork" => 3,
        "forkserver" => 5,
        _ => 1,
    }
}

/// It dies of its step, or has none and ends well. Either way nothing is left.
fn dies_or_passes(victim: tests::Victim) {
    let ended = victim.run();
    if ended.status.success() {
        ended.passed();
    } else {
        ended.was_killed_by(Signal::Kill);
    }
}

/// It dies while it builds or ends its pool. A segment that nobody else knew of yet goes when the
/// next pool is built.
fn building(way: Way) -> Tried {
    for at in 1..=BUILDING_LAST {
        let ended = victim!(way, "crash/building").arg(at).run();
        if ended.status.success() {
            ended.passed();
        } else {
            ended.was_swept_after(Signal::Kill, victim!(way, "start/plain"));
        }
    }
    Tried {
        what: "building and closing",
        steps: format!("1 to {BUILDING_LAST}"),
    }
}
