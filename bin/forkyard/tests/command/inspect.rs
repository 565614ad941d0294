//! `inspect` shows what another run is doing, and disturbs it in nothing.

use std::fs;
use std::path::Path;
use std::process::Child;

use serde_json::Value;

use crate::common::{
    Run, Running, drawn, finish, in_terminal, run, signal, start, start_printing, start_telling,
    wait_for,
};

/// Tasks of a few milliseconds, for longer than any test takes.
const LONG: [&str; 9] = [
    "run",
    "spin",
    "--task-us",
    "3000",
    "--tasks",
    "1000000",
    "--workers",
    "2",
    "--quiet",
];

fn start_long() -> Running {
    let child = start(&LONG);
    wait_for("the first tasks", || tasks(child.id()) > Some(0));
    child
}

fn inspect_json(pid: u32) -> Run {
    run(&["inspect", &pid.to_string(), "--json"])
}

fn tasks(pid: u32) -> Option<u64> {
    let ran = inspect_json(pid);
    (ran.code == Some(0)).then(|| ran.json()["pools"][0]["tasks"].as_u64())?
}

#[test]
fn a_run_is_shown_as_a_table_and_as_json_and_its_numbers_move() {
    let child = start_long();
    let pid = child.id().to_string();
    let first = inspect_json(child.id()).expect_code(0).json();
    assert_eq!(first["schema"], "forkyard.inspect/1");
    let pool = &first["pools"][0];
    assert_eq!(pool["pid"].to_string(), pid);
    assert_eq!(
        (&pool["name"], &pool["stage"]),
        (&"forkyard".into(), &"open".into())
    );
    assert_eq!(pool["workers"].as_array().map(Vec::len), Some(2));
    let before = pool["tasks"].as_u64();
    wait_for("more tasks", || tasks(child.id()) > before);
    let running = |json: &Value| {
        let workers = json["pools"][0]["workers"].as_array().cloned();
        let mut workers = workers.unwrap_or_default().into_iter();
        workers.any(|worker| {
            worker["state"] == "running"
                && worker["task_age_ns"].is_u64()
                && worker["task"].as_str().is_some_and(|name| !name.is_empty())
        })
    };
    wait_for("a task seen at work", || {
        running(&inspect_json(child.id()).json())
    });

    let table = run(&["inspect", &pid]).expect_code(0);
    let head = format!("forkyard in process {pid}, 2 workers, spawn, shared, up ");
    assert!(table.text().starts_with(&head), "{}", table.text());
    assert!(!table.text().contains('\u{1b}'));
    let rows = table
        .text()
        .lines()
        .skip_while(|line| !line.starts_with("worker"));
    assert_eq!(rows.count(), 3, "{}", table.text());
    let coloured = run(&["inspect", &pid, "--color", "always"]).expect_code(0);
    assert!(coloured.text().contains('\u{1b}'));

    let segment = pool["segment"].as_str().expect("a name");
    assert!(
        run(&["inspect", segment])
            .expect_code(0)
            .text()
            .contains(&pid)
    );
    // Other tests run pools meanwhile, which are among all that are listed, or shown.
    let all = run(&["inspect"]).expect_code(0);
    assert!(all.text().contains(&pid), "{}", all.text());
    let pools = run(&["inspect", "--json"]).expect_code(0).json();
    let pools = pools["pools"].as_array().expect("a list").clone();
    assert!(pools.iter().any(|pool| pool["pid"] == child.id()));

    signal(child.id(), "INT");
    finish(child).expect_code(130);
    let gone = run(&["inspect", &pid]).expect_code(1);
    assert!(
        gone.stderr.contains(&format!("process {pid} has no pool")),
        "{}",
        gone.stderr
    );
    assert!(gone.stdout.is_empty());
}

#[test]
fn a_signal_prints_the_same_table() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("stderr");
    let stderr = fs::File::create(&path).expect("a file");
    let child = start_telling(&LONG, stderr);
    let pid = child.id();
    wait_for("the first tasks", || tasks(pid) > Some(0));
    signal(pid, "USR1");
    let told = || fs::read_to_string(&path).unwrap_or_default();
    wait_for("the table", || told().contains("\nworker  "));
    let head = format!("forkyard in process {pid}, 2 workers, spawn, shared, up ");
    assert!(told().starts_with(&head), "{}", told());
    // It goes on.
    let before = tasks(pid);
    wait_for("more tasks", || tasks(pid) > before);
    signal(pid, "INT");
    finish(child).expect_code(130);
}

