//! Promise: every behaviour of the list of cases to keep is a test of this package that is named
//! after it, and it runs on every way on which it must.
//!
//! What there is is asked of the test programs themselves (`--list`), so they have to be built, as
//! `cargo test -p tests` does.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use Ways::{BothPaths, Every, Zygotes};

/// On which ways each test of a case has to run.
#[derive(Debug, Clone, Copy)]
enum Ways {
    /// Both paths, each start method.
    Every,
    /// Both paths: how workers start has no part in it.
    BothPaths,
    /// Both paths, with the start methods that have a zygote.
    Zygotes,
}

impl Ways {
    fn names(self) -> BTreeSet<String> {
        let methods: &[&str] = match self {
            Every => &["spawn", "fork", "forkserver"],
            BothPaths => &["spawn"],
            Zygotes => &["fork", "forkserver"],
        };
        let on = |path: &'static str| {
            methods
                .iter()
                .map(move |method| format!("{path}::{method}"))
        };
        on("shared").chain(on("copy")).collect()
    }
}

/// What each case is about, in a few words, and its ways.
const CASES: [(u32, &str, Ways); 46] = [
    (1, "an argument cannot be encoded", Every),
    (2, "an argument cannot be decoded", Every),
    (3, "an exit with 0", Every),
    (4, "each way of dying", Every),
    (5, "a result cannot be encoded", Every),
    (6, "a result cannot be decoded", Every),
    (7, "a death while the lane or pipe is full", Every),
    (
        8,
        "a death at the start, in a replacement, in a drain",
        Every,
    ),
    (9, "what a dead worker has left", Every),
    (10, "all workers die at once", Every),
    (11, "an initializer fails", Every),
    (12, "a panic", Every),
    (13, "a retry", Every),
    (14, "a wait or a limit with a timer", Every),
    (15, "a task over its limit", Every),
    (16, "a cancelled task", Every),
    (17, "the order of results", BothPaths),
    (18, "messages of gigabytes", BothPaths),
    (19, "100,000 tasks in a queue", BothPaths),
    (20, "an input without an end", BothPaths),
    (21, "no room in /dev/shm", BothPaths),
    (22, "chunks of any size", BothPaths),
    (23, "so many tasks for each process", Every),
    (24, "a worker that grows", BothPaths),
    (25, "idle workers go and come back", Every),
    (26, "the supervisor is killed", Every),
    (27, "everything is killed", Every),
    (28, "signals of the terminal", Every),
    (29, "a drop, a panic, a forked child", Every),
    (30, "many pools leave nothing", Every),
    (31, "interrupted calls", Every),
    (32, "init is missing", Every),
    (33, "a fork with threads", Every),
    (34, "the program is replaced", Every),
    (35, "the zygote is killed", Zygotes),
    (36, "a pool in a task", Every),
    (37, "how many processors there are", Every),
    (38, "what tasks print", Every),
    (39, "one winner", Every),
    (40, "a winner dies", Every),
    (41, "a flag that is armed again", BothPaths),
    (42, "the holder of a lock dies", Every),
    (43, "all are out in time", BothPaths),
    (44, "segments are private", BothPaths),
    (45, "a worker writes what it likes", BothPaths),
    (46, "another version", Every),
];

/// Tests of a case that run on some of its ways only: on these, and why.
const PARTIAL: [(&str, &[&str], &str); 8] = [
    (
        "case_32_an_init_that_workers_skip_is_told",
        &[
            "shared::spawn",
            "shared::forkserver",
            "copy::spawn",
            "copy::forkserver",
        ],
        "a forked worker does not begin at main",
    ),
    (
        "case_35_the_last_zygote_is_missed",
        &["shared::fork", "copy::fork"],
        "a fork server is started again whenever it is missed",
    ),
    (
        "case_35_zygotes_are_killed_all_the_time",
        &["shared::forkserver", "copy::forkserver"],
        "with fork there is one in reserve, and no more",
    ),
    (
        "case_45_any_bytes_from_a_peer",
        &[],
        "what reads of a peer is fed by itself, without a pool",
    ),
    (
        "case_45_states_that_cannot_be",
        &["shared::spawn"],
        "slots are in lanes",
    ),
    (
        "case_45_an_overwritten_task_is_run_by_nobody",
        &["shared::spawn"],
        "tasks are in lanes",
    ),
    (
        "case_45_nor_does_it_give_others_its_argument",
        &["shared::spawn"],
        "tasks are in lanes",
    ),
    (
        "case_45_counts_of_packets_that_cannot_be",
        &["copy::spawn"],
        "packets are in pipes",
    ),
];

