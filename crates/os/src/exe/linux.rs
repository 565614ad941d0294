//! The running program on Linux.

use std::fs::{File, Metadata};
use std::io;

/// Of the very file that is mapped, even if its name now means another or none.
pub(super) fn metadata() -> io::Result<Metadata> {
    std::fs::metadata("/proc/self/exe")
}

/// The very file that is mapped, to be read.
pub(super) fn open() -> io::Result<File> {
    File::open("/proc/self/exe")
}

/// Has the system call an `extern "C" fn()` of the caller's before `main`, in every program that the static `$name` is
/// linked into: `run_before_main!(NAME, function)`. It takes its caller's word that the function may run there, where
/// the standard library's preparations for `main` are not made.
#[macro_export]
macro_rules! run_before_main {
    ($name:ident, $function:path) => {
        #[used]
        #[unsafe(link_section = ".init_array")]
        static $name: extern "C" fn() = $function;
    };
}
