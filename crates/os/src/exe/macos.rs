//! The running program on macOS.

use std::fs::{File, Metadata};
use std::io;

/// Of the file at the path that the program was started from.
pub(super) fn metadata() -> io::Result<Metadata> {
    std::fs::metadata(std::env::current_exe()?)
}

/// The file at the path that the program was started from, to be read.
pub(super) fn open() -> io::Result<File> {
    File::open(std::env::current_exe()?)
}

/// Has the system call an `extern "C" fn()` of the caller's before `main`, in every program that the static `$name` is
/// linked into: `run_before_main!(NAME, function)`. It takes its caller's word that the function may run there, where
/// the standard library's preparations for `main` are not made.
#[macro_export]
macro_rules! run_before_main {
    ($name:ident, $function:path) => {
        #[used]
        #[unsafe(link_section = "__DATA,__mod_init_func")]
        static $name: extern "C" fn() = $function;
    };
}
