//! Reading files just before they are sent, so that memory stays bounded however many there are.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use forkyard::{Arena, ArenaError, Owned};
use serde_bytes::ByteBuf;

use super::digest::{Block, open_regular};

/// The longest file that is sent as a copy: a task's argument is in memory several times over.
pub(crate) const LONGEST_COPY: u64 = 1 << 30;

/// A round of blocks ends when so many bytes are under way, so that memory stays bounded and
/// the next round finds its blocks warm.
const ROUND_BYTES: u64 = 64 << 20;

/// Room left behind a file in its block, so that one that grows a little still fits.
const SLACK_BYTES: usize = 4 * 1024;

/// Why a file was not sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FeedError {
    /// It could not be read.
    #[error(transparent)]
    Read(#[from] io::Error),
    /// It is too long to be copied.
    #[error("longer than 1 GiB, which is too much for a copy; --payload path streams it")]
    TooLong,
    /// There is no room for it in shared memory.
    #[error("{0}; --payload path needs no room for it")]
    NoRoom(#[from] ArenaError),
}

/// Hands out one payload after another. Files that cannot be read are noted and passed over.
/// It ends where enough is under way or shared memory is full; the rest is for the next round,
/// when the blocks of this one are free again.
pub(crate) struct Feed<'a> {
    files: &'a [PathBuf],
    notes: RefCell<Notes>,
}

/// What a [`Feed`] noted while it was drawn from.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// Files that were sent, in order, by index.
    pub(crate) sent: Vec<usize>,
    /// Files that were passed over.
    pub(crate) refused: Vec<(usize, FeedError)>,
    /// The first file not yet looked at.
    pub(crate) next: usize,
    /// Bytes of shared memory that were sent.
    block_bytes: u64,
}

impl<'a> Feed<'a> {
    /// Begins at file `next`.
    pub(crate) fn new(files: &'a [PathBuf], next: usize) -> Self {
        let notes = Notes {
            next,
            ..Notes::default()
        };
        Self {
            files,
            notes: RefCell::new(notes),
        }
    }

    /// Draws payloads that `read` makes of files, each with the shared memory that it takes.
    pub(crate) fn payloads<P>(
        &self,
        read: impl Fn(&Path) -> Result<(P, u64), FeedError>,
    ) -> impl Iterator<Item = P> {
        std::iter::from_fn(move || {
            let mut notes = self.notes.borrow_mut();
            while notes.block_bytes < ROUND_BYTES {
                let index = notes.next;
                match read(self.files.get(index)?) {
                    // Full because of what this round has already sent: wait for the next one.
                    Err(FeedError::NoRoom(_)) if !notes.sent.is_empty() => return None,
                    Err(error) => notes.refused.push((index, error)),
                    Ok((payload, block_bytes)) => {
                        notes.sent.push(index);
                        notes.block_bytes += block_bytes;
                        notes.next += 1;
                        return Some(payload);
                    }
                }
                notes.next += 1;
            }
            None
        })
    }

    /// What was noted.
    pub(crate) fn into_notes(self) -> Notes {
        self.notes.into_inner()
    }
}

/// The whole file in memory of this process.
pub(crate) fn read_copy(path: &Path) -> Result<(ByteBuf, u64), FeedError> {
    let file = open_regular(path)?;
    let mut bytes = Vec::new();
    if file.metadata()?.len() > LONGEST_COPY {
        return Err(FeedError::TooLong);
    }
    file.take(LONGEST_COPY + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST_COPY {
        return Err(FeedError::TooLong);
    }
    // What is under way of these, the pool itself bounds.
    Ok((ByteBuf::from(bytes), 0))
}

/// The whole file in a block of shared memory. A file that grows while it is read moves to a
/// larger block; one that shrinks leaves the rest of its block unused.
pub(crate) fn read_block(arena: &Arena, path: &Path) -> Result<(Block, u64), FeedError> {
    let mut file = open_regular(path)?;
    let len = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    let mut block = arena.alloc::<u8>(len.saturating_add(SLACK_BYTES))?;
    let mut used = fill(&mut file, &mut block)?;
    while used == block.len() {
        let mut larger: Owned<[u8]> = arena.alloc(block.len().saturating_mul(2))?;
        larger[..used].copy_from_slice(&block);
        used += fill(&mut file, &mut larger[used..])?;
        block = larger;
    }
    let block_bytes = block.len() as u64;
    let data = block.into_shared();
    let used = used as u64;
    Ok((Block { data, used }, block_bytes))
}

/// Reads until the buffer is full or the file ends.
fn fill(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut used = 0;
    while used < buffer.len() {
        match file.read(&mut buffer[used..]) {
            Ok(0) => break,
            Ok(n) => used += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(used)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<PathBuf> {
        names.iter().map(PathBuf::from).collect()
    }

    #[test]
    fn unreadable_files_are_passed_over_and_noted() {
        let files = names(&["a", "bad", "b"]);
        let feed = Feed::new(&files, 0);
        let read = |path: &Path| match path.to_str() {
            Some("bad") => Err(FeedError::TooLong),
            name => Ok((name.map(str::to_owned), 0)),
        };
        let payloads: Vec<_> = feed.payloads(read).flatten().collect();
        assert_eq!(payloads, ["a", "b"]);
        let notes = feed.into_notes();
        assert_eq!(notes.sent, [0, 2]);
        assert_eq!(notes.refused.len(), 1);
        assert_eq!(notes.next, 3);
    }

    #[test]
    fn a_round_ends_when_enough_is_under_way() {
        let files = names(&["a", "b", "c", "d"]);
        let read = |_: &Path| Ok(((), ROUND_BYTES / 2));
        let feed = Feed::new(&files, 1);
        assert_eq!(feed.payloads(read).count(), 2);
        assert_eq!(feed.into_notes().next, 3);
    }

    #[test]
    fn a_growing_file_fits_into_a_buffer_or_fills_it() {
        let path = tempfile::NamedTempFile::new().expect("temporary file");
        std::fs::write(path.path(), [7; 100]).expect("write");
        let mut file = File::open(path.path()).expect("open");
        assert_eq!(fill(&mut file, &mut [0; 60]).expect("read"), 60);
        assert_eq!(fill(&mut file, &mut [0; 60]).expect("read"), 40);
    }
}
