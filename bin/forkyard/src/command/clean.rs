//! Removing what dead pools left.

use std::fmt::Write as _;

use forkyard::cleanup::{Leftover, leftovers, sweep};

use crate::exit::Exit;
use crate::output::{complain, write_stdout};

/// Lists what dead pools left, and removes it unless it is a dry run.
pub(crate) fn clean(dry_run: bool) -> Exit {
    let (found, verb) = if dry_run {
        (leftovers(), "would remove")
    } else {
        (sweep(), "removed")
    };
    let written = match found {
        Ok(found) => write_stdout(describe(&found, verb).as_bytes()),
        Err(error) => {
            complain(error);
            return Exit::Environment;
        }
    };
    super::ended(written)
}

fn describe(found: &[Leftover], verb: &str) -> String {
    if found.is_empty() {
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
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use forkyard::cleanup::SegmentName;

    #[test]
    fn each_leftover_is_a_line() {
        assert_eq!(describe(&[], "removed"), "nothing is left behind\n");
        let left = Leftover {
            name: SegmentName::parse("/fy-a-b-123456789.3").expect("a name"),
            bytes: 4096,
        };
        assert_eq!(
            describe(&[left], "would remove"),
            "would remove /fy-a-b-123456789.3 (4096 bytes, of process 10, which is gone)\n"
        );
    }
}