/// The program of the test in `source`: the newest that was made of it, which must be newer.
fn program_of(source: &Path) -> PathBuf {
    let me = std::env::current_exe().expect("this program");
    let folder = me.parent().expect("it is in a folder");
    let test = source.file_stem().expect("a name").to_string_lossy();
    let is_of_it = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let hash = name
            .strip_prefix(&*test)
            .and_then(|rest| rest.strip_prefix('-'));
        hash.is_some_and(|hash| hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    let entries = fs::read_dir(folder).expect("the programs of tests");
    let made = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| is_of_it(path))
        .filter_map(|path| Some((path.metadata().ok()?.modified().ok()?, path)))
        .max();
    let written = source.metadata().and_then(|source| source.modified());
    let written = written.expect("the time of a source");
    match made {
        Some((made, program)) if made >= written => program,
        _ => panic!("the test {test:?} is not built as it is now: cargo test -p tests --no-run"),
    }
}

/// The names of a program's tests.
fn list(program: &Path, which: &[&str]) -> Vec<String> {
    let listed = Command::new(program)
        .arg("--list")
        .args(which)
        .output()
        .expect("a program of tests");
    assert!(listed.status.success(), "{}: {listed:?}", program.display());
    let text = String::from_utf8(listed.stdout).expect("names");
    let names = text.lines().filter_map(|line| line.strip_suffix(": test"));
    names.map(str::to_owned).collect()
}

/// The number in `case_07_…`.
fn case_of(name: &str) -> Option<u32> {
    let (digits, what) = name.strip_prefix("case_")?.split_once('_')?;
    (digits.len() == 2 && !what.is_empty())
        .then(|| digits.parse().ok())
        .flatten()
}

/// The tests of this package that are named after a case and run unasked, and the ways of each.
fn tests_of_cases() -> BTreeMap<String, BTreeSet<String>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("the tests of this package") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let program = program_of(&path);
        let ignored: BTreeSet<_> = list(&program, &["--ignored"]).into_iter().collect();
        let all = list(&program, &[]);
        for name in all.iter().filter(|name| !ignored.contains(*name)) {
            let (test, way) = name.split_once("::").unwrap_or((name, "no way"));
            if case_of(test).is_some() {
                let ways = found.entry(test.to_owned()).or_default();
                ways.insert(way.to_owned());
            }
        }
    }
    found
}

#[test]
fn every_case_is_tested_on_its_ways() {
    let found = tests_of_cases();
    let mut short = Vec::new();
    for (number, what, ways) in CASES {
        let tests = found
            .iter()
            .filter(|(test, _)| case_of(test) == Some(number));
        let mut is_whole = false;
        for (test, on) in tests {
            let partial = PARTIAL.iter().find(|(name, ..)| name == test);
            is_whole |= partial.is_none();
            let wanted = match partial {
                Some((_, ways, _)) => ways.iter().map(|way| (*way).to_owned()).collect(),
                None => ways.names(),
            };
            let missing: Vec<_> = wanted.difference(on).collect();
            if !missing.is_empty() {
                short.push(format!("{test} does not run on {missing:?}"));
            }
        }
        if !is_whole {
            short.push(format!(
                "no test of case {number} ({what}) is for all its ways"
            ));
        }
    }
    assert!(short.is_empty(), "{}", short.join("\n"));
}

#[test]
fn the_table_speaks_of_what_there_is() {
    let numbers: Vec<u32> = CASES.iter().map(|(number, ..)| *number).collect();
    assert!(numbers.iter().copied().eq(1..=46), "{numbers:?}");
    let found = tests_of_cases();
    for test in found.keys() {
        let number = case_of(test).expect("a case");
        assert!(numbers.contains(&number), "{test} is of no case");
    }
    for (test, _, why) in PARTIAL {
        let (_, what, ways) = CASES
            .into_iter()
            .find(|(number, ..)| case_of(test) == Some(*number))
            .expect("a case");
        let on = found.get(test);
        let on = on.unwrap_or_else(|| panic!("there is no {test} ({what}; {why})"));
        assert!(
            !ways.names().is_subset(on),
            "{test} runs on all ways of its case; take it off the list"
        );
    }
}

#[test]
fn numbers_are_found() {
    assert_eq!(case_of("case_46_another_version_is_refused"), Some(46));
    assert_eq!(case_of("case_7_short"), None);
    assert_eq!(case_of("case_07_"), None);
    assert_eq!(case_of("showcase_07_x"), None);
}
