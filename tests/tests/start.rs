//! Promise: workers start, or there is one clear error; never a hang, never a storm of processes.
#![forbid(unsafe_code)]

use std::fs;
use std::process::Command;

use tests::{Ended, Victim, Way, census, victim};

tests::on_every_way! {
    workers_start => |way| victim!(way, "start/plain").passes();
    absurd_counts_are_refused => |way| victim!(way, "start/bad-counts").passes();
    too_few_open_files_are_an_error_and_no_more => |way| {
        if census::can_see() {
            let ended = victim!(way, "start/few-files").after("ulimit -n 100").run();
            ended.passed();
            assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
        }
    };
    case_33_fork_from_threads_is_refused => |way| victim!(way, "start/threads").passes();
    the_supervisors_context_is_its_own => |way| victim!(way, "start/after-context").passes();
    pools_live_side_by_side => |way| victim!(way, "start/two-pools").passes();
    workers_may_outnumber_cores => |way| victim!(way, "start/many").passes();
    case_38_what_tasks_print_arrives => |way| {
        let ended = victim!(way, "start/prints").run();
        ended.passed();
        for n in 0..500 {
            let line = format!("task {n}");
            assert_eq!(ended.stdout.lines().filter(|found| *found == line).count(), 1, "{line}");
        }
        for n in 0..2 {
            assert_eq!(ended.stdout.matches(&format!("[last {n}]")).count(), 1);
        }
        assert_eq!(ended.stdout.matches(&"x".repeat(100_000)).count(), 1);
        assert_eq!(ended.stderr.lines().count(), 500, "{}", ended.stderr);
    };
    case_38_what_the_program_printed_is_not_printed_again => |way| {
        let ended = victim!(way, "start/partial-line").run();
        ended.passed();
        assert_eq!(ended.stdout.matches("[partial]").count(), 1, "{}", ended.stdout);
    };
}

tests::on_ways! {
    /// Nobody can listen where `TMPDIR` says: it is not there, not to be written to, too long, no UTF-8. On the shared
    /// path nobody has to.
    a_bad_folder_for_temporary_files_is_an_error [spawn, fork, forkserver] |way| {
        let scenario = if way.is_shared() { "start/plain" } else { "start/no-folder" };
        let long = format!("/{}", "x".repeat(120));
        let set = |value: &str| victim!(way, scenario).env("TMPDIR", value);
        let odd = victim!(way, scenario).after(r"TMPDIR=$(printf '/tmp/\377') && export TMPDIR");
        for victim in [set("/nonexistent"), set("/proc"), set(&long), odd] {
            let ended = victim.run();
            ended.passed();
            assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
        }
    }
}

tests::on_ways! {
    /// Workers run the code that their supervisor runs, also when its file is another by now.
    case_34_a_replaced_program_is_never_mixed [spawn, fork, forkserver] |way| {
        let folder = tempfile::tempdir().expect("a folder");
        let program = folder.path().join("program");
        // By another process: a test that forks while this one has the copy open for writing
        // would keep it from being executed.
        let copied = Command::new("cp")
            .arg(env!("CARGO_BIN_EXE_victim"))
            .arg(&program)
            .status();
        assert!(copied.is_ok_and(|status| status.success()));
        let victim = Victim::new(&program).arg("start/replaced-program").on(way);
        let mut victim = victim.start();
        victim.hear("running");
        let other = folder.path().join("other");
        fs::copy("/bin/sh", &other).expect("a copy");
        fs::rename(&other, &program).expect("it is replaced");
        victim.say("replaced", "");
        victim.wait().passed();
    }
}

fn rude(manner: &str, way: Way) -> Victim {
    Victim::new(env!("CARGO_BIN_EXE_rude"))
        .env("FY_MANNER", manner)
        .env("FY_METHOD", way.method)
        .env("FY_TRANSPORT", way.transport)
}

/// How many times the program began.
fn begun(ended: &Ended) -> usize {
    let names = census::entries(ended.folder());
    names
        .iter()
        .filter(|name| name.to_string_lossy().starts_with("main-"))
        .count()
}

tests::on_every_way! {
    /// Without `init` there is one error that says so, and nobody was started for it.
    case_32_a_missing_init_is_told => |way| {
        let ended = rude("without", way).run();
        ended.passed();
        // A forked worker does not begin at main.
        let wanted = if way.method == "fork" { "built" } else { "forkyard::init() has not run" };
        assert!(ended.stdout.contains(wanted), "{}", ended.stdout);
        assert_eq!(begun(&ended), 1);
        assert_eq!(ended.stderr, "");
    };
}

tests::on_ways! {
    /// `init` under a condition that holds in the supervisor only: workers find out, and do not
    /// become supervisors.
    case_32_an_init_that_workers_skip_is_told [spawn, forkserver] |way| {
        let ended = rude("first-only", way).run();
        ended.passed();
        let text = &ended.stdout;
        assert!(text.contains("error: ") && text.contains("forkyard::init()"), "{text}");
        assert!(text.contains("first line of main()"), "{text}");
        assert!(begun(&ended) <= 1 + 4 + 5, "{}", begun(&ended));
    }
}

/// A worker that does not come to `init` is not waited for beyond the timeout.
#[test]
fn a_worker_that_does_not_answer_is_told() {
    for manner in ["slow", "first-only-and-stays"] {
        for method in ["spawn", "forkserver"] {
            let ended = rude(manner, Way::named("shared", method)).run();
            ended.passed();
            let text = &ended.stdout;
            assert!(
                text.contains("did not answer within 300ms"),
                "{manner} {method}: {text}"
            );
            assert!(begun(&ended) <= 1 + 4 + 5, "{}", begun(&ended));
        }
    }
}

/// As under `#[tokio::main]`: who is executed does not mind; who is forked would, and is told why.
#[test]
fn threads_before_init_are_told() {
    let ended = rude("threads", Way::named("shared", "spawn")).run();
    ended.passed();
    assert!(ended.stdout.contains("built"), "{}", ended.stdout);
    let ended = rude("threads", Way::named("shared", "forkserver")).run();
    ended.passed();
    for part in ["fork is refused", "before forkyard::init()", "preload"] {
        assert!(ended.stdout.contains(part), "{part}: {}", ended.stdout);
    }
}

#[test]
fn a_worker_that_dies_at_its_start_is_told() {
    for method in ["spawn", "forkserver"] {
        let ended = rude("dies", Way::named("shared", method)).run();
        ended.passed();
        let text = &ended.stdout;
        assert!(
            text.contains("ended during start: exit code 9"),
            "{method}: {text}"
        );
        // The first failure ends the start; a few seats may have been tried again by then.
        assert!(begun(&ended) <= 1 + 4 + 5, "{}", begun(&ended));
    }
}

/// A replacement may fail a few times; beyond that the task is told why nobody runs it.
#[test]
fn replacements_may_fail_a_few_times() {
    for (deaths, wanted) in [(0, "the next: 2"), (3, "the next: 2"), (50, "exit code 9")] {
        let victim =
            rude("replacement-dies", Way::named("shared", "spawn")).env("FY_DEATHS", deaths);
        let ended = victim.run();
        ended.passed();
        assert!(ended.stdout.contains("the task: "), "{}", ended.stdout);
        assert!(
            ended.stdout.contains(wanted),
            "{deaths} deaths: {}",
            ended.stdout
        );
    }
}
