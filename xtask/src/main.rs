//! Chores of the repository, run as `cargo xtask <chore>`.
//!
//! `tidy` checks the style that no compiler lint can see; `macos` builds and links everything for
//! macOS from Linux; `sanitize` runs unit tests under AddressSanitizer or valgrind; `peers` measures
//! forkyard beside others. Start reading at [`tidy::run`], [`macos::run`], [`sanitize::address`] and
//! [`peers::run`]. Nothing here is shipped.
#![forbid(unsafe_code)]

mod macos;
mod peers;
mod sanitize;
mod tidy;
mod workspace;

use std::process::ExitCode;

/// What a chore returns: `Ok(true)` for "all is well", `Ok(false)` for findings already printed.
type Outcome = Result<bool, String>;

const HELP: &str = "\
Chores of the forkyard repository.

Usage: cargo xtask <CHORE>

Chores:
  tidy      check layering, unsafe, lints, orderings, sizes, platform code and the layout picture;
            prints `path:line: rule: what to do` for each finding
  macos     build and link the whole workspace, all test programs included, for
            aarch64-apple-darwin (on Linux by cross-linking, on a Mac directly)
  sanitize  run the unit tests of the crates with unsafe code under AddressSanitizer, which takes
            a nightly toolchain; `sanitize system`: whole-system tests under it;
            `sanitize valgrind`: the unit tests of forkyard-shm under memcheck
  peers     measure forkyard beside procspawn and Python's process pools, in turns, and write
            docs/peers.md; takes about five minutes. `peers --quick`: a short run, whose page is
            left below target/
  help      print this

Exit codes: 0 all is well, 1 findings or a failed build, 2 bad usage.
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let chore: fn() -> Outcome = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["tidy"] => tidy::run,
        ["macos"] => macos::run,
        ["sanitize"] => sanitize::address,
        ["sanitize", "system"] => sanitize::system,
        ["sanitize", "valgrind"] => sanitize::valgrind,
        ["peers"] => peers::run,
        ["peers", "--quick"] => peers::quick,
        ["help" | "-h" | "--help"] | [_, "-h" | "--help"] => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        [] => {
            eprint!("{HELP}");
            return ExitCode::from(2);
        }
        _ => {
            eprintln!(
                "xtask: unknown chore `{}`; see `cargo xtask --help`",
                args.join(" ")
            );
            return ExitCode::from(2);
        }
    };
    match chore() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}
