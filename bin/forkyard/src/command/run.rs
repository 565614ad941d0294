//! `forkyard run`.

use std::io::{self, IsTerminal};
use std::path::Path;
use std::sync::Arc;

use forkyard_measure::{Interrupts, RunReport, Style, run as measure, to_json, to_text};
use forkyard_workloads::Status;

use crate::cli::RunArgs;
use crate::exit::Exit;
use crate::output::{Output, OutputError, complain, write_stderr, write_stdout};
use crate::signals::Signals;

/// Runs a workload and reports.
pub(crate) fn run(args: &RunArgs) -> Exit {
    match try_run(args) {
        Ok(exit) => exit,
        Err(error) => {
            complain(error);
            Exit::Environment
        }
    }
}

fn try_run(args: &RunArgs) -> Result<Exit, Box<dyn std::error::Error>> {
    let (json, listing) = (args.report.json.as_ref(), args.workload.output());
    if json.is_some() && json == listing {
        return Ok(refuse_collision());
    }
    let workload = args.workload.build();
    // What cannot be written is better known before the work than after it.
    let mut outputs = Outputs::open(args)?;
    if outputs.collide() {
        return Ok(refuse_collision());
    }
    let interrupts = Arc::new(Interrupts::new());
    let mut signals = Signals::register(Arc::clone(&interrupts))?;
    let options = args.options(io::stderr().is_terminal());
    let report = measure(workload.as_ref(), &options, &interrupts, &mut signals);
    let late = signals.end();
    let report = report?;
    if late {
        return Ok(Exit::Interrupted);
    }
    for complaint in &report.outcome.complaints {
        complain(complaint);
    }
    outputs.write(&report, args)?;
    Ok(report.outcome.status.into())
}

fn refuse_collision() -> Exit {
    complain("--json and --output go to the same place; one would be written over the other");
    Exit::Usage
}

/// Where the parts of the output go. Standard output carries one of them: the JSON if that was
/// sent there, else the listing of a workload that makes one, else the text for people, which
/// otherwise goes to standard error.
struct Outputs {
    json: Option<Output>,
    listing: Option<Output>,
}

impl Outputs {
    fn open(args: &RunArgs) -> Result<Self, OutputError> {
        let open = |path: Option<&Path>| path.map(Output::open).transpose();
        Ok(Self {
            json: open(args.report.json.as_deref())?,
            listing: open(args.workload.output().map(AsRef::as_ref))?,
        })
    }

    /// Whether both are one: each would write over the other.
    fn collide(&self) -> bool {
        match (&self.json, &self.listing) {
            (Some(json), Some(listing)) => json.is_same(listing),
            _ => false,
        }
    }

    /// Writes what it can: one place that takes nothing is no reason to lose the rest. The first
    /// error is returned.
    fn write(
        &mut self,
        report: &RunReport,
        args: &RunArgs,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let json_on_stdout = self.json.as_ref().is_some_and(Output::is_stdout);
        let listing_on_stdout = report.outcome.listing.is_some()
            && !json_on_stdout
            && self.listing.as_ref().is_none_or(Output::is_stdout);
        let listing = match (&report.outcome.listing, &mut self.listing) {
            (Some(listing), Some(output)) => write_listing(output, listing, report.outcome.status),
            (Some(listing), None) if listing_on_stdout => write_stdout(listing),
            _ => Ok(()),
        };
        let json = self.write_json(report);
        let text = write_text(report, args, json_on_stdout || listing_on_stdout);
        listing?;
        json?;
        text?;
        Ok(())
    }

    fn write_json(&mut self, report: &RunReport) -> Result<(), Box<dyn std::error::Error>> {
        if let Some(output) = &mut self.json {
            output.write(to_json(report)?.as_bytes())?;
        }
        Ok(())
    }
}

/// Writes the listing, unless it would be the loss of an older one: a run that failed or was
/// interrupted before there was a line has no new one.
fn write_listing(output: &mut Output, listing: &[u8], status: Status) -> Result<(), OutputError> {
    match output.content() {
        Some(path) if listing.is_empty() && status > Status::NothingFound => {
            complain(format!("{} is left as it was", path.display()));
            Ok(())
        }
        _ => output.write(listing),
    }
}

fn write_text(report: &RunReport, args: &RunArgs, stdout_taken: bool) -> Result<(), OutputError> {
    let colour = args.report.color.forced();
    match (stdout_taken, args.report.quiet) {
        (true, true) => Ok(()),
        (true, false) => {
            write_stderr(&to_text(
                report,
                Style::for_stream(&io::stderr(), colour),
                true,
            ));
            Ok(())
        }
        (false, true) => {
            let mut answer = report.outcome.answer.join("\n");
            answer.push('\n');
            write_stdout(answer.as_bytes())
        }
        (false, false) => {
            let style = Style::for_stream(&io::stdout(), colour);
            write_stdout(to_text(report, style, true).as_bytes())
        }
    }
}
