//! Running a victim: with a folder, a tag and a deadline of its own, and with a look afterwards
//! at what it left behind.

use std::ffi::OsString;
use std::fmt::Display;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use forkyard_os::process::{Pid, Signal, kill};
use tempfile::TempDir;

use crate::patience::{LIVENESS, within};
use crate::{Way, census, gate};

/// Names the variable that marks every process of a run.
const TAG_VARIABLE: &str = "FY_TEST_TAG";

/// How long after its supervisor a worker, or a segment, may still be there.
const AFTERLIFE: Duration = Duration::from_secs(1);

/// A victim to be.
#[derive(Debug)]
#[must_use = "a victim does nothing until it is run or started"]
pub struct Victim {
    program: PathBuf,
    arguments: Vec<OsString>,
    variables: Vec<(OsString, OsString)>,
    prelude: Option<String>,
    launcher: Vec<&'static str>,
    input: Option<String>,
    deadline: Duration,
}

impl Victim {
    /// The victim of that program.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            variables: Vec::new(),
            prelude: None,
            launcher: Vec::new(),
            input: None,
            deadline: LIVENESS,
        }
    }

    /// With one more argument.
    pub fn arg(mut self, argument: impl Display) -> Self {
        self.arguments.push(argument.to_string().into());
        self
    }

    /// With the way as arguments.
    pub fn on(self, way: Way) -> Self {
        self.arg(way.transport).arg(way.method)
    }

    /// With a variable in its environment.
    pub fn env(mut self, name: &str, value: impl Display) -> Self {
        self.variables.push((name.into(), value.to_string().into()));
        self
    }

    /// With shell commands run before it, in its process ("ulimit -n 256").
    pub fn after(mut self, commands: &str) -> Self {
        self.prelude = Some(commands.to_owned());
        self
    }

    /// Started by another program, which executes what follows ("unshare -m").
    pub fn under(mut self, launcher: &[&'static str]) -> Self {
        self.launcher = launcher.to_vec();
        self
    }

    /// With a pipe as its standard input, in which this lies: no more than a pipe holds.
    pub fn reading(mut self, text: impl Into<String>) -> Self {
        self.input = Some(text.into());
        self
    }

    /// With more, or less, than [`LIVENESS`] until it counts as hung.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Starts it, in a process group of its own.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(self) -> Running {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let tag = format!("{}-{number}", std::process::id());
        let folder = tempfile::Builder::new()
            .prefix("fy")
            .tempdir()
            .expect("a folder for the run");
        let tmp = folder.path().join("t");
        fs::create_dir(&tmp).expect("a folder for its temporary files");
        let out = File::create(folder.path().join("stdout")).expect("a file for its output");
        let err = File::create(folder.path().join("stderr")).expect("a file for its errors");
        let mut command = self.command();
        command
            .env(TAG_VARIABLE, &tag)
            .env(gate::FOLDER_VARIABLE, folder.path())
            .env("TMPDIR", &tmp)
            .env("RUST_BACKTRACE", "0")
            .envs(self.variables)
            .stdin(self.input.as_deref().map_or_else(Stdio::null, piped))
            .stdout(out)
            .stderr(err)
            .process_group(0);
        let child = command.spawn().expect("the victim can be started");
        Running {
            child,
            tag: format!("{TAG_VARIABLE}={tag}"),
            folder,
            deadline: self.deadline,
        }
    }

    fn command(&self) -> Command {
        let mut words: Vec<OsString> = self.launcher.iter().map(OsString::from).collect();
        if let Some(prelude) = &self.prelude {
            let script = format!("{prelude} && exec \"$@\"");
            words.extend(["sh".into(), "-c".into(), script.into(), "sh".into()]);
        }
        words.push(self.program.clone().into());
        words.extend(self.arguments.iter().cloned());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        command
    }

    /// Runs it to its end.
    #[must_use]
    pub fn run(self) -> Ended {
        self.start().wait()
    }

    /// Runs it; it must succeed and leave nothing behind.
    pub fn passes(self) {
        self.run().passed();
    }
}

/// A victim that runs. Dropped before its end, it is killed with all that descends from it.
#[derive(Debug)]
pub struct Running {
    child: Child,
    tag: String,
    folder: TempDir,
    deadline: Duration,
}

impl Running {
    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// The folder of the run.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Waits until the victim, or a task of it, says something under `name`.
    ///
    /// # Panics
    /// When it ends before, or says nothing in time.
    pub fn hear(&mut self, name: &str) -> String {
        let path = self.folder().join(name);
        let limit = self.deadline;
        let heard = within(limit, || {
            let ended = self.child.try_wait().is_ok_and(|status| status.is_some());
            match fs::read_to_string(&path) {
                Ok(text) => Some(Some(text)),
                Err(_) => ended.then_some(None),
            }
        });
        match heard.flatten() {
            Some(text) => text,
            None => panic!("the victim did not say {name:?}\n{}", self.report()),
        }
    }

    /// Tells the victim something.
    pub fn say(&self, name: &str, text: impl Display) {
        gate::say_in(self.folder(), name, text);
    }

