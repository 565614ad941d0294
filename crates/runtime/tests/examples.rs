//! Every example runs, and prints what its documentation says. `cargo test` builds them.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// After that long an example counts as hung.
const DEADLINE: Duration = Duration::from_secs(60);
/// How long after it was killed its workers may have its output open.
const AFTERLIFE: Duration = Duration::from_secs(10);

/// The folder of the examples, beside that of this test.
fn folder() -> PathBuf {
    let me = std::env::current_exe().expect("this test's path");
    let profile = me.ancestors().nth(2).expect("target/PROFILE/deps/NAME");
    profile.join("examples")
}

/// An example that has ended.
struct Ended {
    status: ExitStatus,
    stdout: String,
    stderr: String,
}

/// All that comes out of a pipe, once it is closed.
fn all_of(mut pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (done, text) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        let _ = done.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    text
}

/// Runs a command to its end, or for [`DEADLINE`].
#[track_caller]
fn end_of(command: &mut Command) -> Ended {
    let piped = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = match piped.spawn() {
        Ok(child) => child,
        Err(error) => panic!("{command:?}: {error}; `cargo build --examples` makes it"),
    };
    let stdout = all_of(child.stdout.take().expect("it is piped"));
    let stderr = all_of(child.stderr.take().expect("it is piped"));
    // Closed by the last process of it, not before the first has ended.
    let in_time = stdout.recv_timeout(DEADLINE);
    if in_time.is_err() {
        let _ = child.kill();
    }
    let status = child.wait().expect("it ends");
    let late = || stdout.recv_timeout(AFTERLIFE).unwrap_or_default();
    let was_in_time = in_time.is_ok();
    let stdout = in_time.unwrap_or_else(|_| late());
    let stderr = stderr.recv_timeout(AFTERLIFE).unwrap_or_default();
    assert!(
        was_in_time,
        "{command:?} hangs: no end within {DEADLINE:?}\n{stdout}\n{stderr}"
    );
    Ended {
        status,
        stdout,
        stderr,
    }
}

/// What an example prints that ends as it should.
#[track_caller]
fn printed(command: &mut Command) -> String {
    let Ended {
        status,
        stdout,
        stderr,
    } = end_of(command);
    assert!(
        status.success(),
        "{command:?}: {status}\n{stdout}\n{stderr}"
    );
    stdout
}

/// Runs an example; returns what it printed.
#[track_caller]
fn run(name: &str, arguments: &[&str]) -> String {
    printed(Command::new(folder().join(name)).args(arguments))
}

/// Runs an example that cannot do what it is asked; returns what it says about that.
#[track_caller]
fn refused(name: &str, arguments: &[&str]) -> String {
    let ended = end_of(Command::new(folder().join(name)).args(arguments));
    let Ended { status, stderr, .. } = ended;
    assert_eq!(status.code(), Some(1), "{name}: {status}\n{stderr}");
    assert!(!stderr.contains("panicked"), "{name}: {stderr}");
    stderr
}

/// A file of that text in `folder`, by its path.
fn file(folder: &Path, name: &str, text: impl AsRef<[u8]>) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("a file can be written");
    path.to_str().expect("a path of plain letters").to_owned()
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
fn a_given_recording_is_cleaned() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut samples = [100_i16; 1000];
    for at in [1, 400, 998] {
        samples[at] = -20_000;
    }
    let mut bytes: Vec<u8> = samples.into_iter().flat_map(i16::to_le_bytes).collect();
    let even = file(folder.path(), "even", &bytes);
    bytes.push(7); // half a sample
    let odd = file(folder.path(), "odd", &bytes);
    for given in [even, odd] {
        let printed = run("clean_recording", &[&given]);
        assert!(
            printed.contains("3 clicks taken out of 1000 samples"),
            "{printed}"
        );
    }
    let empty = file(folder.path(), "empty", "");
    let printed = run("clean_recording", &[&empty]);
    assert!(printed.contains("0 clicks taken out of 0"), "{printed}");
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

/// The endless task has the only worker when the rough answer is asked for.
#[test]
fn with_tokio_on_one_processor() {
    let example = folder().join("with_tokio");
    let confined = |program: &Path| {
        let mut command = Command::new("taskset");
        command.args(["-c", "0"]).arg(program);
        command
    };
    let can_be = confined(Path::new("true")).stderr(Stdio::null()).status();
    if !can_be.is_ok_and(|status| status.success()) {
        eprintln!("skipped: no taskset to confine a process to one processor");
        return;
    }
    let printed = printed(&mut confined(&example));
    assert!(printed.contains("3.1416 and 3.141"), "{printed}");
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
fn given_documents_are_decoded() {
    let folder = tempfile::tempdir().expect("a folder");
    let good = file(folder.path(), "good", "(a (b) (c (d)))\n");
    let deadly = file(folder.path(), "deadly", "(".repeat(10_000_000));
    let printed = run("crash_prone_decoder", &[&good, &deadly]);
    let wanted = [
        format!("{good}: 4 lists, 3 deep"),
        format!("{deadly}: killed 2 workers"),
    ];
    assert!(
        wanted.iter().all(|line| printed.contains(line)),
        "{printed}"
    );
}

#[test]
fn rayon_inside() {
    let printed = run("rayon_inside", &[]);
    let wanted = "made: 10000 words, 5336 different ones, most often fizz (2667 times)";
    assert!(printed.contains(wanted), "{printed}");
}

#[test]
fn words_of_given_texts_are_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let one = file(folder.path(), "one", "to be or not to be");
    let other = file(folder.path(), "other", "the end is the end\nis the end\n");
    let printed = run("rayon_inside", &[&one, &other]);
    let wanted = [
        format!("{one}: 6 words, 4 different ones, most often to (2 times)"),
        format!("{other}: 8 words, 3 different ones, most often the (3 times)"),
    ];
    assert!(
        wanted.iter().all(|line| printed.contains(line)),
        "{printed}"
    );
}

#[test]
fn wrong_arguments_are_told() {
    for (name, arguments, wanted) in [
        ("checksums", ["--help"].as_slice(), "usage: checksums"),
        ("checksums", &["/no/such"], "/no/such: no such folder"),
        ("clean_recording", &["--help"], "usage: clean_recording"),
        ("clean_recording", &["/no/such"], "/no/such: No such file"),
        ("crash_prone_decoder", &["--help"], "[FILE...]"),
        ("crash_prone_decoder", &["/no/such"], "/no/such: No such"),
        ("proof_of_work", &["--help"], "usage: proof_of_work"),
        ("proof_of_work", &["text", "many"], "many"),
        ("proof_of_work", &["text", "300"], "0 to 48"),
        ("rayon_inside", &["/no/such"], "/no/such: No such file"),
    ] {
        let told = refused(name, arguments);
        assert!(told.contains(wanted), "{name} {arguments:?}: {told}");
    }
}

/// Whoever reads the sums has seen enough after the first.
#[test]
fn checksums_end_with_their_reader() {
    let mut command = Command::new("sh");
    let script = "\"$0\" | head -n 1";
    let ended = end_of(command.args(["-c", script]).arg(folder().join("checksums")));
    assert_eq!(ended.stdout.lines().count(), 1, "{}", ended.stdout);
    assert_eq!(ended.stderr, "");
}
