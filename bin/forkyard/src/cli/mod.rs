//! The command line.

mod inspect;
mod run;
mod values;
mod workload;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

pub(crate) use inspect::{InspectArgs, Target};
pub(crate) use run::RunArgs;

use crate::exit;

/// Run work in real processes and see where the time went.
///
/// forkyard starts worker processes, hands them tasks through shared memory or through pipes,
/// and reports for each process how long it started, waited, computed and copied.
#[derive(Debug, Parser)]
#[command(
    name = "forkyard",
    version,
    max_term_width = 100,
    after_help = AFTER_HELP,
    after_long_help = after_long_help()
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

const AFTER_HELP: &str = "\
Examples:
  forkyard run primes 1e12..1e13 --workers 2
  forkyard run hash-files /usr/share/doc --payload shared --output sums.txt
  forkyard run spin --task-us 50 --payload-bytes 1MiB --tasks 500 --against sequential";

fn after_long_help() -> String {
    format!("{AFTER_HELP}\n\n{}", exit::help())
}

/// What the command can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run a workload in a pool of worker processes
    Run(Box<RunArgs>),
    /// List the workloads, each with an example
    Workloads {
        /// Only the names, one on each line
        #[arg(long)]
        list: bool,
    },
    /// Show what a pool and its workers are doing, without disturbing them
    ///
    /// Reads the pool's shared memory, from any terminal of the same user. Where the pool is that
    /// of `forkyard run`, SIGUSR1 has that command print the same table.
    Inspect(InspectArgs),
    /// Remove shared memory that pools left behind when everything was killed at once
    ///
    /// Every pool does this when it starts. Memory of living pools is never touched.
    #[command(after_help = "Examples:\n  forkyard clean --dry-run\n  forkyard clean")]
    Clean {
        /// Only list what would be removed
        #[arg(long)]
        dry_run: bool,
    },
    /// Print a completion script for a shell
    #[command(
        after_help = "Example:\n  forkyard completions bash > ~/.local/share/bash-completion/completions/forkyard"
    )]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual: the page of the command and those of its subcommands
    #[command(
        after_help = "Examples:\n  forkyard man | man -l -\n  forkyard man --dir ~/.local/share/man/man1"
    )]
    Man {
        /// Write each page to a file of its own in this directory
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn catalog_and_subcommands_say_the_same_and_the_examples_parse() {
        let command = Cli::command();
        let run = command.find_subcommand("run").expect("run");
        let subcommands = run.get_subcommands().map(|subcommand| {
            let about = subcommand.get_about().map(ToString::to_string);
            (subcommand.get_name(), about.unwrap_or_default())
        });
        let catalog = forkyard_workloads::CATALOG;
        let expected = catalog.map(|entry| (entry.name, entry.about.to_owned()));
        assert_eq!(subcommands.collect::<Vec<_>>(), expected);
        for entry in catalog {
            let parsed = Cli::try_parse_from(entry.example.split(' '));
            assert!(parsed.is_ok(), "{}: {:?}", entry.example, parsed.err());
        }
    }
}
