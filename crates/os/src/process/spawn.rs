//! Starting the running program once more, from its beginning.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use nix::errno::Errno;

use super::{Environment, Pid, platform};
use crate::OsError;
use crate::control::ControlSocket;

/// The only argument of a re-executed program: it marks a worker in process listings, and tells `init` that it is one.
pub const WORKER_ARG: &str = "--forkyard-worker";

/// Why the program could not be started once more.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// The user or the machine has as many processes as it may.
    #[error(
        "the limit of processes is reached; close some, or raise `ulimit -u` (cgroup: pids.max)"
    )]
    ProcessLimit,
    /// There is no memory for another process.
    #[error("there is no memory for another process; end some, or start fewer workers")]
    NoMemory,
    /// The program's file cannot be found.
    #[error("the running program's file cannot be found; is /proc mounted, or was the file moved?")]
    NoProgram,
    /// Anything else that the system said.
    #[error(transparent)]
    Os(#[from] OsError),
}

/// Starts the running program once more, in `environment` with `env` added, [`WORKER_ARG`] as its only argument,
/// nothing on standard input, this process's output and error output, and a process group of its own. The caller
/// reaps it with [`super::reap`].
///
/// On Linux it is the very image that runs, whatever has become of its file since; on macOS the file of that path. The
/// standard library takes `posix_spawn` for it (nothing here asks for code between fork and exec), so its cost does
/// not grow with the memory of this process. Signals start unblocked.
///
/// # Errors
/// [`SpawnError::ProcessLimit`], [`SpawnError::NoMemory`], [`SpawnError::NoProgram`], or what else the system says.
pub fn spawn_self(env: &[(&str, &str)], environment: &Environment) -> Result<Pid, SpawnError> {
    spawn(env, environment, Stdio::null(), Stdio::inherit())
}

/// As [`spawn_self`], with `stderr` as the child's standard error from its first instruction on.
///
/// # Errors
/// As [`spawn_self`].
pub fn spawn_self_with_stderr(
    env: &[(&str, &str)],
    environment: &Environment,
    stderr: OwnedFd,
) -> Result<Pid, SpawnError> {
    spawn(env, environment, Stdio::null(), Stdio::from(stderr))
}

/// As [`spawn_self`], with `control` as the child's standard input, where [`ControlSocket::from_stdin`] finds it. So the
/// socket crosses exec without being inheritable by anybody else for a moment.
///
/// # Errors
/// As [`spawn_self`]; the socket is closed then.
pub fn spawn_self_with_control(
    env: &[(&str, &str)],
    environment: &Environment,
    control: ControlSocket,
) -> Result<Pid, SpawnError> {
    let stdin = Stdio::from(OwnedFd::from(control));
    spawn(env, environment, stdin, Stdio::inherit())
}

fn spawn(
    env: &[(&str, &str)],
    environment: &Environment,
    stdin: Stdio,
    stderr: Stdio,
) -> Result<Pid, SpawnError> {
    let program = platform::program().map_err(|error| translate(&error))?;
    let arg0 = std::env::args_os()
        .next()
        .unwrap_or_else(|| program.clone().into());
    let mut command = Command::new(program);
    environment.apply_to(&mut command);
    let child = command
        .arg0(arg0)
        .arg(WORKER_ARG)
        .envs(env.iter().copied())
        .stdin(stdin)
        .stderr(stderr)
        .process_group(0)
        .spawn()
        .map_err(|error| translate(&error))?;
    Pid::from_raw(child.id().cast_signed())
        .ok_or_else(|| OsError::new("start a process", Errno::EINVAL).into())
}

fn translate(error: &io::Error) -> SpawnError {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EAGAIN) => SpawnError::ProcessLimit,
        Some(Errno::ENOMEM) => SpawnError::NoMemory,
        Some(Errno::ENOENT) => SpawnError::NoProgram,
        Some(errno) => OsError::new("start a process", errno).into(),
        None => OsError::new("start a process", error.kind()).into(),
    }
}
