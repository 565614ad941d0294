//! The workload.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use forkyard::{Pool, TaskError};
use serde_bytes::ByteBuf;

use super::digest::{Hashed, hash_block, hash_bytes, hash_named, hash_path};
use super::feed::{Feed, Notes, read_block, read_copy};
use super::listing::push_line;
use super::payload::Payload;
use super::walk::{complaint, walk};
use crate::tally::status_of;
use crate::{Findings, Outcome, Setting, Status, Workload};
use crate::{baseline, units};

/// SHA-256 of every regular file below some paths.
#[derive(Debug)]
pub struct HashFiles {
    files: Vec<PathBuf>,
    unreachable: Vec<String>,
    payload: Payload,
}

type Sums = Vec<Result<Result<Hashed, String>, TaskError>>;

impl HashFiles {
    /// Finds the files below `paths`. Links are followed where they are given, not where they
    /// are met. What cannot be read is reported with the outcome.
    pub fn new(paths: &[PathBuf], payload: Payload) -> Self {
        let found = walk(paths);
        Self {
            files: found.files,
            unreachable: found.complaints,
            payload,
        }
    }

    /// How many files there are to hash.
    pub fn file_count(&self) -> usize {
        self.files.len()
    }

    /// Sends files from `next` on until all are sent or shared memory is full.
    fn round(&self, pool: &Pool, next: usize) -> (Notes, Sums) {
        let feed = Feed::new(&self.files, next);
        let sums = match self.payload {
            Payload::Path => {
                let read = |path: &Path| Ok((ByteBuf::from(path.as_os_str().as_bytes()), 0));
                pool.map(hash_named, feed.payloads(read))
            }
            Payload::Copy => pool.map(hash_bytes, feed.payloads(read_copy)),
            Payload::Shared => {
                let read = |path: &Path| read_block(pool.arena(), path);
                pool.map(hash_block, feed.payloads(read))
            }
        };
        (feed.into_notes(), sums)
    }

    fn baseline(&self, setting: &Setting<'_>, threads: usize) -> Outcome {
        let files = self.files.len() as u64;
        let sums = baseline::each(files, threads, setting.stop, |index| {
            let path = self.files.get(usize::try_from(index).ok()?)?;
            Some(hash_path(path).map_err(|error| error.to_string()))
        });
        let mut book = Book::new(self);
        for (path, (_, sum)) in self.files.iter().zip(sums) {
            match sum {
                Some(Ok(hashed)) => book.hashed(path, &hashed),
                Some(Err(reason)) => book.failed(path, &reason, Status::TaskFailed),
                None => {}
            }
        }
        book.finish()
    }
}

impl Workload for HashFiles {
    fn name(&self) -> &'static str {
        "hash-files"
    }

    fn total_tasks(&self, _: &Setting<'_>) -> Option<u64> {
        Some(self.files.len() as u64)
    }

    fn run_pool(&self, pool: &Pool, _: &Setting<'_>) -> Outcome {
        let mut book = Book::new(self);
        let mut next = 0;
        while next < self.files.len() && !pool.is_aborted() {
            let (notes, sums) = self.round(pool, next);
            for (&index, sum) in notes.sent.iter().zip(&sums) {
                let path = &self.files[index];
                match sum {
                    Ok(Ok(hashed)) => book.hashed(path, hashed),
                    Ok(Err(reason)) => book.failed(path, reason, Status::TaskFailed),
                    Err(TaskError::Aborted) => {}
                    Err(error) => book.failed(path, &error.to_string(), worker_or_file(error)),
                }
            }
            for (index, error) in &notes.refused {
                book.failed(&self.files[*index], &error.to_string(), Status::TaskFailed);
            }
            next = notes.next;
        }
        book.finish()
    }

    fn run_sequential(&self, setting: &Setting<'_>) -> Outcome {
        self.baseline(setting, 1)
    }

    fn run_threads(&self, setting: &Setting<'_>) -> Outcome {
        self.baseline(setting, setting.workers)
    }
}

