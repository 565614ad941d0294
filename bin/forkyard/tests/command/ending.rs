//! Interrupts, readers that go away, and where output ends up.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::common::{
    Running, children, drawn, finish, in_terminal, run, signal, start, start_as_job, start_telling,
    wait_for,
};

/// A search that ends in some hours: numbers with an even number of digits that read the same
/// from both ends are divisible by 11.
const ENDLESS: [&str; 5] = ["run", "primes", "1e15..1e16", "--pattern", "palindrome"];

/// Starts it and waits until it has child processes.
fn start_endless(more: &[&str]) -> Running {
    let args: Vec<&str> = ENDLESS.iter().chain(more).copied().collect();
    let child = start(&args);
    wait_for("the start of workers", || has_children(child.id()));
    child
}

fn has_children(pid: u32) -> bool {
    // Where there is no /proc there is pgrep.
    if let Some(children) = children(pid) {
        return !children.is_empty();
    }
    let mut pgrep = Command::new("pgrep");
    pgrep.args(["-P", &pid.to_string()]).stdout(Stdio::null());
    pgrep.status().is_ok_and(|status| status.success())
}

#[test]
fn one_interrupt_ends_the_run_with_its_report() {
    for (name, start) in [("INT", "spawn"), ("TERM", "spawn"), ("INT", "fork")] {
        let child = start_endless(&["--workers", "2", "--start", start]);
        signal(child.id(), name);
        let run = finish(child).expect_code(130);
        let text = run.text();
        assert!(text.contains("before the search was ended"), "{text}");
        assert!(text.contains("worker 1"), "{text}");
        assert!(text.contains("Limit: the run was interrupted"), "{text}");
        assert!(
            run.stderr.contains("interrupted: stopping"),
            "{}",
            run.stderr
        );
    }
}

/// Whether a process is stopped.
fn is_stopped(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, state)| state.starts_with('T'))
}

#[test]
fn ctrl_z_stops_all_of_it_and_it_goes_on() {
    let args = [
        "run",
        "spin",
        "--task-us",
        "1000",
        "--tasks",
        "3000",
        "--workers",
        "2",
    ];
    for method in ["spawn", "fork", "forkserver"] {
        let all: Vec<&str> = args.into_iter().chain(["--start", method]).collect();
        let child = start_as_job(&all);
        let pid = child.id();
        wait_for("the start of workers", || has_children(pid));
        let Some(workers) = children(pid) else {
            return;
        };
        for _ in 0..3 {
            signal(pid, "TSTP");
            wait_for("the stop", || is_stopped(pid));
            if method == "spawn" {
                wait_for("the workers' stop", || {
                    workers.iter().all(|worker| is_stopped(*worker))
                });
            }
            signal(pid, "CONT");
            wait_for("going on", || {
                !is_stopped(pid) && !workers.iter().any(|worker| is_stopped(*worker))
            });
        }
        let run = finish(child).expect_code(0);
        assert!(run.text().starts_with("3,000 tasks"), "{}", run.text());
    }
}

/// Waits until both workers of a run are at a task, and returns their processes.
fn busy_workers(pid: u32) -> Vec<u32> {
    let mut pids = Vec::new();
    wait_for("two busy workers", || {
        let seen = run(&["inspect", &pid.to_string(), "--json"]);
        if seen.code != Some(0) {
            return false;
        }
        let pool = &seen.json()["pools"][0];
        let workers = pool["workers"].as_array().cloned().unwrap_or_default();
        let busy = workers.iter().filter(|worker| worker["state"] == "running");
        let busy = busy.filter_map(|worker| worker["pid"].as_u64()?.try_into().ok());
        pids = busy.collect();
        pids.len() == 2
    });
    pids
}

#[test]
fn a_second_interrupt_kills_the_workers() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("stderr");
    let stderr = fs::File::create(&path).expect("a file");
    let args: Vec<&str> = ENDLESS.iter().copied().chain(["--workers", "2"]).collect();
    let child = start_telling(&args, stderr);
    // Those that have stopped see no flag, and no SIGTERM.
    for worker in busy_workers(child.id()) {
        signal(worker, "STOP");
    }
    // Both wait for it to go on, so that the second comes before the grace is over, however slow
    // this machine is. Two of one kind would be one.
    signal(child.id(), "STOP");
    signal(child.id(), "INT");
    signal(child.id(), "TERM");
    signal(child.id(), "CONT");
    let run = finish(child).expect_code(130);
    let told = fs::read_to_string(&path).expect("it can be read");
    let asked = told.find("interrupted: stopping; once more to kill the workers");
    let killed = told.find("killed the workers\n");
    assert!(asked.is_some() && asked < killed, "{told}");
    let text = run.text();
    assert!(text.contains("SIGKILL"), "{text}");
    assert!(text.contains("Limit: the run was interrupted"), "{text}");
}

#[test]
fn a_worker_that_is_killed_is_told_with_what_it_ran() {
    let spin = ["run", "spin", "--tasks", "4", "--task-us", "1000000"];
    let args: Vec<&str> = spin
        .iter()
        .copied()
        .chain(["--workers", "2", "--json", "-"])
        .collect();
    let child = start(&args);
    let worker = busy_workers(child.id())[0];
    signal(worker, "KILL");
    let run = finish(child).expect_code(4);
    let json = run.json();
    assert_eq!(json["died"], 1);
    let death = &json["deaths"][0];
    assert_eq!(
        (&death["pid"], &death["exit"]["signal"]),
        (&worker.into(), &9.into())
    );
    assert_eq!(
        (&death["task"]["items"], &json["result"]["failed"]),
        (&1.into(), &1.into())
    );
    let told = format!("pid {worker}");
    assert!(run.stderr.contains(&told), "{}", run.stderr);
}

