//! What the command says about itself.

use std::fmt::Write as _;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use forkyard_workloads::CATALOG;

use crate::cli::Cli;
use crate::output::{OutputError, write_stdout};

/// The list of workloads.
pub(crate) fn workloads(names_only: bool) -> Result<(), OutputError> {
    let mut text = String::new();
    for entry in CATALOG {
        // Writing to a string does not fail.
        let _ = if names_only {
            writeln!(text, "{}", entry.name)
        } else {
            writeln!(
                text,
                "{:<13} {}\n{:13} {}",
                entry.name, entry.about, "", entry.example
            )
        };
    }
    write_stdout(text.as_bytes())
}

/// A completion script.
pub(crate) fn completions(shell: clap_complete::Shell) -> Result<(), OutputError> {
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    write_stdout(&script)
}

/// All pages, one after the other, as `man -l -` reads them.
pub(crate) fn man() -> Result<(), OutputError> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    page(&command, &mut pages).map_err(|error| OutputError::new("the manual", error))?;
    write_stdout(&pages)
}

/// Each page in a file of its own.
pub(crate) fn man_pages(dir: &Path) -> Result<(), OutputError> {
    let failed = |error| OutputError::new(&dir.display().to_string(), error);
    std::fs::create_dir_all(dir).map_err(failed)?;
    let command = Cli::command().disable_help_subcommand(true);
    clap_mangen::generate_to(command, dir).map_err(failed)
}

fn page(command: &Command, pages: &mut Vec<u8>) -> std::io::Result<()> {
    Man::new(command.clone()).render(pages)?;
    for subcommand in command.get_subcommands().filter(|c| !c.is_hide_set()) {
        page(subcommand, pages)?;
    }
    Ok(())
}
