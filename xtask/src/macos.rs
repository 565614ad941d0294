//! `cargo xtask macos`: does everything still compile and link for macOS?
//!
//! On a Mac this is a plain build. On Linux it is a cross-link of the command and of every test,
//! bench and example program for [`TARGET`]: Debian's rustc and the standard library's source (which
//! make `-Zbuild-std` possible without a nightly toolchain), and zig as the linker, which brings
//! Apple's library stubs. It proves that the macOS code type-checks, without warnings, and that every
//! symbol exists; it runs nothing. See `docs/decisions/0001-checks-without-a-mac.md`.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::Value;

use crate::{Outcome, workspace};

const TARGET: &str = "aarch64-apple-darwin";

/// Debian's compiler, cargo, and source of the standard library, of one version.
const DEBIAN_PACKAGES: &[&str] = &["rustc-web", "cargo-web", "rust-web-src"];
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";

/// The linker, and the cargo subcommand that puts it to use; pinned, so that a run can be repeated.
const PYTHON_PACKAGES: &[&str] = &["ziglang==0.17.0", "cargo-zigbuild==0.24.0"];

/// What the outer cargo, or the caller, set for the host and would leak into the cross build.
const UNWANTED_VARIABLES: &[&str] = &[
    "CARGO_BUILD_TARGET",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_TARGET_DIR",
    "LD_LIBRARY_PATH",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_WRAPPER",
    "RUSTDOC",
    "RUSTFLAGS",
    "RUSTUP_TOOLCHAIN",
];

/// Checks the workspace for macOS, installing what that needs where it may.
pub(crate) fn run() -> Outcome {
    let workspace = workspace::load()?;
    match std::env::consts::OS {
        "macos" => build_natively(&workspace.root),
        "linux" => {
            let compiler = timed("Debian's compiler", ensure_debian_packages)?;
            println!("    {compiler}");
            let venv = workspace.target_dir.join("macos-venv");
            timed("zig and cargo-zigbuild", || ensure_venv(&venv))?;
            let target_dir = workspace.target_dir.join("macos");
            let built = timed("build and link", || {
                cross_build(&workspace.root, &venv, &target_dir)
            })?;
            Ok(report(&built))
        }
        other => Err(format!(
            "no way to build for macOS on {other}: use Linux or a Mac"
        )),
    }
}

fn build_natively(root: &Path) -> Outcome {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--workspace", "--all-targets"]);
    run_command(cargo.current_dir(root))?;
    println!("macos: built and linked natively; `cargo test --workspace` runs it");
    Ok(true)
}

/// Runs one part and prints how long it took.
fn timed<T>(what: &str, part: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    println!("macos: {what}");
    let start = Instant::now();
    let result = part()?;
    println!("    {:.0} s", start.elapsed().as_secs_f64());
    Ok(result)
}

/// Makes sure that Debian's packages are there, and returns the compiler's version.
fn ensure_debian_packages() -> Result<String, String> {
    let missing = DEBIAN_PACKAGES
        .iter()
        .filter(|package| !is_installed(package));
    let missing: Vec<&str> = missing.copied().collect();
    if !missing.is_empty() {
        apt_install(&missing)?;
    }
    output_of(Command::new(DEBIAN_RUSTC).arg("--version"))
}

fn is_installed(package: &str) -> bool {
    let mut query = Command::new("dpkg-query");
    query.args(["--show", "--showformat=${db:Status-Status}", package]);
    output_of(&mut query).is_ok_and(|status| status == "installed")
}

fn apt_install(packages: &[&str]) -> Result<(), String> {
    let list = packages.join(" ");
    let is_root = output_of(Command::new("id").arg("-u")).is_ok_and(|id| id == "0");
    if !is_root {
        return Err(format!(
            "not root, so install these first: apt-get install {list} (Debian 12 with its \
             security updates has them)"
        ));
    }
    println!("    apt-get install {list}");
    run_command(Command::new("apt-get").args(["update", "-qq"]))?;
    let mut install = Command::new("apt-get");
    install
        .args(["install", "-y", "-qq", "--no-install-recommends"])
        .args(packages)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdout(Stdio::null());
    run_command(&mut install)
}

/// Makes a virtual environment that holds [`PYTHON_PACKAGES`]; a finished one is kept.
fn ensure_venv(venv: &Path) -> Result<(), String> {
    let stamp = venv.join("forkyard-packages");
    let wanted = PYTHON_PACKAGES.join("\n");
    if std::fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    let make = || {
        let mut python = Command::new("python3");
        python.args(["-m", "venv", "--clear"]).arg(venv);
        run_command(&mut python)
    };
    if make().is_err() {
        apt_install(&["python3", "python3-venv"])?;
        make()?;
    }
    let mut pip = Command::new(venv.join("bin/python"));
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ])
    .args(PYTHON_PACKAGES);
    run_command(&mut pip)?;
    std::fs::write(&stamp, wanted)
        .map_err(|error| format!("cannot write {}: {error}", stamp.display()))
}

/// What came out of a build.
#[derive(Debug, Default)]
struct Built {
    /// The programs that cargo says it linked.
    programs: Vec<PathBuf>,
    /// What the compiler had to say, each message once.
    messages: BTreeSet<String>,
    /// How many of these are warnings about our code.
    warnings: usize,
}

