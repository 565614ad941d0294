//! Unit tests of the crates with unsafe code under AddressSanitizer, or under valgrind's memcheck.
//!
//! Both look at one process at a time: they see a wild access of the process that they run, not
//! what two processes do to one word (the loom models are for that). Where a tool is missing the
//! chore says so and succeeds, so that CI can ask for it everywhere. What cannot be run under
//! either, and why, is in CONTRIBUTING.md.

use std::env::consts;
use std::process::{Command, Stdio};

use crate::Outcome;
use crate::workspace;

/// The crates with unsafe code, and wire for its own of large messages.
const PACKAGES: [&str; 4] = ["forkyard-shm", "forkyard-os", "forkyard-wire", "forkyard"];
const TARGET: &str = "x86_64-unknown-linux-gnu";
/// Two threads that race for one slot 600,000 times: minutes under a tool, and nothing to see for it.
const TOO_SLOW: &str = "claims_100k";
/// Leaks are not told: tests that let an owner die at each step leave its memory on purpose. An
/// allocation that is too large is an error that a test wants to see, not the end.
const ASAN_OPTIONS: &str = "detect_leaks=0:allocator_may_return_null=1";

/// Under AddressSanitizer, which takes a nightly toolchain.
pub(crate) fn address() -> Outcome {
    if !has("cargo", &["+nightly", "--version"]) {
        return skipped("no nightly toolchain (rustup toolchain install nightly)");
    }
    let mut tests = Command::new("cargo");
    tests
        .args(["+nightly", "test", "--lib", "--target", TARGET])
        .env("RUSTFLAGS", "-Zsanitizer=address")
        .env("ASAN_OPTIONS", ASAN_OPTIONS);
    run(tests)
}

/// Under valgrind, which runs one thread at a time: the memory of the shared structures alone.
pub(crate) fn valgrind() -> Outcome {
    if !has("valgrind", &["--version"]) {
        return skipped("no valgrind (apt-get install valgrind)");
    }
    let memcheck = "valgrind --quiet --error-exitcode=99 --leak-check=no --fair-sched=yes";
    let mut tests = Command::new("cargo");
    tests
        .args(["test", "--lib", "--target", TARGET])
        .env("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER", memcheck);
    run(tests)
}

fn has(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    let quiet = command.args(arguments).stdout(Stdio::null());
    let status = quiet.stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

fn skipped(why: &str) -> Outcome {
    println!("sanitize: skipped: {why}");
    Ok(true)
}

fn run(mut tests: Command) -> Outcome {
    if (consts::OS, consts::ARCH) != ("linux", "x86_64") {
        return skipped("it is set up for x86_64 Linux alone");
    }
    let workspace = workspace::load()?;
    for package in PACKAGES {
        tests.args(["--package", package]);
    }
    tests
        .args(["--", "--skip", TOO_SLOW])
        .env("CARGO_TARGET_DIR", workspace.target_dir.join("sanitize"))
        .current_dir(&workspace.root);
    let status = tests
        .status()
        .map_err(|error| format!("cargo cannot be run: {error}"))?;
    Ok(status.success())
}
