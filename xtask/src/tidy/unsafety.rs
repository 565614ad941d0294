//! Rule `unsafety`: unsafe code has three homes; everywhere else the compiler forbids it.

use std::path::Path;

use super::Finding;
use super::source::{Source, has_word};
use crate::workspace::Package;

const RULE: &str = "unsafety";
const FORBID: &str = "#![forbid(unsafe_code)]";

/// Packages whose work is unsafe: system calls, and memory that two processes see at once.
const HOMES: &[&str] = &["crates/os", "crates/shm"];

/// Single files and folders outside of [`HOMES`], each with the reason. Their package cannot forbid unsafe code;
/// it denies it (the workspace's lints do) and these files expect it.
const ALLOWED: &[(&str, &str)] = &[
    (
        "crates/runtime/src/trampoline.rs",
        "turns an offset in the image back into the function pointer it was made from",
    ),
    (
        "crates/runtime/src/mapped",
        "lays the structures of forkyard-shm over mappings of forkyard-os",
    ),
    (
        "tests/src/bin/rough.rs",
        "forks by hand and copies a pool, as programs do that no interface can keep from it",
    ),
    (
        "tests/src/fuzz",
        "lays the structures of forkyard-shm over bytes that a peer writes at will",
    ),
    (
        "tests/src/bin/crash/points/memory.rs",
        "lays structures over mappings as mapped.rs does, for processes that die in their midst",
    ),
    (
        "benches/src/floors.rs",
        "a floor touches shared words directly, without the layers it is a floor for",
    ),
    (
        "benches/src/arena.rs",
        "a bench of the arena joins it to memory by hand, as a pool does",
    ),
];

/// Checks every file for `unsafe`, and every crate root for the attribute.
pub(super) fn check(packages: &[Package], sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        let is_allowed = ALLOWED
            .iter()
            .any(|(file, _reason)| source.is_below(&[file]));
        if source.is_below(HOMES) || is_allowed {
            continue;
        }
        for (line, text) in source.numbered() {
            if has_word(&text.code, "unsafe") {
                let advice = "move it to crates/os or crates/shm behind a safe signature, or add \
                              the file and its reason to ALLOWED in xtask/src/tidy/unsafety.rs";
                findings.push(finding(&source.path, line, advice));
            }
        }
    }
    for package in packages.iter().filter(|package| !may_hold_unsafe(package)) {
        for root in &package.crate_roots {
            let source = sources.iter().find(|source| source.path == *root);
            if !source.is_some_and(forbids) {
                findings.push(finding(
                    root,
                    1,
                    &format!("add `{FORBID}` below the header"),
                ));
            }
        }
    }
    findings
}

/// Whether the package is a home, or holds an allowed file.
fn may_hold_unsafe(package: &Package) -> bool {
    let folder = package.manifest.parent().unwrap_or(Path::new(""));
    let mut allowed = ALLOWED.iter().map(|(file, _reason)| *file);
    HOMES.iter().any(|home| folder == Path::new(home))
        || allowed.any(|file| Path::new(file).starts_with(folder))
}

fn forbids(source: &Source) -> bool {
    let mut lines = source.lines.iter();
    lines.any(|line| line.code.replace(' ', "").contains(FORBID))
}

fn finding(path: &Path, line: usize, advice: &str) -> Finding {
    Finding {
        path: path.to_owned(),
        line,
        rule: RULE,
        advice: advice.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(folder: &str) -> Package {
        Package {
            manifest: Path::new(folder).join("Cargo.toml"),
            crate_roots: vec![Path::new(folder).join("src/lib.rs")],
            ..Package::default()
        }
    }

    const NONE: [usize; 0] = [];

    fn lines(path: &str, text: &str) -> Vec<usize> {
        let findings = check(&[], &[Source::parse(path, text)]);
        findings.iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn unsafe_at_home_and_the_word_elsewhere_pass() {
        assert_eq!(lines("crates/os/src/map/mod.rs", "unsafe { f() }\n"), NONE);
        assert_eq!(
            lines("crates/runtime/src/trampoline.rs", "unsafe fn f() {}\n"),
            NONE
        );
        assert_eq!(lines("tests/src/fuzz/lane.rs", "unsafe { f() }\n"), NONE);
        let text = "#![forbid(unsafe_code)]\n// unsafe\nlet s = \"unsafe\";\n";
        assert_eq!(lines("crates/wire/src/lib.rs", text), NONE);
    }

    #[test]
    fn unsafe_elsewhere_is_found() {
        assert_eq!(
            lines(
                "crates/wire/src/codec.rs",
                "fn f() {\n    unsafe { g() }\n}\n"
            ),
            [2]
        );
        assert_eq!(
            lines("crates/runtime/src/pool.rs", "unsafe impl Send for A {}\n"),
            [1]
        );
        assert_eq!(lines("tests/tests/kill.rs", "unsafe {}\n"), [1]);
    }

    #[test]
    fn a_crate_root_forbids_unsafe_unless_its_package_needs_it() {
        let good = [
            Source::parse(
                "crates/wire/src/lib.rs",
                "//! Wire.\n#![forbid(unsafe_code)]\n",
            ),
            Source::parse("crates/os/src/lib.rs", "//! OS.\n"),
            Source::parse("crates/runtime/src/lib.rs", "//! Runtime.\n"),
        ];
        let packages = ["crates/wire", "crates/os", "crates/runtime"].map(package);
        assert_eq!(check(&packages, &good), []);

        let bad = [Source::parse(
            "crates/wire/src/lib.rs",
            "// #![forbid(unsafe_code)]\n",
        )];
        assert_eq!(check(&[package("crates/wire")], &bad).len(), 1);
    }
}
