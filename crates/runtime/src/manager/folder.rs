//! Where a manager's socket is: in a folder that only this user may enter.
//!
//! The folder lies below the folder for temporary files and is named as the control segment of
//! the manager's pool, so that it says who made it. Whoever ends last takes it away: the manager
//! at its end, its watching thread when the owner is gone, the owner when the manager was
//! killed. When all of them were killed at once, the next manager to be started does.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use forkyard_os::process::user_id;
use forkyard_os::segment::SegmentName;

/// Only this user may enter.
const MODE: u32 = 0o700;

/// The socket within its folder.
const SOCKET: &str = "s";

/// The folder of the manager that this process is.
static OURS: Mutex<Ours> = Mutex::new(Ours::None);

/// What became of it.
#[derive(Debug)]
enum Ours {
    None,
    At(PathBuf),
    /// The process is about to end: a folder made now would stay.
    Over,
}

/// Why there is no socket.
#[derive(Debug)]
pub(super) enum FolderError {
    /// Its name would have so many bytes.
    TooLong(usize),
    /// The system refused.
    Os(&'static str, io::Error),
}

/// The folder of the manager whose pool has that control segment.
pub(super) fn of(segment: &SegmentName) -> PathBuf {
    let folder = std::env::temp_dir().join(segment.as_str().trim_start_matches('/'));
    // Other processes may have another working directory.
    std::path::absolute(&folder).unwrap_or(folder)
}

/// The control segment that a folder is named after.
pub(super) fn segment_of(folder: &Path) -> Option<SegmentName> {
    let name = SegmentName::parse(folder.file_name()?.to_str()?).ok()?;
    (name == name.pool()).then_some(name)
}

/// The socket in a folder.
pub(super) fn socket_in(folder: &Path) -> PathBuf {
    folder.join(SOCKET)
}

/// Makes the folder of the manager that this process is, and a socket to be called on.
pub(super) fn open(folder: &Path) -> Result<UnixListener, FolderError> {
    let socket = socket_in(folder);
    if SocketAddr::from_pathname(&socket).is_err() {
        return Err(FolderError::TooLong(socket.as_os_str().len()));
    }
    // Held until the folder is noted: whoever takes it away waits so long.
    let mut ours = OURS.lock().unwrap_or_else(PoisonError::into_inner);
    if matches!(*ours, Ours::Over) {
        let ending = io::Error::other("this process is ending");
        return Err(FolderError::Os("making its folder", ending));
    }
    DirBuilder::new()
        .mode(MODE)
        .create(folder)
        .map_err(|error| FolderError::Os("making its folder", error))?;
    *ours = Ours::At(folder.to_owned());
    UnixListener::bind(socket).map_err(|error| {
        remove(folder);
        FolderError::Os("binding it", error)
    })
}

/// Takes the folder of the manager that this process is away, if it is one. The process is
/// about to end: none is made afterwards.
pub(crate) fn take_folder_away() {
    let mut ours = OURS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Ours::At(folder) = std::mem::replace(&mut *ours, Ours::Over) {
        remove(&folder);
    }
}

/// Removes a folder and the socket in it; harmless when repeated.
pub(super) fn remove(folder: &Path) {
    let _ = fs::remove_file(socket_in(folder));
    let _ = fs::remove_dir(folder);
}

/// The folders of managers that were killed together with their owners, in the folder for
/// temporary files.
///
/// A folder is left out while the process that it is named after lives, or somebody answers at
/// its socket.
///
/// # Errors
/// When the folder for temporary files cannot be read.
pub fn leftovers() -> io::Result<Vec<PathBuf>> {
    // Whatever else is called so, another user's included, is none of ours.
    let is_ours = |found: fs::Metadata| {
        found.is_dir() && found.mode() & 0o777 == MODE && found.uid() == user_id()
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(std::env::temp_dir())? {
        // One that goes away meanwhile is no error.
        let Ok(entry) = entry else { continue };
        let folder = entry.path();
        let named = segment_of(&folder).filter(|_| entry.metadata().is_ok_and(is_ours));
        let Some(name) = named else { continue };
        // Another container may share the folder but not the process ids: ask at the socket.
        if !name.creator_is_alive() && UnixStream::connect(socket_in(&folder)).is_err() {
            found.push(folder);
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Removes what [`leftovers`] finds; returns what was removed. Every manager that is started
/// does it; this is for doing it by hand.
///
/// # Errors
/// When the folder for temporary files cannot be read.
///
/// ```
/// for folder in forkyard::cleanup::sweep_managers()? {
///     println!("removed {}", folder.display());
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn sweep() -> io::Result<Vec<PathBuf>> {
    let mut swept = leftovers()?;
    swept.retain(|folder| {
        remove(folder);
        !folder.exists()
    });
    Ok(swept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_named_after_its_pool() {
        let name = SegmentName::fresh().expect("a name");
        assert_eq!(segment_of(&of(&name)), Some(name.clone()));
        assert_eq!(segment_of(&of(&name.child(3))), None);
        assert_eq!(segment_of(Path::new("/tmp/other")), None);
    }

    #[test]
    fn only_what_the_dead_left_is_swept() {
        let mine = SegmentName::fresh().expect("a name");
        // Pid 1 was not started when this name says.
        let theirs = SegmentName::parse("/fy-1-0-123456789").expect("a name");
        for name in [&mine, &theirs] {
            remove(&of(name));
            let made = DirBuilder::new().mode(MODE).create(of(name));
            made.expect("a folder");
        }
        let swept = sweep().expect("it can be read");
        assert!(swept.contains(&of(&theirs)));
        assert!(of(&mine).exists());
        remove(&of(&mine));
        assert!(!of(&theirs).exists());
    }
}
