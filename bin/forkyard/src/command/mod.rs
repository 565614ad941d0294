//! What each verb of the command does.

mod clean;
mod documents;
mod inspect;
mod run;

use crate::cli::{Cli, Verb};
use crate::exit::Exit;
use crate::output::{OutputError, complain};

/// Does what the command line says.
pub(crate) fn execute(cli: Cli) -> Exit {
    match cli.verb {
        Verb::Run(args) => run::run(&args),
        Verb::Workloads { list } => ended(documents::workloads(list)),
        Verb::Inspect(args) => inspect::inspect(&args),
        Verb::Clean { dry_run } => clean::clean(dry_run),
        Verb::Completions { shell } => ended(documents::completions(shell)),
        Verb::Man { dir: None } => ended(documents::man()),
        Verb::Man { dir: Some(dir) } => ended(documents::man_pages(&dir)),
    }
}

fn ended(result: Result<(), OutputError>) -> Exit {
    match result {
        Ok(()) => Exit::Success,
        Err(error) => {
            complain(error);
            Exit::Environment
        }
    }
}
