//! Checksums of all files below a folder, as `sha256sum` prints them. What crosses is a path one way
//! and the path and 32 bytes back: the files are read in the workers.
//!
//! `cargo run --release --example checksums -- FOLDER` (default: the folder of this crate)

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use forkyard::Pool;
use sha2::{Digest, Sha256};

/// Reads a file piece by piece. It comes back with its checksum, so that nobody else has to
/// remember which one it was.
fn checksum(path: PathBuf) -> (PathBuf, Result<[u8; 32], String>) {
    let hash = || -> io::Result<[u8; 32]> {
        let mut file = File::open(&path)?;
        let mut hasher = Sha256::new();
        let mut piece = vec![0; 1 << 16];
        loop {
            match file.read(&mut piece)? {
                0 => return Ok(hasher.finalize().into()),
                read => hasher.update(&piece[..read]),
            }
        }
    };
    let sum = hash().map_err(|error| format!("{}: {error}", path.display()));
    (path, sum)
}

/// The files below a folder, found as they are asked for.
fn files(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = walkdir::WalkDir::new(folder).sort_by_file_name();
    let found = entries.into_iter().filter_map(Result::ok);
    found
        .filter(|entry| entry.file_type().is_file())
        .map(walkdir::DirEntry::into_path)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    forkyard::init();
    let folder = std::env::args_os().nth(1);
    let folder = folder.map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    if !folder.is_dir() {
        return Err(format!(
            "{}: no such folder; usage: checksums [FOLDER]",
            folder.display()
        )
        .into());
    }
    let pool = Pool::builder().build()?;
    // In the order of the files, each as soon as it is there. No list of them is ever made.
    let mut unreadable = 0;
    let mut out = io::stdout().lock();
    for summed in pool.imap(checksum, files(&folder)) {
        let (path, sum) = summed?;
        match sum {
            Ok(sum) => {
                let hex: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
                match writeln!(out, "{hex}  {}", path.display()) {
                    // Nobody reads any more, as behind `| head`.
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
                    written => written?,
                }
            }
            Err(why) => {
                unreadable += 1;
                eprintln!("{why}");
            }
        }
    }
    pool.close();
    match unreadable {
        0 => Ok(()),
        n => Err(format!("{n} files could not be read").into()),
    }
}
