//! Promise: starting workers costs nothing that stays, however many were started before.
#![forbid(unsafe_code)]

use std::time::Duration;

use tests::{Way, census, victim};

/// Runs the scenario on that way and prints what it said.
fn soak(way: Way, starts: u32, limit: Duration) {
    run(way, "soak/starts", starts, limit);
}

fn run(way: Way, scenario: &str, starts: u32, limit: Duration) {
    if !census::can_see() {
        return;
    }
    let victim = victim!(way, scenario).arg(starts).deadline(limit);
    let ended = victim.run();
    ended.passed();
    println!("{way:?}: {}", ended.stdout.trim());
}

tests::on_every_way! {
    /// Descriptors, memory, segments, zombies, threads and processes, over 200 worker starts.
    two_hundred_starts_leave_nothing => |way| soak(way, 200, Duration::from_secs(240));
}

tests::on_both_paths! {
    /// The same in one pool: what it keeps of those that are gone is bounded.
    three_thousand_starts_in_one_pool => |way| {
        run(way, "soak/starts-of-one", 3_000, Duration::from_secs(240));
    };
}

#[test]
#[ignore = "takes minutes; run it alone, with --ignored"]
fn ten_thousand_starts_in_one_pool() {
    for method in ["spawn", "fork", "forkserver"] {
        for transport in ["shared", "copy"] {
            let way = Way::named(transport, method);
            run(way, "soak/starts-of-one", 10_000, Duration::from_secs(600));
        }
    }
}

#[test]
#[ignore = "takes minutes; run it alone, with --ignored"]
fn ten_thousand_starts_leave_nothing() {
    for method in ["spawn", "fork", "forkserver"] {
        soak(
            Way::named("shared", method),
            10_000,
            Duration::from_secs(600),
        );
    }
    soak(
        Way::named("copy", "spawn"),
        10_000,
        Duration::from_secs(600),
    );
}
