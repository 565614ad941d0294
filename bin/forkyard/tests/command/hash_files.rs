//! `hash-files` prints what `sha256sum` prints.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::common::run;

/// Files of many sizes, with the names that go wrong.
fn fill(dir: &Path) {
    fs::create_dir_all(dir.join("deep/er")).expect("mkdir");
    let names: [&[u8]; 7] = [
        b"plain",
        b"with space",
        b"back\\slash",
        b"new\nline",
        b"carriage\rreturn",
        b"deep/er/file",
        b"deep.er",
    ];
    for (size, name) in names.iter().enumerate() {
        let content = vec![b'x'; size * size * 12_345];
        fs::write(dir.join(OsStr::from_bytes(name)), content).expect("write");
    }
    fs::write(dir.join("empty"), "").expect("write");
    // A system that takes only names in UTF-8 (macOS) goes without this one.
    let _ = fs::write(dir.join(OsStr::from_bytes(b"\xff\xfe")), "bytes");
    symlink(dir, dir.join("loop")).expect("symlink");
}

/// What `sha256sum` says about the files that `find` finds, or `None` where it is missing.
fn sha256sum(dir: &Path) -> Option<Vec<u8>> {
    let script = "find \"$1\" -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum";
    let mut shell = Command::new("sh");
    shell.args(["-c", script, "sh"]).arg(dir);
    let output = shell.output().ok()?;
    output.status.success().then_some(output.stdout)
}

fn hash_files(args: &[&str], paths: &[&OsStr]) -> crate::common::Run {
    let mut all: Vec<OsString> = ["run", "hash-files", "--workers", "2"]
        .map(Into::into)
        .into();
    all.extend(args.iter().map(Into::into));
    all.extend(paths.iter().map(Into::into));
    run(&all)
}

#[test]
fn the_same_lines_as_sha256sum_for_every_payload_on_both_paths() {
    let dir = tempfile::tempdir().expect("temporary directory");
    fill(dir.path());
    let Some(expected) = sha256sum(dir.path()) else {
        return;
    };
    for payload in ["path", "copy", "shared"] {
        for transport in ["shared", "copy"] {
            let args = ["--payload", payload, "--transport", transport, "--quiet"];
            let run = hash_files(&args, &[dir.path().as_os_str()]).expect_code(0);
            let (got, wanted) = (&run.stdout, &expected);
            assert_eq!(
                String::from_utf8_lossy(got),
                String::from_utf8_lossy(wanted),
                "{payload} over {transport}"
            );
            assert_eq!(got, wanted);
        }
    }
}

#[test]
fn output_goes_to_a_file_and_the_report_to_standard_output() {
    let dir = tempfile::tempdir().expect("temporary directory");
    fs::write(dir.path().join("a"), "a").expect("write");
    let sums = dir.path().join("sums");
    let output = sums.to_str().expect("text");
    let args = ["--output", output];
    let run = hash_files(&args, &[dir.path().join("a").as_os_str()]).expect_code(0);
    assert!(
        run.text().starts_with("1 file hashed, 1 B\n"),
        "{}",
        run.text()
    );
    let line = fs::read_to_string(sums).expect("a listing");
    assert!(line.starts_with("ca978112ca1bbdca"), "{line}");
}

#[test]
fn the_listing_and_nothing_else_is_on_standard_output() {
    let dir = tempfile::tempdir().expect("temporary directory");
    fs::write(dir.path().join("a"), "a").expect("write");
    let run = hash_files(&[], &[dir.path().as_os_str()]).expect_code(0);
    assert_eq!(run.text().lines().count(), 1);
    assert!(run.stderr.starts_with("1 file hashed"), "{}", run.stderr);
}

#[test]
fn files_that_cannot_be_read_are_named_and_counted() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let file = dir.path().join("a");
    fs::write(&file, "a").expect("write");
    let (gone, other) = (dir.path().join("gone"), Path::new("/dev/null"));
    let paths = [file.as_os_str(), gone.as_os_str(), other.as_os_str()];
    let run = hash_files(&["--json", "-", "--quiet"], &paths).expect_code(3);
    let complaints: Vec<&str> = run.stderr.lines().collect();
    assert_eq!(complaints.len(), 2, "{}", run.stderr);
    assert!(complaints[0].contains("gone: No such file or directory"));
    assert!(complaints[1].contains("/dev/null: neither a regular file nor a directory"));
    let result = &run.json()["result"];
    assert_eq!(result["files"], 1);
    assert_eq!(result["bytes"], 1);
    assert_eq!(result["failed"], 2);
}

