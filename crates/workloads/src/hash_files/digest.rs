//! The tasks: plain functions that run in a worker, or right here for the baselines.

#![expect(
    clippy::needless_pass_by_value,
    reason = "a task owns its argument, which was made from what arrived"
)]

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use forkyard::Shared;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use sha2::{Digest as _, Sha256};

/// A SHA-256 sum.
pub(crate) type Digest = [u8; 32];

/// How much of a file is in memory while it is streamed.
const STREAM_BYTES: usize = 256 * 1024;

/// A file's sum and length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hashed {
    /// The sum.
    pub(crate) digest: Digest,
    /// Bytes summed.
    pub(crate) bytes: u64,
}

/// A file in shared memory: the block may be longer than the file.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Block {
    /// The block.
    pub(crate) data: Shared<[u8]>,
    /// How much of it is the file.
    pub(crate) used: u64,
}

/// Payload `path`: names need not be UTF-8, so bytes cross. An error crosses in words.
pub(crate) fn hash_named(path: ByteBuf) -> Result<Hashed, String> {
    hash_path(Path::new(OsStr::from_bytes(&path))).map_err(|error| error.to_string())
}

/// Payload `copy`.
pub(crate) fn hash_bytes(bytes: ByteBuf) -> Result<Hashed, String> {
    Ok(hash_slice(&bytes))
}

/// Payload `shared`.
pub(crate) fn hash_block(block: Block) -> Result<Hashed, String> {
    let used = usize::try_from(block.used).unwrap_or(usize::MAX);
    let bytes = block.data.get(..used);
    bytes
        .map(hash_slice)
        .ok_or_else(|| "the block is shorter than the file".to_owned())
}

/// Streams a file of any length through a buffer.
pub(crate) fn hash_path(path: &Path) -> io::Result<Hashed> {
    let mut file = open_regular(path)?;
    let mut hasher = Sha256::new();
    let mut bytes = 0;
    let mut buffer = vec![0; STREAM_BYTES];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => {
                hasher.update(&buffer[..n]);
                bytes += n as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Hashed {
        digest: hasher.finalize().into(),
        bytes,
    })
}

/// Opens a file that was a regular one when it was found, and may have been replaced since.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::other("is no longer a regular file"))
    }
}

fn hash_slice(bytes: &[u8]) -> Hashed {
    Hashed {
        digest: Sha256::digest(bytes).into(),
        bytes: bytes.len() as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_ways_give_the_same_sum() {
        let mut file = tempfile::NamedTempFile::new().expect("temporary file");
        let content: Vec<u8> = (0..STREAM_BYTES * 2 + 7).map(|i| (i % 251) as u8).collect();
        io::Write::write_all(&mut file, &content).expect("write");
        let by_path = hash_path(file.path()).expect("readable");
        assert_eq!(by_path.bytes, content.len() as u64);
        assert_eq!(hash_bytes(ByteBuf::from(content)), Ok(by_path));
    }

    #[test]
    fn nothing_has_the_well_known_sum() {
        let hashed = hash_slice(b"");
        assert_eq!(hashed.digest[..4], [0xe3, 0xb0, 0xc4, 0x42]);
        assert_eq!(hashed.bytes, 0);
    }
}
