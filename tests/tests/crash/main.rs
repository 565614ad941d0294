//! Promise: whoever dies at whatever step of an operation on shared memory, the others go on, and
//! what it had comes back. Every step is tried by a real SIGKILL; `docs/crash-points.md` lists them.
#![cfg(debug_assertions)]
#![forbid(unsafe_code)]

mod found;
mod pools;
mod sites;
mod table;

use found::structure;
use table::PoolTest;
use tests::Way;

/// A test for each structure: its operations are listed in `tests/src/bin/crash/points/`.
macro_rules! crash_points_of {
    ($($test:ident => $structure:expr;)+) => {
        $(
            #[test]
            fn $test() {
                assert!(!structure($structure).rows.is_empty());
            }
        )+

        /// Every structure, and its test.
        const STRUCTURES: &[(&str, &str)] = &[$(($structure, stringify!($test))),+];
    };
}

crash_points_of! {
    crash_arena => "arena";
    crash_barrier => "barrier";
    crash_cells => "cells";
    crash_control => "control";
    crash_event => "event";
    crash_first => "first";
    crash_lane => "lane";
    crash_lock => "lock";
    crash_mutex => "mutex";
    crash_queue => "queue";
    crash_semaphore => "semaphore";
}

/// A test for each way on which pools are tried, and each role.
macro_rules! crash_points_of_pools {
    ($($test:ident => $role:literal, $transport:ident $method:ident;)+) => {
        $(
            #[test]
            fn $test() {
                let way = Way::named(stringify!($transport), stringify!($method));
                assert!(!PoolTest { role: $role, way }.tried().is_empty());
            }
        )+

        const POOLS: &[(&str, PoolTest)] = &[$(
            (stringify!($test), PoolTest {
                role: $role,
                way: Way::named(stringify!($transport), stringify!($method)),
            })
        ),+];
    };
}

crash_points_of_pools! {
    crash_pool_worker_shared_spawn => "worker", shared spawn;
    crash_pool_worker_shared_fork => "worker", shared fork;
    crash_pool_worker_shared_forkserver => "worker", shared forkserver;
    crash_pool_worker_copy_spawn => "worker", copy spawn;
    crash_pool_supervisor_shared_spawn => "supervisor", shared spawn;
    crash_pool_supervisor_shared_fork => "supervisor", shared fork;
    crash_pool_supervisor_shared_forkserver => "supervisor", shared forkserver;
    crash_pool_supervisor_copy_spawn => "supervisor", copy spawn;
}

/// Every step in the sources of forkyard-shm is one at which some victim has died.
#[test]
fn crash_at_every_step_there_is() {
    let died_at = STRUCTURES
        .iter()
        .flat_map(|(name, _)| structure(name).sites.clone());
    let untried = sites::untried(&died_at.collect());
    assert!(
        untried.is_empty(),
        "no victim dies at these steps:\n{}\nadd an operation in tests/src/bin/crash/points/ that \
         takes them, or an entry with its reason to EXEMPT in tests/tests/crash/sites.rs",
        untried.join("\n")
    );
}

/// Every write in the sources of forkyard-shm that others can see has its step.
#[test]
fn crash_steps_are_before_every_write() {
    let unstepped = sites::unstepped();
    assert!(
        unstepped.is_empty(),
        "there is no step before these writes:\n{}\nput `step();` before them, or an entry with its \
         reason into UNSEEN in tests/tests/crash/sites.rs",
        unstepped.join("\n")
    );
}

/// The table in the documentation is what was tried.
#[test]
fn crash_table_is_up_to_date() {
    table::check(STRUCTURES, POOLS);
}
