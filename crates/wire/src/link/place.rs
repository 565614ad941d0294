//! Where ipc-channel puts the socket of a listener: in a fresh folder below the one for temporary files. It panics when
//! there is no such folder to be had, and cuts a name that is too long, so both are looked at before. That is done on
//! every system, also where a listener is no socket, so that what works on one works on the others.

use std::fs::DirBuilder;
use std::hash::{BuildHasher, RandomState};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::{env, fs, io};

use super::LinkError;

/// A socket's name has 108 bytes on Linux and 104 on other systems, the closing zero included.
const LONGEST_NAME_BYTES: usize = 103;

/// What is added to the folder's name.
const ADDED: &str = "/.tmp123456/socket";

/// Whether a socket can be put below `folder`.
pub(super) fn check(folder: &Path) -> Result<(), LinkError> {
    let refused = |source| LinkError::TemporaryFolder {
        folder: folder.to_owned(),
        source,
    };
    // The worker is told the whole path.
    let whole = if folder.is_absolute() {
        folder.to_owned()
    } else {
        env::current_dir().map_err(refused)?.join(folder)
    };
    let Some(text) = whole.to_str() else {
        let why = "its path is not UTF-8";
        return Err(refused(io::Error::new(io::ErrorKind::InvalidInput, why)));
    };
    let text = text.strip_suffix('/').unwrap_or(text);
    if text.len() + ADDED.len() > LONGEST_NAME_BYTES {
        return Err(LinkError::NameTooLong {
            name: format!("{text}{ADDED}"),
        });
    }
    // The only sure way to know, since file systems can be full or read-only.
    let trial = whole.join(format!(".fy-{:016x}", RandomState::new().hash_one(text)));
    let made = DirBuilder::new().mode(0o700).create(&trial);
    made.map_err(refused)?;
    fs::remove_dir(&trial).map_err(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_for_temporary_files_is_looked_at() {
        let folder = env::temp_dir();
        check(&folder).unwrap();
        check(Path::new(".")).unwrap();
        let missing = check(&folder.join("fy-no-such-folder"));
        let Err(LinkError::TemporaryFolder { source, .. }) = missing else {
            panic!("{missing:?}");
        };
        assert_eq!(source.kind(), io::ErrorKind::NotFound);
        let long = check(Path::new(&format!("/{}", "x".repeat(90))));
        assert!(
            matches!(long, Err(LinkError::NameTooLong { .. })),
            "{long:?}"
        );
    }
}
