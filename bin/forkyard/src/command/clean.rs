//! Removing what dead pools left.

use std::fmt::Write as _;
use std::path::PathBuf;

use forkyard::cleanup::{Leftover, leftovers, manager_leftovers, sweep, sweep_managers};

use crate::exit::Exit;
use crate::output::{complain, write_stdout};

/// Lists what dead pools left, and removes it unless it is a dry run.
pub(crate) fn clean(dry_run: bool) -> Exit {
    let (found, folders, verb) = if dry_run {
        (leftovers(), manager_leftovers(), "would remove")
    } else {
        (sweep(), sweep_managers(), "removed")
    };
    let found = match found {
        Ok(found) => found,
        Err(error) => {
            complain(error);
            return Exit::Environment;
        }
    };
    let folders = match folders {
        Ok(folders) => folders,
        Err(error) => {
            complain(error);
            return Exit::Environment;
        }
    };
    super::ended(write_stdout(describe(&found, &folders, verb).as_bytes()))
}

fn describe(found: &[Leftover], folders: &[PathBuf], verb: &str) -> String {
    if found.is_empty() && folders.is_empty() {
        return "nothing is left behind\n".to_owned();
    }
    let mut text = String::new();
    for leftover in found {
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{verb} {} ({} bytes, of process {}, which is gone)",
            leftover.name,
            leftover.bytes,
            leftover.name.creator_pid()
        );
    }
    for folder in folders {
        let _ = writeln!(
            text,
            "{verb} {} (the socket of a manager, which is gone)",
            folder.display()
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use forkyard::cleanup::SegmentName;

    #[test]
    fn each_leftover_is_a_line() {
        assert_eq!(describe(&[], &[], "removed"), "nothing is left behind\n");
        let left = Leftover {
            name: SegmentName::parse("/fy-a-b-123456789.3").expect("a name"),
            bytes: 4096,
        };
        assert_eq!(
            describe(
                &[left],
                &[PathBuf::from("/tmp/fy-a-b-123456789")],
                "would remove"
            ),
            "would remove /fy-a-b-123456789.3 (4096 bytes, of process 10, which is gone)\n\
             would remove /tmp/fy-a-b-123456789 (the socket of a manager, which is gone)\n"
        );
    }
}
