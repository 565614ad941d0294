//! Promise: SIGKILL at any instant. No task is lost, doubled or hung; exactly one wins; nothing is
//! left behind. What that means in detail is written where it is checked, in the victim.
//!
//! A failure prints its seed. `FORKYARD_STRESS_SEED=... cargo test -p tests --test stress` makes the
//! same decisions again.
#![forbid(unsafe_code)]

use std::time::Duration;

use tests::{Way, census, victim};

/// Kills for each way in the ordinary suite.
const KILLS: u64 = 50;
/// Kills for each start method in the long one.
const MANY_KILLS: u64 = 3_334;
const METHODS: [&str; 3] = ["spawn", "fork", "forkserver"];

fn storm(way: Way, kills: u64, deadline: Duration) {
    if !census::can_see() {
        return;
    }
    let seed = std::env::var("FORKYARD_STRESS_SEED").unwrap_or_else(|_| "0".to_owned());
    let victim = victim!(way, "stress/storm").arg(kills).arg(seed);
    let ended = victim.deadline(deadline).run();
    ended.passed();
    let tally = ended.stdout.lines().find(|line| line.starts_with("seed"));
    println!("{way}: {}", tally.unwrap_or_default());
}

tests::on_every_way! {
    kills_at_any_moment_cost_what_they_must => |way| storm(way, KILLS, Duration::from_secs(120));
}

fn long_storm(transport: &'static str) {
    for method in METHODS {
        let way = Way::named(transport, method);
        storm(way, MANY_KILLS, Duration::from_secs(3600));
    }
}

#[test]
#[ignore = "takes minutes; run it alone, with --ignored --nocapture"]
fn ten_thousand_kills_on_the_shared_path() {
    long_storm("shared");
}

#[test]
#[ignore = "takes minutes; run it alone, with --ignored --nocapture"]
fn ten_thousand_kills_on_the_copy_path() {
    long_storm("copy");
}
