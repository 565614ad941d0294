//! The error of a system call that has no better name.

use std::io;

/// A system call failed in a way that only the person at the machine can judge.
#[derive(Debug, thiserror::Error)]
#[error("could not {doing}: {source}")]
pub struct OsError {
    doing: &'static str,
    source: io::Error,
}

impl OsError {
    pub(crate) fn new(doing: &'static str, source: impl Into<io::Error>) -> Self {
        Self {
            doing,
            source: source.into(),
        }
    }

    /// What was being done, as the object of "could not".
    #[must_use]
    pub fn doing(&self) -> &'static str {
        self.doing
    }

    /// The errno behind it, if there is one.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        self.source.raw_os_error()
    }
}

/// Repeats a call for as long as a signal interrupts it.
pub(crate) fn retry<T>(mut call: impl FnMut() -> nix::Result<T>) -> nix::Result<T> {
    loop {
        match call() {
            Err(nix::errno::Errno::EINTR) => {}
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::errno::Errno;

    #[test]
    fn interrupted_calls_are_repeated_and_other_errors_are_not() {
        let mut left = 3;
        let result = retry(|| {
            left -= 1;
            if left > 0 { Err(Errno::EINTR) } else { Ok(7) }
        });
        assert_eq!(result, Ok(7));
        assert_eq!(retry::<()>(|| Err(Errno::EBADF)), Err(Errno::EBADF));
    }

    #[test]
    fn the_message_says_what_was_tried() {
        let error = OsError::new("open the lock", Errno::EACCES);
        assert!(error.to_string().starts_with("could not open the lock: "));
        assert_eq!(error.errno(), Some(libc::EACCES));
    }
}
