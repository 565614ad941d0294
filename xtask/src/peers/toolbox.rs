//! What a run needs: the programs, built; Python, with loky in a virtual environment. What cannot be
//! had is told, and the run goes on with what is there.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::roster::Program;
use crate::workspace::Workspace;

/// Pinned, so that a run can be repeated.
const LOKY: &str = "loky==3.7.0";

/// The start of the command line of each program, or why there is none.
#[derive(Debug)]
pub(super) struct Toolbox {
    pub(super) programs: BTreeMap<Program, Result<Vec<OsString>, String>>,
    /// Which of what is being measured, by name.
    pub(super) versions: Vec<(String, String)>,
}

/// Builds and looks for everything; `folder` is where it is kept.
pub(super) fn fill(workspace: &Workspace, folder: &Path) -> Toolbox {
    let root = &workspace.root;
    let scripts = root.join("benches/peers");
    let forkyard = build(
        Command::new(cargo())
            .args(["build", "--release", "--package", "benches"])
            .args(["--bin", "peer-forkyard"])
            .current_dir(root),
        workspace.target_dir.join("release/peer-forkyard"),
    );
    let target = folder.join("procspawn");
    let procspawn = build(
        Command::new(cargo())
            .args(["build", "--release", "--locked"])
            .env("CARGO_TARGET_DIR", &target)
            .current_dir(scripts.join("procspawn")),
        target.join("release/peer-procspawn"),
    );
    let (python, loky) = pythons(&folder.join("venv"));
    let versions = versions(root, &scripts, python.as_ref().ok(), loky.as_ref().ok());
    let with_script = |python: Result<PathBuf, String>| {
        python.map(|python| vec![python.into(), scripts.join("runner.py").into()])
    };
    Toolbox {
        programs: BTreeMap::from([
            (Program::Forkyard, forkyard),
            (Program::Procspawn, procspawn),
            (Program::Python, with_script(python)),
            (Program::Loky, with_script(loky)),
        ]),
        versions,
    }
}

fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

fn build(command: &mut Command, program: PathBuf) -> Result<Vec<OsString>, String> {
    let said = quietly(command).map_err(|why| {
        format!("could not be built ({why}); its dependencies need the network once")
    });
    said.map(|_| vec![program.into()])
}

/// The interpreter for the standard library's pools, and the one that has loky.
fn pythons(venv: &Path) -> (Result<PathBuf, String>, Result<PathBuf, String>) {
    let plain = PathBuf::from("python3");
    let version = "import sys; sys.exit(sys.version_info < (3, 8))";
    if quietly(Command::new(&plain).args(["-c", version])).is_err() {
        let why = "there is no python3 of 3.8 or later (apt-get install python3 python3-venv)";
        return (Err(why.to_owned()), Err(why.to_owned()));
    }
    let inside = venv.join("bin/python");
    let has_it = |python: &Path| quietly(Command::new(python).args(["-c", "import loky"])).is_ok();
    if !has_it(&inside) {
        let made = quietly(
            Command::new(&plain)
                .args(["-m", "venv", "--clear"])
                .arg(venv),
        );
        if let Err(why) = made {
            let why = format!("no virtual environment (apt-get install python3-venv): {why}");
            return (Ok(plain), Err(why));
        }
        let install = ["-m", "pip", "install", "--disable-pip-version-check", LOKY];
        if let Err(why) = quietly(Command::new(&inside).args(install)) {
            let why = format!("loky could not be installed, which needs the network: {why}");
            return (Ok(inside), Err(why));
        }
    }
    (Ok(inside.clone()), Ok(inside))
}

fn versions(
    root: &Path,
    scripts: &Path,
    python: Option<&PathBuf>,
    loky: Option<&PathBuf>,
) -> Vec<(String, String)> {
    let mut versions = vec![("forkyard".to_owned(), own_version(root))];
    let mut add = |name: &str, version: Option<String>| {
        if let Some(version) = version {
            versions.push((name.to_owned(), version));
        }
    };
    add(
        "rustc",
        quietly(Command::new("rustc").arg("--version"))
            .ok()
            .map(|said| said.trim_start_matches("rustc ").to_owned()),
    );
    let lock = std::fs::read_to_string(scripts.join("procspawn/Cargo.lock")).unwrap_or_default();
    add("procspawn", locked(&lock, "procspawn"));
    add("ipc-channel, under procspawn", locked(&lock, "ipc-channel"));
    let ask = |python: &PathBuf, code: &str| quietly(Command::new(python).args(["-c", code])).ok();
    let code = "import platform as p; print(p.python_implementation(), p.python_version())";
    add("Python", python.and_then(|python| ask(python, code)));
    let code = "import loky, cloudpickle; print(loky.__version__, 'with cloudpickle', \
                cloudpickle.__version__)";
    add("loky", loky.and_then(|python| ask(python, code)));
    versions
}

/// The version of the workspace, and of what it is a version.
fn own_version(root: &Path) -> String {
    let git = |arguments: &[&str]| quietly(Command::new("git").args(arguments).current_dir(root));
    let version = env!("CARGO_PKG_VERSION");
    let Ok(commit) = git(&["rev-parse", "--short=10", "HEAD"]) else {
        return version.to_owned();
    };
    let changes = match git(&["status", "--porcelain", "--untracked-files=no"]) {
        Ok(list) if !list.is_empty() => ", changed since",
        _ => "",
    };
    format!("{version} (commit {commit}{changes})")
}

/// The version of a package in a lock file.
fn locked(lock: &str, package: &str) -> Option<String> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name);
    let version = lines.nth(1)?.strip_prefix("version = \"")?;
    Some(version.trim_end_matches('"').to_owned())
}

/// What a command prints; the last line of its errors when it fails.
pub(super) fn quietly(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot run {name}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    let last = errors.trim().lines().last().unwrap_or_default();
    Err(format!("{name}: {}: {last}", output.status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_found_in_a_lock_file() {
        let lock = "[[package]]\nname = \"a\"\nversion = \"1.2.3\"\nsource = \"x\"\n";
        assert_eq!(locked(lock, "a").as_deref(), Some("1.2.3"));
        assert_eq!(locked(lock, "b"), None);
    }

    #[test]
    fn what_fails_says_why() {
        let why = quietly(&mut Command::new("/does/not/exist")).expect_err("it is not there");
        assert!(why.contains("/does/not/exist"), "{why}");
        assert!(quietly(&mut Command::new("false")).is_err());
    }
}