#[test]
fn an_output_that_cannot_be_written_is_found_before_the_work() {
    let run = hash_files(
        &["--output", "/no/such/directory/sums"],
        &["/dev/null".as_ref()],
    );
    let run = run.expect_code(5);
    assert!(
        run.stderr.contains("cannot write /no/such/directory/sums"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_file_larger_than_shared_memory_may_be_fails_alone() {
    let dir = tempfile::tempdir().expect("temporary directory");
    fs::write(dir.path().join("large"), vec![7; 9 << 20]).expect("write");
    fs::write(dir.path().join("small"), "small").expect("write");
    let args = ["--payload", "shared", "--arena-limit", "4MiB", "--quiet"];
    let run = hash_files(&args, &[dir.path().as_os_str()]).expect_code(3);
    assert_eq!(run.text().lines().count(), 1);
    assert!(run.stderr.contains("/large: "), "{}", run.stderr);
    assert!(run.stderr.contains("--payload path"), "{}", run.stderr);
}

#[test]
fn more_files_than_shared_memory_holds_at_once_are_hashed_in_turn() {
    let dir = tempfile::tempdir().expect("temporary directory");
    for name in 0..12_u8 {
        fs::write(dir.path().join(name.to_string()), vec![name; 1 << 20]).expect("write");
    }
    let args = ["--payload", "shared", "--arena-limit", "4MiB", "--quiet"];
    let run = hash_files(&args, &[dir.path().as_os_str()]).expect_code(0);
    assert_eq!(run.text().lines().count(), 12);
}

#[test]
fn a_run_without_a_line_leaves_an_older_listing_alone() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let sums = dir.path().join("sums");
    fs::write(&sums, "older").expect("write");
    let output = sums.to_str().expect("text");
    let gone = dir.path().join("gone");
    let run = hash_files(&["--output", output], &[gone.as_os_str()]).expect_code(3);
    assert!(run.stderr.contains("is left as it was"), "{}", run.stderr);
    assert_eq!(fs::read(&sums).expect("a listing"), b"older");
    // Nothing to hash, and all went well: that is a listing of nothing.
    let empty = dir.path().join("empty");
    fs::create_dir(&empty).expect("mkdir");
    hash_files(&["--output", output], &[empty.as_os_str()]).expect_code(0);
    assert_eq!(fs::read(&sums).expect("a listing"), b"");
}

#[test]
fn one_output_that_cannot_be_written_does_not_lose_the_others() {
    if !Path::new("/dev/full").exists() {
        return;
    }
    let dir = tempfile::tempdir().expect("temporary directory");
    let (file, json) = (dir.path().join("a"), dir.path().join("json"));
    fs::write(&file, "a").expect("write");
    let report = json.to_str().expect("text");
    let args = ["--output", "/dev/full", "--json", report];
    let run = hash_files(&args, &[file.as_os_str()]).expect_code(5);
    assert!(run.text().starts_with("1 file hashed"), "{}", run.text());
    assert!(run.stderr.contains("cannot write /dev/full"));
    assert!(fs::read_to_string(json).expect("JSON").starts_with('{'));
    let run = hash_files(&["--json", "/dev/full"], &[file.as_os_str()]).expect_code(5);
    assert_eq!(run.text().lines().count(), 1);
    assert!(run.stderr.contains("1 file hashed"), "{}", run.stderr);
}

#[test]
fn two_outputs_to_one_place_are_refused() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let (file, link) = (dir.path().join("file"), dir.path().join("link"));
    fs::write(&file, "older").expect("write");
    symlink(&file, &link).expect("symlink");
    let name = |path: &Path| path.to_str().expect("text").to_owned();
    for (json, listing) in [
        ("-".to_owned(), "-".to_owned()),
        (name(&file), name(&file)),
        (name(&file), name(&link)),
    ] {
        let args = ["--json", &json, "--output", &listing];
        let run = hash_files(&args, &["/dev/null".as_ref()]).expect_code(2);
        assert!(run.stderr.contains("the same place"), "{}", run.stderr);
        assert!(run.stdout.is_empty());
    }
    assert_eq!(fs::read(&file).expect("as it was"), b"older");
}
