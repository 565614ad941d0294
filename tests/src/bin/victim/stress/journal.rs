//! What tasks really did, told by themselves: each notes that it begins and that it ends, in a
//! file of the run to which every worker appends.
//!
//! A record is eight bytes in one write to the end of a file, so a worker that is killed there has
//! written all of it or nothing, and records of several workers do not mix.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::OnceLock;

use tests::gate;

/// How often a task was begun and ended, in all processes together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Runs {
    pub(super) begun: u32,
    pub(super) ended: u32,
}

const ENDED: u64 = 1;

fn path() -> PathBuf {
    gate::folder().join("journal")
}

/// A task's first act.
pub(super) fn begun(id: u64) {
    note(id << 1);
}

/// A task's last act.
pub(super) fn ended(id: u64) {
    note(id << 1 | ENDED);
}

fn note(record: u64) {
    // Opened by each worker for itself, never by the supervisor.
    static FILE: OnceLock<File> = OnceLock::new();
    let mut file = FILE.get_or_init(|| {
        let options = OpenOptions::new().create(true).append(true).open(path());
        options.expect("the journal can be opened")
    });
    file.write_all(&record.to_le_bytes())
        .expect("the journal can be written");
}

/// Every task of which the journal speaks. Empties it; only while no worker lives.
pub(super) fn read() -> HashMap<u64, Runs> {
    let bytes = fs::read(path()).unwrap_or_default();
    let _ = fs::remove_file(path());
    let mut tasks = HashMap::<u64, Runs>::new();
    let (records, torn) = bytes.as_chunks::<8>();
    assert!(torn.is_empty(), "a record is torn: {torn:?}");
    for record in records {
        let record = u64::from_le_bytes(*record);
        let runs = tasks.entry(record >> 1).or_default();
        if record & ENDED == 0 {
            runs.begun += 1;
        } else {
            runs.ended += 1;
        }
    }
    tasks
}