#[test]
fn what_is_not_there_is_said_by_name() {
    let nobody = run(&["inspect", "1"]).expect_code(1);
    assert!(
        nobody.stderr.contains("process 1 has no pool"),
        "{}",
        nobody.stderr
    );
    let missing = run(&["inspect", "/fy-1-1-000000000"]).expect_code(1);
    assert!(
        missing.stderr.contains("no shared-memory segment"),
        "{}",
        missing.stderr
    );
    let bad = run(&["inspect", "nonsense"]).expect_code(2);
    assert!(
        bad.stderr.contains("is not the name of a forkyard segment"),
        "{}",
        bad.stderr
    );
    for args in [
        &["inspect", "1", "--json", "--watch"][..],
        &["inspect", "1", "--interval", "1"],
        &["inspect", "1", "--watch", "--interval", "0"],
    ] {
        run(args).expect_code(2);
    }
    let piped = run(&["inspect", "1", "--watch"]).expect_code(2);
    assert!(
        piped.stderr.contains("--watch needs a terminal"),
        "{}",
        piped.stderr
    );
}

/// `--watch` under a terminal that `script` makes, of that width; what it drew goes to a file. Its
/// process id goes to another beside it.
fn watch(child: &Running, columns: u32, file: &Path, interval: &str) -> Option<Child> {
    let watch = format!(
        "stty cols {columns} rows 20; echo $$ > {}; exec {} inspect {} --watch --interval {interval}",
        file.with_extension("pid").display(),
        env!("CARGO_BIN_EXE_forkyard"),
        child.id()
    );
    in_terminal(&watch, file)
}

/// Waits for the end of the watch, and returns its exit code.
fn code_of(watching: &mut Child) -> Option<i32> {
    let mut status = None;
    wait_for("the end of the watch", || {
        status = watching.try_wait().expect("it can be waited for");
        status.is_some()
    });
    status.and_then(|status| status.code())
}

/// Gives the screen back: out of the alternate one, with the cursor.
fn expect_restored(text: &str) {
    let left = text.rfind("\u{1b}[?1049l");
    assert!(left > text.rfind("\u{1b}[?1049h"), "{text:?}");
    assert!(
        text.rfind("\u{1b}[?25h") > text.rfind("\u{1b}[?25l"),
        "{text:?}"
    );
}

#[test]
fn a_pool_that_ends_while_it_is_watched_ends_the_watch() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let file = dir.path().join("drawn");
    let child = start_long();
    let Some(mut watching) = watch(&child, 60, &file, "3600") else {
        return;
    };
    // Held open: its end would be the end of the terminal.
    let keys = watching.stdin.take();
    wait_for("a picture", || drawn(&file).contains("tasks per s now"));
    signal(child.id(), "INT");
    finish(child).expect_code(130);
    assert_eq!(code_of(&mut watching), Some(0));
    let text = drawn(&file);
    expect_restored(&text);
    assert!(text.contains("has ended; at the last look"), "{text}");
    drop(keys);
}

#[test]
fn keys_end_the_watch() {
    use std::io::Write;
    let dir = tempfile::tempdir().expect("temporary directory");
    let child = start_long();
    for (name, keys) in [("q", "q"), ("ctrl-c", "\u{3}"), ("keys", "jjkk\u{1b}[Bq")] {
        let file = dir.path().join(name);
        let Some(mut watching) = watch(&child, 100, &file, "0.1") else {
            return;
        };
        wait_for("a picture", || drawn(&file).contains("tasks per s now"));
        let mut stdin = watching.stdin.take().expect("piped");
        stdin.write_all(keys.as_bytes()).expect("it reads");
        stdin.flush().expect("it reads");
        assert_eq!(code_of(&mut watching), Some(0), "{name}");
        expect_restored(&drawn(&file));
    }
    signal(child.id(), "INT");
    finish(child).expect_code(130);
}

#[test]
fn a_signal_ends_the_watch_as_an_interrupt() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let child = start_long();
    for name in ["INT", "TERM"] {
        let file = dir.path().join(name);
        let Some(mut watching) = watch(&child, 100, &file, "3600") else {
            return;
        };
        // Held open: its end would be the end of the terminal.
        let keys = watching.stdin.take();
        wait_for("a picture", || drawn(&file).contains("tasks per s now"));
        let pid = fs::read_to_string(file.with_extension("pid")).expect("written before");
        signal(pid.trim().parse().expect("a number"), name);
        assert_eq!(code_of(&mut watching), Some(130), "{name}");
        expect_restored(&drawn(&file));
        drop(keys);
    }
    signal(child.id(), "INT");
    finish(child).expect_code(130);
}

#[test]
fn a_list_that_cannot_be_written_is_an_error_with_and_without_a_pool() {
    // Only Linux has it.
    let Ok(full) = fs::OpenOptions::new().write(true).open("/dev/full") else {
        return;
    };
    let child = start_printing(&["inspect", "--json"], full);
    let run = finish(child).expect_code(5);
    assert!(run.stderr.contains("cannot write"), "{}", run.stderr);
}
