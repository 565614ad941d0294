//! The `forkyard` command: options in, exit codes out.
//!
//! Work is in `forkyard-workloads`, measuring and reports in `forkyard-measure`, worker
//! processes in `forkyard`. Here is what belongs to a command: its options (`cli`), what each
//! of its verbs does (`command`), where its output goes (`output`), its signals and its exit
//! codes.

#![forbid(unsafe_code)]

mod cli;
mod command;
mod exit;
mod output;
mod signals;

use clap::Parser;

fn main() -> std::process::ExitCode {
    // A worker process is this same program; it never comes back from here.
    forkyard::init();
    command::execute(cli::Cli::parse()).into()
}
