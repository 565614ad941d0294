//! The running program on macOS.

use std::fs::Metadata;
use std::io;

/// Of the file at the path that the program was started from.
pub(super) fn metadata() -> io::Result<Metadata> {
    std::fs::metadata(std::env::current_exe()?)
}
