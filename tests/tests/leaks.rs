//! Promise: pools that come and go leave nothing, and pools that have nothing to do take nothing.
#![forbid(unsafe_code)]

use std::time::Duration;

use tests::{census, victim};

tests::on_every_way! {
    /// Descriptors, threads, zombies, segments and memory, over 200 pools.
    pools_leave_nothing => |way| {
        if census::can_see() {
            let victim = victim!(way, "leaks/pools").arg(200);
            victim.deadline(Duration::from_secs(240)).passes();
        }
    };
    failed_builds_leave_nothing => |way| {
        if census::can_see() {
            victim!(way, "leaks/failed-builds").passes();
        }
    };
    dead_workers_leave_nothing => |way| {
        if census::can_see() {
            victim!(way, "leaks/deaths").passes();
        }
    };
}

tests::on_both_paths! {
    an_idle_pool_takes_no_cpu => |way| {
        if census::can_see() {
            victim!(way, "leaks/idle").passes();
        }
    };
    waiting_takes_no_cpu => |way| {
        if census::can_see() {
            victim!(way, "leaks/waiting").passes();
        }
    };
    blocks_are_used_again => |way| victim!(way, "leaks/arena").passes();
}