/// No room for one file is that file's failure: the others may be smaller.
fn worker_or_file(error: &TaskError) -> Status {
    match status_of(error) {
        Status::Environment => Status::TaskFailed,
        status => status,
    }
}

/// What has come back so far.
struct Book<'a> {
    work: &'a HashFiles,
    lines: Vec<(&'a Path, Hashed)>,
    complaints: Vec<String>,
    status: Status,
    bytes: u64,
}

impl<'a> Book<'a> {
    fn new(work: &'a HashFiles) -> Self {
        let clean = work.unreachable.is_empty();
        Self {
            work,
            lines: Vec::with_capacity(work.files.len()),
            complaints: work.unreachable.clone(),
            status: if clean {
                Status::Success
            } else {
                Status::TaskFailed
            },
            bytes: 0,
        }
    }

    fn hashed(&mut self, path: &'a Path, hashed: &Hashed) {
        self.bytes += hashed.bytes;
        self.lines.push((path, *hashed));
    }

    fn failed(&mut self, path: &Path, reason: &str, status: Status) {
        self.status = self.status.max(status);
        self.complaints.push(complaint(path, reason));
    }

    fn finish(mut self) -> Outcome {
        let files = self.lines.len() as u64;
        let failed = self.complaints.len() as u64;
        let in_files = self.complaints.len() - self.work.unreachable.len();
        let left = self.work.files.len() - self.lines.len() - in_files;
        if left > 0 {
            self.status = self.status.max(Status::Interrupted);
            let left = units::counted(left as u64, "file", "files");
            self.complaints
                .push(format!("interrupted: {left} not hashed"));
        }
        let mut listing = Vec::new();
        for (path, hashed) in &self.lines {
            push_line(&mut listing, &hashed.digest, path);
        }
        let mut answer = format!(
            "{} hashed, {}",
            units::counted(files, "file", "files"),
            units::bytes(self.bytes)
        );
        if failed > 0 {
            answer.push_str(&format!(", {} failed", units::count(failed)));
        }
        Outcome {
            answer: vec![answer],
            listing: Some(listing),
            complaints: self.complaints,
            result: Findings::HashFiles {
                files,
                bytes: self.bytes,
                failed,
            },
            tasks: files,
            status: self.status,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use forkyard::{CheckEvery, StopFlag, Transport};

    use super::*;

    fn setting(stop: &StopFlag) -> Setting<'_> {
        Setting {
            workers: 2,
            transport: Transport::Shared,
            check_every: CheckEvery::Auto,
            stop,
        }
    }

    #[test]
    fn both_baselines_list_the_same_lines() {
        let dir = tempfile::tempdir().expect("temporary directory");
        for name in ["a", "b", "c"] {
            fs::write(dir.path().join(name), name).expect("write");
        }
        let gone = dir.path().join("gone");
        let work = HashFiles::new(&[dir.path().to_owned(), gone], Payload::Path);
        let stop = StopFlag::new();
        let one = work.run_sequential(&setting(&stop));
        assert_eq!(one, work.run_threads(&setting(&stop)));
        assert_eq!(one.status, Status::TaskFailed);
        assert_eq!(one.complaints.len(), 1);
        let listing = String::from_utf8(one.listing.expect("listing")).expect("text");
        assert_eq!(listing.lines().count(), 3);
        assert!(
            listing
                .starts_with("ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb  ")
        );
    }

    #[test]
    fn an_interrupt_says_how_much_is_left() {
        let dir = tempfile::tempdir().expect("temporary directory");
        fs::write(dir.path().join("a"), "a").expect("write");
        let work = HashFiles::new(&[dir.path().to_owned()], Payload::Path);
        let stop = StopFlag::new();
        stop.raise_for_ever();
        let outcome = work.run_sequential(&setting(&stop));
        assert_eq!(outcome.status, Status::Interrupted);
        assert_eq!(outcome.complaints, ["interrupted: 1 file not hashed"]);
    }
}
