//! The running program on Linux.

use std::fs::Metadata;
use std::io;

/// Of the very file that is mapped, even if its name now means another or none.
pub(super) fn metadata() -> io::Result<Metadata> {
    std::fs::metadata("/proc/self/exe")
}
