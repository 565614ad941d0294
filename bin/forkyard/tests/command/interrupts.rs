//! Signals at moments when no run listens: while workers start, and while output is written.

use std::time::{Duration, Instant};

use crate::common::{children, finish, run, signal, start, start_ignoring, wait_for};

#[test]
fn a_second_signal_ends_a_start_that_hangs() {
    if children(std::process::id()).is_none() {
        return;
    }
    for method in ["spawn", "fork", "forkserver"] {
        let child = start(&["run", "spin", "--tasks", "1000000", "--start", method]);
        let mut worker = None;
        wait_for("the start of a worker", || {
            worker = children(child.id()).and_then(|pids| pids.first().copied());
            // Whoever starts a program waits, deaf, until that is another's; it has a name then.
            worker.is_some_and(|pid| method == "fork" || name_of(pid).starts_with("forkyard-"))
        });
        let worker = worker.expect("as it was found");
        signal(worker, "STOP");
        let begin = Instant::now();
        signal(child.id(), "INT");
        signal(child.id(), "TERM");
        // The end of the pipes is later: the worker has them too, where it is forked.
        wait_for("the end", || has_ended(child.id()));
        let took = begin.elapsed();
        signal(worker, "KILL");
        finish(child).expect_code(130);
        assert!(took < Duration::from_secs(10), "{method}: {took:?}");
    }
}

fn name_of(pid: u32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default()
}

/// Whether a child has ended, which is still to be waited for.
fn has_ended(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| stat.contains(") Z "))
}

#[test]
fn the_first_signal_ends_output_that_nobody_reads() {
    if children(std::process::id()).is_none() {
        return;
    }
    let dir = tempfile::tempdir().expect("temporary directory");
    for name in 0..1500 {
        std::fs::write(dir.path().join(name.to_string()), "").expect("write");
    }
    let path = dir.path().to_str().expect("text");
    let args = ["run", "hash-files", path, "--quiet", "--workers", "1"];
    // More than a pipe holds.
    let all = run(&args).expect_code(0).stdout.len();
    assert!(all > 100_000, "{all}");
    for name in ["INT", "TERM"] {
        let mut child = start(&args);
        child.wait_for_stdout();
        signal(child.id(), name);
        // Before that, room in the pipe would let it go on.
        wait_for("the end", || has_ended(child.id()));
        let ended = finish(child).expect_code(130);
        assert!(ended.stdout.len() < all - 1, "{}", ended.stdout.len());
    }
}

#[test]
fn a_signal_that_was_ignored_stays_ignored() {
    if children(std::process::id()).is_none() {
        return;
    }
    let more = ["run", "spin", "--tasks", "1000000", "--workers", "1"];
    let child = start_ignoring("INT", &more);
    wait_for("the start of a worker", || {
        children(child.id()).is_some_and(|pids| !pids.is_empty())
    });
    signal(child.id(), "INT");
    signal(child.id(), "INT");
    // Each is acted on after those before it: had they been heard, this would be the second.
    signal(child.id(), "TERM");
    let run = finish(child).expect_code(130);
    // The first that was heard.
    assert!(!run.stderr.contains("killed"), "{}", run.stderr);
    let asked = run.stderr.matches("interrupted: stopping").count();
    assert_eq!(asked, 1, "{}", run.stderr);
}
