//! `cargo xtask tidy`: the house style as a test.
//!
//! Each rule is a function from what it reads (manifests, or sources split into code and comments by
//! [`source`]) to findings. Exceptions are constants at the top of a rule's file, each with its
//! reason: a reviewer sees every one of them in the diff.

mod layers;
mod layout;
mod lints;
mod orderings;
mod platform;
mod size;
mod source;
mod unsafety;

use std::fmt;
use std::path::PathBuf;

use crate::{Outcome, workspace};

/// One violation, and what to do about it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// The file, relative to the workspace's root.
    path: PathBuf,
    /// Counted from 1.
    line: usize,
    /// The rule's name.
    rule: &'static str,
    /// What to do.
    advice: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            path,
            line,
            rule,
            advice,
        } = self;
        write!(f, "{}:{line}: {rule}: {advice}", path.display())
    }
}

/// Runs every rule over the workspace and prints the findings.
pub(crate) fn run() -> Outcome {
    let workspace = workspace::load()?;
    let packages = &workspace.packages;
    let sources = source::load(&workspace)?;
    let lines: usize = sources.iter().map(|source| source.lines.len()).sum();

    let mut findings: Vec<Finding> = [
        layers::check(packages),
        lints::check(packages),
        unsafety::check(packages, &sources),
        orderings::check(&sources),
        size::check(&sources),
        platform::check(packages, &sources),
        layout::check(&sources),
    ]
    .into_iter()
    .flatten()
    .collect();
    findings.sort();
    findings.dedup();

    for finding in &findings {
        println!("{finding}");
    }
    println!(
        "tidy: {} packages, {} source files, {lines} lines; layers, lints, unsafety, orderings, \
         size, platform, layout: {}",
        packages.len(),
        sources.len(),
        match findings.len() {
            0 => "nothing found".to_owned(),
            count => format!("{count} to fix"),
        }
    );
    Ok(findings.is_empty())
}
