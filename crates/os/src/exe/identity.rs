//! The program file, by what the file system says of it.

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;

use crate::OsError;

/// The identity of a program file: equal for two processes only if they run the same file, unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ExeIdentity {
    device: u64,
    inode: u64,
    size_bytes: u64,
    modified_ns: i128,
}

/// The file that the calling process runs.
///
/// # Errors
/// When the file cannot be looked at; on macOS also when it was moved since.
pub fn identity() -> Result<ExeIdentity, OsError> {
    super::platform::metadata()
        .map(|meta| ExeIdentity::of(&meta))
        .map_err(|error| OsError::new("look at the running program's file", error))
}

/// The file that the calling process runs, to be read.
///
/// # Errors
/// When it may be executed and not read; on macOS also when it was moved since.
pub fn open() -> Result<File, OsError> {
    super::platform::open().map_err(|error| OsError::new("read the running program's file", error))
}

impl ExeIdentity {
    fn of(meta: &Metadata) -> Self {
        Self {
            device: meta.dev(),
            inode: meta.ino(),
            size_bytes: meta.size(),
            modified_ns: i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec()),
        }
    }

    /// The identity in 64 bits, the same in every process and build (FNV-1a over the fields).
    #[must_use]
    pub fn hash(&self) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut eat = |bytes: &[u8]| {
            for &byte in bytes {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        };
        eat(&self.device.to_le_bytes());
        eat(&self.inode.to_le_bytes());
        eat(&self.size_bytes.to_le_bytes());
        eat(&self.modified_ns.to_le_bytes());
        hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_stable_and_differs_between_files() {
        let own = identity().unwrap();
        assert_eq!(own, identity().unwrap());
        assert_eq!(own.hash(), identity().unwrap().hash());
        let other = ExeIdentity::of(&std::fs::metadata("/bin/sh").unwrap());
        assert_ne!(own.hash(), other.hash());
    }
}