/// Starts it under a terminal that draws to a file, and returns its process too.
fn start_drawn(args: &[&str], file: &Path) -> Option<(Child, u32)> {
    let pid = file.with_extension("pid");
    let shell = format!(
        "stty cols 100; echo $$ > {}; TERM=xterm exec {} {} --workers 2",
        pid.display(),
        env!("CARGO_BIN_EXE_forkyard"),
        args.join(" ")
    );
    let terminal = in_terminal(&shell, file)?;
    let mut found = None;
    wait_for("its process", || {
        let text = fs::read_to_string(&pid).unwrap_or_default();
        found = text.trim().parse().ok();
        found.is_some()
    });
    Some((terminal, found.expect("as it was found")))
}

/// Waits for its end. Its keys are held open: their end would be the end of the terminal.
fn finish_drawn(mut terminal: Child) -> Option<i32> {
    let mut status = None;
    let keys = terminal.stdin.take();
    wait_for("its end", || {
        status = terminal.try_wait().expect("it is our child");
        status.is_some()
    });
    drop(keys);
    status.and_then(|status| status.code())
}

#[test]
fn who_waits_for_the_end_is_told_for_what() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let file = dir.path().join("drawn");
    let Some((terminal, pid)) = start_drawn(&ENDLESS, &file) else {
        return;
    };
    for worker in busy_workers(pid) {
        signal(worker, "STOP");
    }
    signal(pid, "INT");
    assert_eq!(finish_drawn(terminal), Some(130));
    let text = drawn(&file);
    let told = "ending: waiting for 2 workers at their tasks, one for ";
    assert!(text.contains(told), "{text:?}");
}

#[test]
fn a_message_takes_the_place_of_the_progress_bar() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let file = dir.path().join("drawn");
    let args = ["run", "spin", "--task-us", "3000", "--tasks", "1000000"];
    let Some((terminal, pid)) = start_drawn(&args, &file) else {
        return;
    };
    wait_for("a bar", || drawn(&file).contains(" left"));
    signal(pid, "INT");
    assert_eq!(finish_drawn(terminal), Some(130));
    let text = drawn(&file);
    // At the start of a line that was emptied.
    let told = "\r\u{1b}[2Kforkyard: interrupted: stopping";
    assert!(text.contains(told), "{text:?}");
    // The bar came after half a second.
    assert!(!text.contains("tasks, 0s"), "{text:?}");
}

#[test]
fn an_interrupt_during_the_baseline_keeps_the_report_of_the_pool() {
    let args = ["run", "spin", "--task-us", "1000", "--tasks", "60000"];
    let more = ["--workers", "2", "--against", "sequential", "--json", "-"];
    let all: Vec<&str> = args.iter().chain(&more).copied().collect();
    let child = start(&all);
    wait_for("the start of workers", || has_children(child.id()));
    signal(child.id(), "INT");
    let run = finish(child).expect_code(130);
    let report = run.json();
    assert!(report["against"].is_null());
    assert!(report["tasks"].as_u64() < Some(60_000));
    assert_eq!(report["processes"].as_array().map(Vec::len), Some(2));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    for args in [
        &["run", "spin", "--tasks", "50", "--workers", "2"][..],
        &[
            "run",
            "spin",
            "--tasks",
            "50",
            "--workers",
            "2",
            "--json",
            "-",
        ],
        &["completions", "bash"],
        &["man"],
    ] {
        let mut child = start(args);
        child.close_stdout();
        let run = finish(child).expect_code(0);
        assert!(!run.stderr.contains("panicked"), "{args:?}: {}", run.stderr);
        assert!(
            !run.stderr.contains("cannot write"),
            "{args:?}: {}",
            run.stderr
        );
    }
}

#[test]
fn json_goes_where_it_is_sent() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("report.json");
    let file = path.to_str().expect("text");
    let to_file = run(&["run", "spin", "--tasks", "50", "--json", file]).expect_code(0);
    assert!(to_file.text().starts_with("50 tasks"), "{}", to_file.text());
    let text = fs::read_to_string(&path).expect("a report");
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(json["workload"], "spin");

    let to_stdout = run(&["run", "spin", "--tasks", "50", "--json", "-"]).expect_code(0);
    assert_eq!(to_stdout.json()["schema"], "forkyard.run/1");
    assert!(
        to_stdout.stderr.starts_with("50 tasks"),
        "{}",
        to_stdout.stderr
    );
}

#[test]
fn quiet_leaves_the_answer() {
    let run = run(&["run", "spin", "--tasks", "50", "--quiet"]).expect_code(0);
    assert_eq!(run.text(), "50 tasks of 50.0 µs, every answer right\n");
    assert_eq!(run.stderr, "");
}

#[test]
fn colours_only_where_they_are_wanted() {
    let plain = run(&["run", "spin", "--tasks", "50"]).expect_code(0);
    assert!(!plain.text().contains('\u{1b}'));
    let forced = run(&["run", "spin", "--tasks", "50", "--color", "always"]).expect_code(0);
    assert!(forced.text().contains('\u{1b}'));
}
