//! `forkyard run`.

use std::io::{self, IsTerminal};
use std::path::Path;
use std::sync::Arc;

use forkyard_measure::{Interrupts, RunReport, Style, run as measure, to_json, to_text};

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
    let workload = args.workload.build();
    // What cannot be written is better known before the work than after it.
    let mut outputs = Outputs::open(args)?;
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

    fn write(
        &mut self,
        report: &RunReport,
        args: &RunArgs,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let json_on_stdout = self.json.as_ref().is_some_and(Output::is_stdout);
        let mut stdout_taken = json_on_stdout;
        if let Some(listing) = &report.outcome.listing {
            match &mut self.listing {
                // Two things on one stream would be of no use to anyone.
                Some(output) if output.is_stdout() && json_on_stdout => {}
                Some(output) => {
                    stdout_taken |= output.is_stdout();
                    output.write(listing)?;
                }
                None if json_on_stdout => {}
                None => {
                    stdout_taken = true;
                    write_stdout(listing)?;
                }
            }
        }
        if let Some(output) = &mut self.json {
            output.write(to_json(report)?.as_bytes())?;
        }
        write_text(report, args, stdout_taken)?;
        Ok(())
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
