//! A worker of a test program becomes one before `main`, which is the test harness's.

use crate::init;

/// The system calls what stands in this section when it has loaded the program, after it has done
/// so for the libraries, and before `main`.
///
/// What is different there from `main`: the standard library has not put its handler for stack
/// overflows in place, so that one ends a worker by SIGSEGV instead of SIGABRT. Threads, standard
/// streams, environment, arguments and allocation work as ever.
#[used]
#[cfg_attr(target_os = "linux", unsafe(link_section = ".init_array"))]
#[cfg_attr(target_os = "macos", unsafe(link_section = "__DATA,__mod_init_func"))]
static BEFORE_MAIN: extern "C" fn() = before_main;

extern "C" fn before_main() {
    init::before_main();
}

/// Has the linker keep it, in every program that builds pools.
pub(crate) fn keep_before_main() {
    std::hint::black_box(&raw const BEFORE_MAIN);
}
