//! Where output goes, and what happens when nobody reads it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use forkyard_measure::beside_progress;

/// Why output was not written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {name}: {source}")]
pub(crate) struct OutputError {
    name: String,
    source: io::Error,
}

impl OutputError {
    /// `name` was not written.
    pub(crate) fn new(name: &str, source: io::Error) -> Self {
        Self {
            name: name.to_owned(),
            source,
        }
    }
}

/// Standard output, or a file that was opened early, so that a wrong name is found before the
/// work and not after it.
pub(crate) enum Output {
    Stdout,
    File { path: PathBuf, file: File },
}

impl Output {
    /// `-` is standard output. A file that exists keeps its content until there is a new one.
    pub(crate) fn open(path: &Path) -> Result<Self, OutputError> {
        if path.as_os_str() == "-" {
            return Ok(Self::Stdout);
        }
        let mut options = OpenOptions::new();
        let opened = options.write(true).create(true).truncate(false).open(path);
        match opened {
            Ok(file) => Ok(Self::File {
                path: path.to_owned(),
                file,
            }),
            Err(source) => Err(OutputError::new(&path.display().to_string(), source)),
        }
    }

    /// Whether it is standard output.
    pub(crate) fn is_stdout(&self) -> bool {
        matches!(self, Self::Stdout)
    }

    /// Whether both are the same file, whatever its names, or both standard output.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let (Self::File { file: one, .. }, Self::File { file: two, .. }) = (self, other) else {
            return self.is_stdout() && other.is_stdout();
        };
        match (one.metadata(), two.metadata()) {
            // Devices take anything from anyone.
            (Ok(one), Ok(two)) => one.is_file() && (one.dev(), one.ino()) == (two.dev(), two.ino()),
            _ => false,
        }
    }

    /// The name of the file, if it has content that writing to it would replace.
    pub(crate) fn content(&self) -> Option<&Path> {
        match self {
            Self::File { path, file } => {
                let metadata = file.metadata().ok()?;
                (metadata.is_file() && metadata.len() > 0).then_some(path)
            }
            Self::Stdout => None,
        }
    }

    /// Writes all of it.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), OutputError> {
        match self {
            Self::Stdout => write_stdout(bytes),
            Self::File { path, file } => write_file(file, bytes)
                .map_err(|source| OutputError::new(&path.display().to_string(), source)),
        }
    }
}

fn write_file(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    // A pipe or a device has no length to cut.
    if file.metadata()?.is_file() {
        file.set_len(0)?;
    }
    file.write_all(bytes)?;
    file.flush()
}

/// Writes to standard output. A reader that has gone (`| head`) wants no more: that is no error.
pub(crate) fn write_stdout(bytes: &[u8]) -> Result<(), OutputError> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(source) => Err(OutputError::new("standard output", source)),
        Ok(()) => Ok(()),
    }
}

/// Writes to standard error, above the progress bar, or nowhere if that is gone.
pub(crate) fn write_stderr(text: &str) {
    let _ = beside_progress(|| io::stderr().lock().write_all(text.as_bytes()));
}

/// One line on standard error that says who speaks.
pub(crate) fn complain(line: impl std::fmt::Display) {
    write_stderr(&format!("forkyard: {line}\n"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_keeps_its_content_until_there_is_a_new_one() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("out");
        std::fs::write(&path, "a long old content").expect("write");
        let mut output = Output::open(&path).expect("writable");
        assert_eq!(std::fs::read(&path).expect("read"), b"a long old content");
        output.write(b"new").expect("written");
        assert_eq!(std::fs::read(&path).expect("read"), b"new");
    }

    #[test]
    fn what_cannot_be_written_is_found_when_it_is_opened() {
        let error = Output::open(Path::new("/no/such/directory/out")).err();
        let message = error.map(|error| error.to_string()).unwrap_or_default();
        assert!(
            message.starts_with("cannot write /no/such/directory/out: "),
            "{message}"
        );
    }
}
