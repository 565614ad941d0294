//! Every example runs, and prints what its documentation says. `cargo test` builds them.

use std::path::PathBuf;
use std::process::{Command, Output};

/// The folder of the examples, beside that of this test.
fn folder() -> PathBuf {
    let me = std::env::current_exe().expect("this test's path");
    let profile = me.ancestors().nth(2).expect("target/PROFILE/deps/NAME");
    profile.join("examples")
}

/// Runs an example; returns what it printed.
#[track_caller]
fn run(name: &str, arguments: &[&str]) -> String {
    let path = folder().join(name);
    let ran = Command::new(&path).args(arguments).output();
    let Output {
        status,
        stdout,
        stderr,
    } = match ran {
        Ok(output) => output,
        Err(error) => panic!(
            "{}: {error}; `cargo build --examples` makes it",
            path.display()
        ),
    };
    let (stdout, stderr) = (
        String::from_utf8_lossy(&stdout),
        String::from_utf8_lossy(&stderr),
    );
    assert!(status.success(), "{name}: {status}\n{stdout}\n{stderr}");
    stdout.into_owned()
}

#[test]
fn shared_state() {
    let printed = run("shared_state", &[]);
    assert!(
        printed.contains("has died with the totals half changed"),
        "{printed}"
    );
}

#[test]
fn checksums_are_those_of_sha256sum() {
    let folder = env!("CARGO_MANIFEST_DIR");
    let printed = run("checksums", &[folder]);
    let sums = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(sums.path(), &printed).expect("a file can be written");
    assert!(printed.lines().count() > 50, "{printed}");
    // Where there is none, the sums have been compared with themselves by the workload's tests.
    if let Ok(check) = Command::new("sha256sum")
        .arg("--quiet")
        .arg("-c")
        .arg(sums.path())
        .output()
    {
        assert!(
            check.status.success(),
            "{}",
            String::from_utf8_lossy(&check.stdout)
        );
    }
}

#[test]
fn clean_recording() {
    let printed = run("clean_recording", &[]);
    assert!(
        printed.contains("441 clicks taken out of 441000 samples"),
        "{printed}"
    );
    assert!(
        printed.contains("the same as one after the other"),
        "{printed}"
    );
}

#[test]
fn proof_of_work() {
    let printed = run("proof_of_work", &["a text", "12"]);
    assert!(printed.contains("zero bits"), "{printed}");
}

#[test]
fn with_tokio() {
    let printed = run("with_tokio", &[]);
    assert!(printed.contains("3.1416 and 3.141"), "{printed}");
    assert!(printed.contains("add up to 328350"), "{printed}");
}

#[test]
fn every_example_is_run_here() {
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
    let me = include_str!("examples.rs");
    for entry in std::fs::read_dir(examples).expect("the examples") {
        let path = entry.expect("an example").path();
        let name = path.file_stem().expect("a name").to_string_lossy();
        assert!(me.contains(&format!("run(\"{name}\"")), "{name} is not run");
    }
}

#[test]
fn crash_prone_decoder() {
    let printed = run("crash_prone_decoder", &[]);
    assert!(printed.contains("good: 4 lists, 3 deep"), "{printed}");
    assert!(printed.contains("broken: not a document"), "{printed}");
    assert!(printed.contains("deadly: killed 2 workers"), "{printed}");
    assert!(printed.contains("overflowed its stack"), "{printed}");
    assert!(printed.contains("also good: 1 lists, 1 deep"), "{printed}");
}

#[test]
fn rayon_inside() {
    let printed = run("rayon_inside", &[]);
    assert!(printed.contains("1229 primes below 10000"), "{printed}");
}
