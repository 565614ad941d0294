//! Promise: pools that come and go leave nothing, and pools that have nothing to do take nothing.
#![forbid(unsafe_code)]

use std::time::Duration;

use tests::{census, victim};

tests::on_every_way! {
    /// Descriptors, threads, zombies, segments and memory, over 200 pools; with all six ways more
    /// than a thousand. (`case_30_a_thousand_pools` is one process with as many.)
    case_30_pools_leave_nothing => |way| {
        if census::can_see() {
            let victim = victim!(way, "leaks/pools").arg(200);
            victim.deadline(Duration::from_secs(240)).passes();
        }
    };
    case_30_failed_builds_leave_nothing => |way| {
        if census::can_see() {
            victim!(way, "leaks/failed-builds").passes();
        }
    };
    case_30_dead_workers_leave_nothing => |way| {
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

#[test]
#[ignore = "takes a minute; run it alone, with --ignored"]
fn case_30_a_thousand_pools() {
    for transport in ["shared", "copy"] {
        let victim = victim!(tests::Way::named(transport, "spawn"), "leaks/pools");
        victim.arg(1000).deadline(Duration::from_secs(600)).passes();
    }
}
