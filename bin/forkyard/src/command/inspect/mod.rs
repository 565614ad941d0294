//! `forkyard inspect`: which pools, and how they are shown.

mod watch;

use std::io::{self, IsTerminal};

use forkyard::PoolStats;
use forkyard::inspect::{InspectError, Inspected, attach, attach_to, pools};
use forkyard_measure::{Style, pools_to_json, pools_to_list, pools_to_text};

use crate::cli::{InspectArgs, Target};
use crate::exit::Exit;
use crate::output::{complain, write_stdout};

/// Shows a pool, or the list of them.
pub(crate) fn inspect(args: &InspectArgs) -> Exit {
    if args.watch && !io::stdout().is_terminal() {
        complain("--watch needs a terminal on standard output; leave it out, or take --json");
        return Exit::Usage;
    }
    match find(args) {
        Ok(found) if found.is_empty() && !args.json => {
            complain("there is no pool to inspect: no supervisor of this user is running");
            Exit::NothingFound
        }
        Ok(found) => show(&found, args),
        Err(error) => {
            complain(&error);
            exit_of(&error)
        }
    }
}

/// The pools that are meant.
fn find(args: &InspectArgs) -> Result<Vec<Inspected>, InspectError> {
    match &args.pool {
        None => pools(),
        Some(Target::Process(pid)) => match attach(*pid) {
            // One command shows them all, unless it is to follow one.
            Err(InspectError::SeveralPools { segments, .. }) if !args.watch => {
                segments.iter().map(|segment| attach_to(segment)).collect()
            }
            found => Ok(vec![found?]),
        },
        Some(Target::Segment(name)) => Ok(vec![attach_to(name)?]),
    }
}

fn exit_of(error: &InspectError) -> Exit {
    use forkyard::cleanup::SegmentError;
    match error {
        InspectError::NoPool { .. } | InspectError::Segment(SegmentError::Missing { .. }) => {
            Exit::NothingFound
        }
        InspectError::SeveralPools { .. } | InspectError::Segment(SegmentError::BadName { .. }) => {
            Exit::Usage
        }
        _ => Exit::Environment,
    }
}

fn show(found: &[Inspected], args: &InspectArgs) -> Exit {
    let stats: Vec<PoolStats> = found.iter().map(Inspected::stats).collect();
    if args.json {
        return match pools_to_json(&stats) {
            Ok(json) => match super::ended(write_stdout(json.as_bytes())) {
                Exit::Success if found.is_empty() => Exit::NothingFound,
                exit => exit,
            },
            Err(error) => {
                complain(error);
                Exit::Environment
            }
        };
    }
    let style = Style::for_stream(&io::stdout(), args.color.forced());
    match (found, &args.pool) {
        ([pool], _) if args.watch => watch::watch(pool, args.interval, style.colour),
        ([_, _, ..], None) => {
            let list = pools_to_list(&stats);
            if args.watch {
                complain(format!(
                    "there are several pools; say which\n{}",
                    list.trim_end()
                ));
                return Exit::Usage;
            }
            super::ended(write_stdout(list.as_bytes()))
        }
        _ => super::ended(write_stdout(pools_to_text(&stats, style).as_bytes())),
    }
}
