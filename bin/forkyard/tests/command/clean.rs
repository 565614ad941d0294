//! `clean` lists and removes what dead pools left behind, and nothing else.

use std::path::Path;
use std::time::Instant;

use crate::common::{DEADLINE, run};

/// A segment as a process left it that is gone: its pid is this one's, which started at another
/// time.
fn leftover(random: &str) -> String {
    let mut rest = std::process::id();
    let mut pid = String::new();
    while rest > 0 {
        pid.insert(0, char::from_digit(rest % 36, 36).expect("a digit"));
        rest /= 36;
    }
    format!("fy-{pid}-1-{random:0>9}")
}

/// Repeats `look` on a leftover of that name until it was there all the while: every pool that is
/// built on this machine removes leftovers, too.
fn undisturbed(random: &str, look: impl Fn(&str, &Path) -> bool) {
    let folder = Path::new("/dev/shm");
    if !folder.is_dir() {
        eprintln!("skipped: shared memory is no folder here");
        return;
    }
    let name = leftover(random);
    let path = folder.join(&name);
    let end = Instant::now() + DEADLINE;
    loop {
        std::fs::write(&path, [0; 100]).expect("shared memory can be written");
        if look(&name, &path) {
            return;
        }
        assert!(Instant::now() < end, "{name} was never found");
    }
}

#[test]
fn case_27_a_dry_run_lists_and_removes_nothing() {
    undisturbed("dryrun", |name, path| {
        let ran = run(&["clean", "--dry-run"]).expect_code(0);
        let line = format!("would remove /{name} (100 bytes, of process ");
        let listed = ran.text().lines().any(|found| found.starts_with(&line));
        listed && std::fs::remove_file(path).is_ok()
    });
}

#[test]
fn case_27_clean_removes_what_is_left() {
    undisturbed("clean", |name, path| {
        let ran = run(&["clean"]).expect_code(0);
        let line = format!("removed /{name} (100 bytes, of process ");
        // One that another sweep has in its hands is left to that.
        !path.exists() && ran.text().lines().any(|found| found.starts_with(&line))
    });
}

#[test]
fn case_27_what_lives_or_is_not_ours_stays() {
    let folder = Path::new("/dev/shm");
    if !folder.is_dir() {
        return;
    }
    let foreign = folder.join(format!("foreign-{}", std::process::id()));
    std::fs::write(&foreign, [0; 10]).expect("shared memory can be written");
    let ran = run(&["clean"]).expect_code(0);
    assert!(!ran.text().contains("foreign-"));
    std::fs::remove_file(&foreign).expect("it was left alone");
}
