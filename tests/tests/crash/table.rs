//! `docs/crash-points.md`: written from what was tried, and compared with what is committed.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use tests::Way;

use crate::found::{Found, structure};
use crate::pools::{Tried, supervisors, workers};
use crate::sites::{EXEMPT, UNSEEN};

/// Set, the table is written anew.
const UPDATE: &str = "UPDATE_CRASH_TABLE";

const INTRODUCTION: &str = "\
# Crash points

Each operation on shared memory is a sequence of steps, a step being one access that other
processes can see. A process may die before any of them. This page lists all operations with the
number of their steps, and the test that has a real process die at each by SIGKILL, has the
survivors recover, and checks what must hold: blocks are free or a living owner's, messages are
there once and whole, locks can be had and tell of the death, no item is lost or doubled, and
whoever waits goes on. *Role* is who dies.

The page is generated: `UPDATE_CRASH_TABLE=1 cargo test -p tests crash` writes it, and
`cargo test -p tests crash` fails when it is not what was tried. Line by line, the same test
demands that there is a `step()` before each write in `crates/shm/src`, and that some victim dies
at every one of them.

How it works: `crates/shm/src/crash.rs` counts the steps, `tests/src/bin/crash` has the
operations. How to add one: [CONTRIBUTING](../CONTRIBUTING.md#crash-points).
";

/// Compares the page with what was tried, or writes it.
pub(crate) fn check(structures: &[(&str, &str)], pools: &[(&'static str, PoolTest)]) {
    let page = page(structures, pools);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/crash-points.md");
    if env::var_os(UPDATE).is_some() {
        fs::write(&path, page).expect("the page can be written");
        return;
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    let differs = page
        .lines()
        .zip(committed.lines().chain(std::iter::repeat("")))
        .find(|(new, old)| new != old);
    assert!(
        page == committed,
        "docs/crash-points.md is stale, first here:\n{differs:?}\nrun `{UPDATE}=1 cargo test -p \
         tests crash`, and commit what it writes"
    );
}

/// A test of whole pools.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PoolTest {
    pub(crate) role: &'static str,
    pub(crate) way: Way,
}

impl PoolTest {
    /// Runs it, unless it was run, and tells what it tried.
    pub(crate) fn tried(self) -> Vec<Tried> {
        match self.role {
            "worker" => workers(self.way),
            _ => supervisors(self.way),
        }
    }
}

fn page(structures: &[(&str, &str)], pools: &[(&'static str, PoolTest)]) -> String {
    let found: Vec<_> = structures
        .iter()
        .map(|(name, test)| (*name, *test, structure(name)))
        .collect();
    let mut page = INTRODUCTION.to_owned();
    let total: u64 = found
        .iter()
        .flat_map(|(_, _, found)| &found.rows)
        .map(|row| row.steps)
        .sum();
    let _ = write!(
        page,
        "\n## Structures\n\n{total} deaths, each of a process of its own.\n\n\
         | structure | operation | role | steps | test |\n|---|---|---|---:|---|\n"
    );
    for (name, test, found) in &found {
        for row in &found.rows {
            let (operation, role, steps) = (&row.operation, &row.role, row.steps);
            let _ = writeln!(
                page,
                "| {name} | {operation} | {role} | {steps} | `{test}` |"
            );
        }
    }
    page.push_str(
        "\n## Whole pools\n\nA pool of two workers runs; the one that dies counts its own steps, \
         those of its main thread.\n\n\
         | way | while it runs | role | steps tried | test |\n|---|---|---|---|---|\n",
    );
    for (test, pool) in pools {
        for Tried { what, steps } in pool.tried() {
            let (way, role) = (pool.way, pool.role);
            let _ = writeln!(page, "| {way} | {what} | {role} | {steps} | `{test}` |");
        }
    }
    page.push_str("\n## Exempt\n\nWhat has no step to die at, and which writes have none before them, and why.\n\n");
    page.push_str(&exempt(&found));
    page
}

fn exempt(found: &[(&str, &str, std::sync::Arc<Found>)]) -> String {
    let mut text = String::new();
    for (name, _, found) in found {
        for row in found.rows.iter().filter(|row| !row.exempt.is_empty()) {
            let _ = writeln!(text, "* {name}, {}: {}.", row.operation, row.exempt);
        }
    }
    for (file, code, why) in EXEMPT {
        let _ = writeln!(text, "* `{file}`, the step before `{code}`: {why}.");
    }
    for (file, code, why) in UNSEEN {
        let _ = writeln!(text, "* `{file}`, `{code}`: {why}.");
    }
    text
}