    /// Sends the victim a signal.
    pub fn signal(&self, signal: Signal) {
        send(self.pid(), signal);
    }

    /// Sends the victim's process group a signal, as a terminal does.
    ///
    /// # Panics
    /// When `kill` cannot be run.
    pub fn signal_group(&self, name: &str) {
        let group = format!("-{}", self.pid());
        let status = Command::new("kill")
            .args(["-s", name, "--", &group])
            .status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "kill {name} {group}"
        );
    }

    /// The live processes of the run.
    #[must_use]
    pub fn processes(&self) -> Vec<i32> {
        census::tagged(&self.tag)
    }

    /// Waits for the end of the victim itself.
    ///
    /// # Panics
    /// When it hangs: all its processes are killed then.
    #[must_use]
    pub fn wait(mut self) -> Ended {
        let limit = self.deadline;
        let status = within(limit, || self.child.try_wait().ok().flatten());
        let Some(status) = status else {
            let report = self.report();
            panic!("the victim hangs: no end within {limit:?}\n{report}");
        };
        Ended {
            status,
            stdout: self.read("stdout"),
            stderr: self.read("stderr"),
            run: self,
        }
    }

    fn read(&self, name: &str) -> String {
        let bytes = fs::read(self.folder().join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// What can be said of it, for a failure.
    fn report(&self) -> String {
        let mut text = format!(
            "--- stdout\n{}\n--- stderr\n{}\n--- processes\n",
            self.read("stdout"),
            self.read("stderr")
        );
        for pid in self.processes() {
            text.push_str(&census::whereabouts(pid));
        }
        text
    }

    fn kill_all(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        for pid in self.processes() {
            send(pid, Signal::Kill);
        }
        for segment in census::segments_of(self.child.id()) {
            let _ = fs::remove_file(segment);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill_all();
    }
}

/// A victim that has ended.
#[derive(Debug)]
pub struct Ended {
    /// How.
    pub status: ExitStatus,
    /// What it and its workers wrote to standard output.
    pub stdout: String,
    /// What they wrote to standard error.
    pub stderr: String,
    run: Running,
}

impl Ended {
    /// The folder of the run.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.run.folder()
    }

    /// The processes of the run that still live.
    #[must_use]
    pub fn processes(&self) -> Vec<i32> {
        self.run.processes()
    }

    /// It went through its scenario, and left nothing behind.
    ///
    /// # Panics
    /// When not.
    #[track_caller]
    pub fn passed(&self) {
        let finished = self.stdout.lines().any(|line| line == SCENARIO_DONE);
        assert!(
            self.status.success() && finished,
            "{}\n{}",
            self.status,
            self.run.report()
        );
        // What the victim could not try is told by whoever runs it.
        let skipped = self
            .stdout
            .lines()
            .filter(|line| line.starts_with("skipped: "));
        skipped.for_each(|line| eprintln!("{line}"));
        self.left_nothing();
        let files = census::entries(self.run.folder().join("t"));
        assert!(files.is_empty(), "temporary files are left: {files:?}");
    }

    /// A signal ended it, and it left nothing behind.
    ///
    /// # Panics
    /// When not.
    #[track_caller]
    pub fn was_killed_by(&self, signal: Signal) {
        assert_eq!(
            self.status.signal(),
            Some(signal.as_raw()),
            "{}",
            self.run.report()
        );
        self.left_nothing();
    }

    /// A signal ended it while it built a pool. Its processes are gone; a segment that nobody
    /// else knew of yet goes when `next`, another victim, builds its pool.
    ///
    /// # Panics
    /// When not.
    #[track_caller]
    pub fn was_swept_after(&self, signal: Signal, next: Victim) {
        assert_eq!(
            self.status.signal(),
            Some(signal.as_raw()),
            "{}",
            self.run.report()
        );
        let gone = within(AFTERLIFE, || self.run.processes().is_empty().then_some(()));
        assert!(gone.is_some(), "processes are left\n{}", self.run.report());
        next.passes();
        self.left_nothing();
    }

    /// Within a second no process of the run is there, nor a segment.
    ///
    /// # Panics
    /// When there is.
    #[track_caller]
    pub fn left_nothing(&self) {
        let mut found = (Vec::new(), Vec::new());
        let clean = within(AFTERLIFE, || {
            found = (
                self.run.processes(),
                census::segments_of(self.run.child.id()),
            );
            (found.0.is_empty() && found.1.is_empty()).then_some(())
        });
        assert!(
            clean.is_some(),
            "a second after its end the victim's processes {:?} and segments {:?} are there\n{}",
            found.0,
            found.1,
            self.run.report()
        );
    }
}

/// The end of a pipe in which that lies.
fn piped(text: &str) -> Stdio {
    let (read, mut write) = std::io::pipe().expect("a pipe");
    write.write_all(text.as_bytes()).expect("it holds that");
    read.into()
}

/// What a victim prints when its scenario went as it should.
pub const SCENARIO_DONE: &str = "the scenario is done";

/// Sends a signal to a process, or to a thread of it.
pub fn send(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        // Gone already is as good.
        let _ = kill(pid, signal);
    }
}
