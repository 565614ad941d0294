//! Each rule with a run that it is for.

use super::*;

/// Two busy workers on two cpus with tasks of 1 ms: nothing to complain about.
fn good() -> Facts {
    Facts {
        workload: "spin".to_owned(),
        status: Status::Success,
        first_death: None,
        deaths: 0,
        idle_deaths: 0,
        workers: 2,
        cpus: 2,
        idle_workers: 0,
        tasks: 10_000,
        start_method: StartMethod::Spawn,
        transport: Transport::Shared,
        chunk_size: ChunkSize::Auto,
        is_won_search: false,
        start_and_end: 0.01,
        wait: 0.03,
        compute: 0.94,
        transfer: 0.02,
        check: 0.0,
        lock: 0.0,
        residual: 0.0,
        cpu_while_busy: 0.99,
        supervisor_cpu: 0.1,
        supervisor_per_task: Duration::from_micros(1),
        imbalance: 1.0,
        compute_per_task: Duration::from_millis(1),
        bytes_per_task: 16,
        busy_per_worker: Duration::from_secs(5),
    }
}

/// Workers that wait for tasks of three microseconds.
fn short() -> Facts {
    Facts {
        wait: 0.61,
        compute_per_task: Duration::from_micros(3),
        ..good()
    }
}

/// Workers that wait for payloads of a mebibyte on the copy path.
fn heavy() -> Facts {
    Facts {
        wait: 0.5,
        transport: Transport::Copy,
        bytes_per_task: 1 << 20,
        ..good()
    }
}

/// The rule that speaks, and a part of what it says.
#[track_caller]
fn expect(name: &str, facts: &Facts, part: &str) {
    let rule = RULES.iter().find(|rule| (rule.applies)(facts));
    assert_eq!(rule.map(|rule| rule.name), Some(name));
    let said = sentence(facts);
    assert!(said.contains(part), "{name}: {said}");
    assert!(said.ends_with('.'), "{name}: {said}");
}

#[test]
fn what_went_wrong_comes_first() {
    let died = Facts {
        deaths: 1,
        first_death: Some("pid 7, signal 9".to_owned()),
        ..short()
    };
    expect("workers died", &died, "a worker died (pid 7, signal 9)");
    let interrupted = Facts {
        status: Status::Interrupted,
        ..short()
    };
    expect("interrupted", &interrupted, "until then");
    let full = Facts {
        status: Status::Environment,
        ..short()
    };
    expect("no room", &full, "raise --arena-limit");
}

#[test]
fn a_death_is_told_with_what_it_cost() {
    for (deaths, idle_deaths, part) in [
        (1, 0, "), and with it the task it was running."),
        (1, 1, ") while it had no task."),
        (3, 0, "), and with them the tasks they were running."),
        (3, 1, "), and with 2 of them the tasks they were running."),
        (3, 2, "), and with one of them the task it was running."),
        (3, 3, ") while they had no task."),
    ] {
        let died = Facts {
            deaths,
            idle_deaths,
            first_death: Some("pid 7, signal 9".to_owned()),
            ..good()
        };
        expect("workers died", &died, part);
    }
}

#[test]
fn too_little_to_do() {
    expect("nothing to do", &Facts { tasks: 0, ..good() }, "no task");
    let brief = Facts {
        start_and_end: 0.6,
        ..good()
    };
    expect("start and end", &brief, "or try --start fork");
    let won = Facts {
        is_won_search: true,
        idle_workers: 1,
        tasks: 1,
        ..good()
    };
    expect("won search", &won, "sparser --pattern");
    let idle = Facts {
        idle_workers: 1,
        tasks: 1,
        ..good()
    };
    let part = "only 1 task; cut the work finer or take --workers 1";
    expect("more workers than tasks", &idle, part);
    let crowded = Facts {
        workers: 8,
        cpu_while_busy: 0.25,
        ..good()
    };
    expect("more workers than cpus", &crowded, "--workers 2 is enough");
}

