//! Running the command as a user does, with a deadline on everything.

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// Longer than any of these runs takes on a slow machine; reaching it is a hang.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// How a run of the command ended.
#[derive(Debug)]
pub(crate) struct Run {
    /// Exit code, if it was not killed.
    pub(crate) code: Option<i32>,
    /// What it wrote to standard output.
    pub(crate) stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub(crate) stderr: String,
}

impl Run {
    /// Standard output as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).expect("text on standard output")
    }

    /// Standard output as JSON and nothing else.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.stdout).expect("JSON on standard output")
    }

    /// Panics unless it ended with `code`.
    #[track_caller]
    pub(crate) fn expect_code(self, code: i32) -> Self {
        let stdout = String::from_utf8_lossy(&self.stdout);
        let stderr = &self.stderr;
        assert_eq!(
            self.code,
            Some(code),
            "stdout:\n{stdout}\nstderr:\n{stderr}"
        );
        self
    }
}

/// The command, without the environment's say in width and colours.
fn command(args: &[impl AsRef<OsStr>]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_forkyard"));
    command
        .args(args)
        .env_remove("COLUMNS")
        .env_remove("NO_COLOR")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A command under way, which is killed if its test fails.
pub(crate) struct Running(Option<Child>);

impl Running {
    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child().id()
    }

    /// Closes the reading end of its standard output.
    pub(crate) fn close_stdout(&mut self) {
        let child = self.0.as_mut().expect("under way");
        drop(child.stdout.take());
    }

    /// Waits until it writes to its standard output, and takes one byte of that.
    pub(crate) fn wait_for_stdout(&mut self) {
        let child = self.0.as_mut().expect("under way");
        let stdout = child.stdout.as_mut().expect("piped");
        stdout.read_exact(&mut [0]).expect("it writes");
    }

    fn child(&self) -> &Child {
        self.0.as_ref().expect("under way")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Starts the command.
pub(crate) fn start(args: &[impl AsRef<OsStr>]) -> Running {
    let child = command(args).spawn();
    Running(Some(child.expect("the command starts")))
}

/// Starts the command with standard error in a file, to be read while it runs.
pub(crate) fn start_telling(args: &[impl AsRef<OsStr>], stderr: std::fs::File) -> Running {
    let child = command(args).stderr(stderr).spawn();
    Running(Some(child.expect("the command starts")))
}

/// Starts the command with standard output in a file.
pub(crate) fn start_printing(args: &[impl AsRef<OsStr>], stdout: std::fs::File) -> Running {
    let child = command(args).stdout(stdout).spawn();
    Running(Some(child.expect("the command starts")))
}

/// Starts the command as a shell does that has it ignore a signal.
pub(crate) fn start_ignoring(signal: &str, args: &[&str]) -> Running {
    let mut shell = Command::new("sh");
    let script = format!("trap '' {signal}; exec \"$0\" \"$@\"");
    shell.args(["-c", &script, env!("CARGO_BIN_EXE_forkyard")]);
    shell.args(args).stdin(Stdio::null());
    let child = shell.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    Running(Some(child.expect("a shell can be run")))
}

/// Starts the command as a shell starts a job, in a process group of its own.
pub(crate) fn start_as_job(args: &[impl AsRef<OsStr>]) -> Running {
    let child = command(args).process_group(0).spawn();
    Running(Some(child.expect("the command starts")))
}

/// Runs the command to its end.
pub(crate) fn run(args: &[impl AsRef<OsStr>]) -> Run {
    finish(start(args))
}

/// Waits for the end of a command that was started.
pub(crate) fn finish(mut running: Running) -> Run {
    let pid = running.id();
    let child = running.0.take().expect("under way");
    let (sender, receiver) = channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    let Ok(output) = receiver.recv_timeout(DEADLINE) else {
        signal(pid, "KILL");
        panic!("process {pid} did not end within {DEADLINE:?}");
    };
    let output = output.expect("its output can be read");
    Run {
        code: output.status.code(),
        stdout: output.stdout,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Sends a signal.
pub(crate) fn signal(pid: u32, name: &str) -> ExitStatus {
    // The shell's own: not every system has a program of that name.
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("kill -s {name} {pid}")]);
    shell.status().expect("a shell can be run")
}

/// The child processes of all its threads; `None` where there is no /proc.
pub(crate) fn children(pid: u32) -> Option<Vec<u32>> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    let lists = threads.filter_map(|thread| {
        let list = thread.ok()?.path().join("children");
        std::fs::read_to_string(list).ok()
    });
    let pids = lists.collect::<String>();
    Some(
        pids.split_whitespace()
            .filter_map(|pid| pid.parse().ok())
            .collect(),
    )
}

/// Waits until `condition` holds.
#[track_caller]
pub(crate) fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < DEADLINE, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A shell command under a terminal that `script` makes; what was drawn there goes to a file. `None`
/// where no terminal can be had.
pub(crate) fn in_terminal(shell: &str, file: &Path) -> Option<Child> {
    // Its options are those of util-linux; where there is another, or none, the terminal is left out.
    let version = Command::new("script").arg("--version").output();
    if !version.is_ok_and(|it| String::from_utf8_lossy(&it.stdout).contains("util-linux")) {
        eprintln!("skipped: there is no `script` of util-linux here");
        return None;
    }
    let mut script = Command::new("script");
    script.args(["-qefc", shell]).arg(file);
    script
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    Some(script.spawn().expect("it can be started"))
}

/// What a terminal has shown.
pub(crate) fn drawn(file: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(file).unwrap_or_default()).into_owned()
}