/// Builds and links everything, printing the compiler's messages as they come.
fn cross_build(root: &Path, venv: &Path, target_dir: &Path) -> Result<Built, String> {
    let mut zigbuild = Command::new(venv.join("bin/cargo-zigbuild"));
    zigbuild
        .args(["zigbuild", "--workspace", "--all-targets"])
        .args(["-Zbuild-std=std,panic_unwind", "--target", TARGET])
        .arg("--message-format=json")
        .arg("--target-dir")
        .arg(target_dir);
    for name in UNWANTED_VARIABLES {
        zigbuild.env_remove(name);
    }
    // Nothing of this is ever run: no debug information, and no strip, which would need a tool that
    // Debian does not package.
    zigbuild
        .env("PATH", path_with(&venv.join("bin"))?)
        .env("RUSTC", DEBIAN_RUSTC)
        .env("CARGO", DEBIAN_CARGO)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_INCREMENTAL", "0")
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env("CARGO_PROFILE_DEV_STRIP", "none")
        .env(
            "CARGO_ZIGBUILD_CACHE_DIR",
            target_dir.join("zigbuild-cache"),
        )
        .env("ZIG_GLOBAL_CACHE_DIR", target_dir.join("zig-cache"))
        .current_dir(root)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let name = zigbuild.get_program().to_owned();
    let cannot_run = |error| format!("cannot run {}: {error}", name.display());
    let mut child = zigbuild.spawn().map_err(cannot_run)?;
    let stdout = child.stdout.take().expect("stdout is piped");
    let mut built = Built::default();
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        built.read(&line);
    }
    let status = child.wait().map_err(cannot_run)?;
    if status.success() {
        Ok(built)
    } else {
        Err(format!("the build for {TARGET} failed ({status})"))
    }
}

impl Built {
    /// Takes in one line of cargo's messages, and prints what is for people.
    fn read(&mut self, line: &str) {
        let Ok(message) = serde_json::from_str::<Value>(line) else {
            return;
        };
        // Build scripts are programs of this machine.
        let is_build_script = message["target"]["kind"][0] == "custom-build";
        if let Some(path) = message["executable"].as_str()
            && !is_build_script
        {
            self.programs.push(PathBuf::from(path));
        }
        let diagnostic = &message["message"];
        if let Some(rendered) = diagnostic["rendered"].as_str()
            && self.messages.insert(rendered.to_owned())
        {
            eprintln!("{rendered}");
            // Cargo caps the lints of others' code. The linker's warnings have no place in code.
            let has_place = diagnostic["spans"]
                .as_array()
                .is_some_and(|s| !s.is_empty());
            let is_warning = diagnostic["level"] == "warning" && has_place;
            self.warnings += usize::from(is_warning);
        }
    }
}

fn path_with(first: &Path) -> Result<std::ffi::OsString, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let all = std::iter::once(first.to_owned()).chain(std::env::split_paths(&path));
    std::env::join_paths(all).map_err(|error| format!("PATH cannot be extended: {error}"))
}

/// Looks at what was linked, and prints the verdict.
fn report(built: &Built) -> bool {
    let programs = &built.programs;
    let wrong: Vec<_> = programs.iter().filter(|path| !is_mach_o(path)).collect();
    for path in &wrong {
        println!("macos: not a Mach-O program for arm64: {}", path.display());
    }
    println!(
        "macos: {} programs linked for {TARGET} (built, not run), {} warnings",
        programs.len() - wrong.len(),
        built.warnings
    );
    wrong.is_empty() && !programs.is_empty() && built.warnings == 0
}

/// Whether the file starts like a 64-bit Mach-O file for arm64.
fn is_mach_o(path: &Path) -> bool {
    let mut header = [0; 8];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut header));
    read.is_ok() && header == [0xcf, 0xfa, 0xed, 0xfe, 0x0c, 0, 0, 0x01]
}

fn run_command(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    match command.stdin(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{name} failed ({status})")),
        Err(error) => Err(format!("cannot run {name}: {error}")),
    }
}

fn output_of(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot run {name}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{name} failed ({})", output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Built {
        let mut built = Built::default();
        lines.iter().for_each(|line| built.read(line));
        built
    }

    #[test]
    fn programs_are_read_from_cargos_messages() {
        let built = read(&[
            r#"{"target":{"kind":["bin"]},"executable":"/t/a"}"#,
            r#"{"target":{"kind":["lib"]},"executable":null}"#,
            r#"{"target":{"kind":["custom-build"]},"executable":"/t/b"}"#,
            "not JSON",
        ]);
        assert_eq!(built.programs, [PathBuf::from("/t/a")]);
        assert_eq!(built.warnings, 0);
    }

    #[test]
    fn a_warning_counts_once_and_the_linkers_not_at_all() {
        let unused = r#"{"message":{"level":"warning","rendered":"unused","spans":[{}]}}"#;
        let linker = r#"{"message":{"level":"warning","rendered":"no SDK","spans":[]}}"#;
        assert_eq!(read(&[unused, linker, unused]).warnings, 1);
        assert!(!report(&read(&[unused])));
    }

    #[test]
    fn a_program_of_this_machine_is_no_mac_program_unless_it_is_one() {
        let this = std::env::current_exe().expect("the test program has a path");
        let is_mac = std::env::consts::OS == "macos" && std::env::consts::ARCH == "aarch64";
        assert_eq!(is_mach_o(&this), is_mac);
        assert!(!is_mach_o(Path::new("/does/not/exist")));
    }
}