#[test]
fn tasks_shorter_than_their_dispatch() {
    let part = "waited 61 % of the time: tasks of 3.00 µs are shorter than their dispatch; \
                try --chunk-size 128.";
    expect("tasks too short", &short(), part);
    let copied = Facts {
        transport: Transport::Copy,
        ..short()
    };
    let part = "try --transport shared or --chunk-size 128.";
    expect("tasks too short", &copied, part);
    let chunked = Facts {
        chunk_size: "1024".parse().expect("a size"),
        ..short()
    };
    let part = "give each task more to do";
    expect("tasks too short, whatever the chunk", &chunked, part);
}

#[test]
fn payloads_and_the_supervisor() {
    expect("payloads are copied", &heavy(), "1.0 MiB a task");
    let brief = Facts {
        compute_per_task: Duration::from_micros(3),
        tasks: 8,
        ..heavy()
    };
    expect("payloads are copied", &brief, "--transport shared");
    let fed = Facts {
        wait: 0.4,
        supervisor_cpu: 0.95,
        supervisor_per_task: Duration::from_micros(19),
        compute_per_task: Duration::from_micros(20),
        ..good()
    };
    let part = "spent 19.0 µs on preparing each task, the worker 20.0 µs";
    expect("supervisor too slow", &fed, part);
    let files = Facts {
        workload: "hash-files".to_owned(),
        ..fed
    };
    expect("supervisor too slow", &files, "--payload path");
    let moved = Facts {
        transfer: 0.28,
        ..good()
    };
    let part = "for tasks of 1.00 ms; give each task more";
    expect("transfer", &moved, part);
    let large = Facts {
        bytes_per_task: 1 << 20,
        ..moved
    };
    expect("transfer", &large, "1.0 MiB a task; send less");
}

#[test]
fn waiting_for_other_reasons() {
    let uneven = Facts {
        wait: 0.4,
        imbalance: 1.7,
        ..good()
    };
    expect("uneven work", &uneven, "1.7 × the work of the average");
    let many = Facts {
        workers: 4,
        cpus: 4,
        wait: 0.6,
        ..good()
    };
    expect("waiting", &many, "--workers 2 would do the same");
}

#[test]
fn coordination_and_measurement() {
    let looking = Facts {
        check: 0.07,
        ..good()
    };
    expect("checks", &looking, "7 % of the time");
    let locking = Facts {
        lock: 0.2,
        ..good()
    };
    expect("lock", &locking, "--protocol claim");
    let unknown = Facts {
        residual: 0.05,
        ..good()
    };
    expect("residual", &unknown, "5 % of the time belongs to no stage");
}

#[test]
fn a_good_run_is_limited_by_its_work() {
    assert!(RULES.iter().all(|rule| !(rule.applies)(&good())));
    assert!(sentence(&good()).contains("94 % of the time; only faster code"));
    let more = Facts { cpus: 8, ..good() };
    assert!(sentence(&more).contains("try --workers 8"));
}

#[test]
fn a_chunk_leaves_each_worker_several() {
    let tiny = Facts {
        chunk_size: "1".parse().expect("a size"),
        compute_per_task: Duration::from_nanos(100),
        ..good()
    };
    assert_eq!(better_chunk(&tiny), Some(1_024));
    let fewer = Facts {
        tasks: 800,
        ..tiny.clone()
    };
    assert_eq!(better_chunk(&fewer), Some(100));
    let few = Facts {
        tasks: 8,
        ..tiny.clone()
    };
    assert_eq!(better_chunk(&few), None);
    let auto = Facts {
        chunk_size: ChunkSize::Auto,
        ..tiny
    };
    assert_eq!(better_chunk(&auto), Some(1_024));
    let already = Facts {
        compute_per_task: Duration::from_nanos(3),
        ..auto
    };
    assert_eq!(better_chunk(&already), None, "auto sends more than that");
}
