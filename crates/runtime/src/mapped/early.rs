//! A worker of a test program becomes one before `main`, which is the test harness's.

use crate::init;

// The system calls it when it has loaded the program and prepared the libraries. What is different
// there from `main`: the standard library has not put its handler for stack overflows in place, so
// that one ends a worker by SIGSEGV instead of SIGABRT. Threads, standard streams, environment,
// arguments and allocation work as ever.
forkyard_os::run_before_main!(BEFORE_MAIN, before_main);

extern "C" fn before_main() {
    init::before_main();
}

/// Has the linker keep it, in every program that builds pools.
pub(crate) fn keep_before_main() {
    std::hint::black_box(&raw const BEFORE_MAIN);
}
