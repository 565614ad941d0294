//! Finding the files.

use std::fmt::Display;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

/// What lies below the given paths.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Regular files, sorted by the bytes of their names.
    pub(crate) files: Vec<PathBuf>,
    /// A line for each path that cannot be read, or is given but is no regular file.
    pub(crate) complaints: Vec<String>,
}

/// Every regular file below `paths`. A link that is given is followed; one met on the way is not.
pub(crate) fn walk(paths: &[PathBuf]) -> Found {
    let mut found = Found::default();
    for path in paths {
        match std::fs::metadata(path) {
            Err(error) => found.complaints.push(complaint(path, error)),
            Ok(given) if given.is_file() => found.files.push(path.clone()),
            Ok(given) if given.is_dir() => below(path, &mut found),
            Ok(_) => {
                let reason = "neither a regular file nor a directory";
                found.complaints.push(complaint(path, reason));
            }
        }
    }
    found.files.sort_by(|a, b| {
        let (a, b) = (a.as_os_str(), b.as_os_str());
        a.as_bytes().cmp(b.as_bytes())
    });
    found
}

fn below(directory: &Path, found: &mut Found) {
    for entry in WalkDir::new(directory) {
        match entry {
            Ok(entry) if entry.file_type().is_file() => found.files.push(entry.into_path()),
            Ok(_) => {}
            Err(error) => {
                let path = error.path().unwrap_or(directory).to_owned();
                found.complaints.push(match error.into_io_error() {
                    Some(error) => complaint(&path, error),
                    None => complaint(&path, "cannot be walked"),
                });
            }
        }
    }
}

/// A line about a path that keeps to one line whatever the path holds.
pub(crate) fn complaint(path: &Path, reason: impl Display) -> String {
    let mut line = String::new();
    for c in path.to_string_lossy().chars() {
        if c.is_control() {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    format!("{line}: {reason}")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_followed_only_where_given() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("real")).expect("mkdir");
        fs::write(at("real/a.b"), "x").expect("write");
        fs::create_dir(at("real/a")).expect("mkdir");
        fs::write(at("real/a/b"), "y").expect("write");
        symlink(at("real"), at("real/loop")).expect("symlink");
        symlink(at("real"), at("given")).expect("symlink");
        symlink(at("real/a.b"), at("file")).expect("symlink");

        let found = walk(&[at("given"), at("file")]);
        assert_eq!(found.complaints, [""; 0]);
        // By bytes, as `LC_ALL=C sort` has it: '.' comes before '/'.
        assert_eq!(found.files, [at("file"), at("given/a.b"), at("given/a/b")]);
    }

    #[test]
    fn what_is_not_there_is_one_line() {
        let found = walk(&[PathBuf::from("/no/such\nfile"), PathBuf::from("/dev/null")]);
        assert!(found.files.is_empty());
        assert_eq!(found.complaints.len(), 2);
        assert!(found.complaints[0].starts_with("/no/such\\nfile: No such file"));
        assert!(found.complaints[1].ends_with("neither a regular file nor a directory"));
    }
}
