//! Tests under AddressSanitizer, or under valgrind's memcheck.
//!
//! Both look at one process at a time: they see a wild access of the process that they run, not
//! what two processes do to one word (the loom models are for that). Where a tool is missing the
//! chore says so and succeeds, so that CI can ask for it everywhere. What cannot be run under
//! either, and why, is in CONTRIBUTING.md.

use std::env::consts;
use std::process::{Command, Stdio};

use crate::Outcome;
use crate::workspace;

/// The crates with unsafe code, and wire for its cutting and joining of large messages.
const PACKAGES: [&str; 4] = ["forkyard-shm", "forkyard-os", "forkyard-wire", "forkyard"];
/// Whole-system tests that run under AddressSanitizer as they are, supervisor and workers alike.
const SYSTEM: [&str; 6] = ["death", "errors", "search", "start", "stress", "trust"];
/// The tool makes an exit of its own of a stack overflow, which this test wants to be a signal.
const ITS_OWN_DEATH: &str = "each_way_of_dying";
const TARGET: &str = "x86_64-unknown-linux-gnu";
/// Two threads that race for one slot 600,000 times: minutes under a tool, and nothing to see for it.
const TOO_SLOW: &str = "claims_100k";
/// Random histories, and arenas of many thousand blocks: a quarter of an hour each, one thread at a time.
const TOO_SLOW_FOR_VALGRIND: [&str; 3] = [TOO_SLOW, "arena::tests", "state::tests::random"];
/// Leaks are not told: tests that let an owner die at each step leave its memory on purpose. An
/// allocation that is too large is an error that a test wants to see, not the end.
const ASAN_OPTIONS: &str = "detect_leaks=0:allocator_may_return_null=1";

/// Unit tests under AddressSanitizer, which takes a nightly toolchain.
pub(crate) fn address() -> Outcome {
    let packages = PACKAGES.iter().flat_map(|name| ["--package", name]);
    let arguments = ["--lib"].into_iter().chain(packages);
    under_asan(arguments.chain(["--", "--skip", TOO_SLOW]).collect())
}

/// Whole-system tests under AddressSanitizer.
pub(crate) fn system() -> Outcome {
    let tests = SYSTEM.iter().flat_map(|name| ["--test", name]);
    let arguments = ["--package", "tests"].into_iter().chain(tests);
    under_asan(arguments.chain(["--", "--skip", ITS_OWN_DEATH]).collect())
}

/// The unit tests of the shared structures under valgrind, which runs one thread at a time.
pub(crate) fn valgrind() -> Outcome {
    if !has("valgrind", &["--version"]) {
        return skipped("no valgrind (apt-get install valgrind)");
    }
    let memcheck = "valgrind --quiet --error-exitcode=99 --leak-check=no --fair-sched=yes";
    let mut tests = Command::new("cargo");
    tests
        .args(["test", "--target", TARGET])
        .args(["--package", "forkyard-shm", "--lib", "--"])
        .args(
            TOO_SLOW_FOR_VALGRIND
                .iter()
                .flat_map(|name| ["--skip", name]),
        )
        .env("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER", memcheck);
    run(tests)
}

fn under_asan(arguments: Vec<&str>) -> Outcome {
    if !has("cargo", &["+nightly", "--version"]) {
        return skipped("no nightly toolchain (rustup toolchain install nightly)");
    }
    let mut tests = Command::new("cargo");
    tests
        .args(["+nightly", "test", "--target", TARGET])
        .args(arguments)
        .env("RUSTFLAGS", "-Zsanitizer=address")
        .env("ASAN_OPTIONS", ASAN_OPTIONS);
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
    let status = tests
        .env("CARGO_TARGET_DIR", workspace.target_dir.join("sanitize"))
        .current_dir(&workspace.root)
        .status()
        .map_err(|error| format!("cargo cannot be run: {error}"))?;
    Ok(status.success())
}
