//! The supervisor's death is the worker's end.

use forkyard_os::death::wait_for_exit;
use forkyard_os::process::{Pid, exit_now};
use forkyard_os::segment::SegmentName;
use forkyard_shm::control::Control;

use crate::bootstrap::{unlink_all, unlink_if_orphaned};
use crate::start::{EXIT_NOT_ATTACHED, EXIT_ORPHANED};

/// Bytes of the watching thread's stack; it makes a few system calls.
const STACK_BYTES: usize = 64 * 1024;

/// Starts the thread that sleeps until the supervisor is gone, then takes the pool's names
/// away (every worker does; once is enough) and ends the process, whatever it is doing.
pub(crate) fn start((pid, started): (Pid, u64), name: SegmentName, control: Control) {
    let watching = std::thread::Builder::new()
        .name("forkyard-watch".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(move || {
            match wait_for_exit(pid, started) {
                Ok(()) => unlink_all(&name, &control),
                Err(error) => {
                    super::complain(&format!(
                        "a worker cannot watch its supervisor and ends: {error}"
                    ));
                    unlink_if_orphaned(&name, &control);
                }
            }
            crate::manager::take_folder_away();
            exit_now(EXIT_ORPHANED)
        });
    if let Err(error) = watching {
        // A worker that might outlive its supervisor is worse than none.
        super::complain(&format!(
            "a worker cannot start its watching thread: {error}"
        ));
        exit_now(EXIT_NOT_ATTACHED);
    }
}
