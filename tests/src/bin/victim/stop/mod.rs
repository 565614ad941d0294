//! Single tasks that end otherwise than by themselves: over their limit, cancelled, run again.

mod cancel;
mod elsewhere;
mod limit;
mod retry;
mod storm;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use forkyard::{ExitCause, Pool, Report};
use tests::gate;

use crate::Scenario;

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("stop/limit", limit::limit),
    ("stop/limit-in-map", limit::in_map),
    ("stop/limit-begins", limit::begins_when_taken),
    ("stop/limit-of-search", limit::of_a_search),
    ("stop/limit-behind", limit::what_stands_behind),
    ("stop/begins-nothing", limit::begins_nothing),
    ("stop/liar", limit::liar),
    ("stop/cancel-queued", cancel::queued),
    ("stop/cancel-large", cancel::large),
    ("stop/cancel-running", cancel::running),
    ("stop/cancel-many", cancel::many),
    ("stop/cancel-while-waited-for", elsewhere::while_waited_for),
    ("stop/cancel-too-late", elsewhere::too_late),
    ("stop/cancel-dropped", elsewhere::dropped),
    ("stop/cancel-rest", elsewhere::rest),
    ("stop/retry", retry::retry),
    ("stop/retry-in-map", retry::in_map),
    ("stop/retry-arguments", retry::arguments),
    ("stop/retry-not", retry::not_for_stops),
    ("stop/storm", storm::storm),
    ("stop/storm-and-turnover", storm::storm_and_turnover),
];

/// So short that a test need not wait for it.
const SHORT: Duration = Duration::from_millis(30);
/// A limit that what is quick keeps, also on a machine that is busy elsewhere.
const LIMIT: Duration = Duration::from_secs(2);
/// So long that no test waits for it.
const LONG: Duration = Duration::from_secs(600);

/// A task that behaves as it is told, after it has said that it is there.
#[expect(clippy::needless_pass_by_value, reason = "a task owns its argument")]
fn behave(how: String) -> i32 {
    let me = std::process::id().cast_signed();
    let shielded = Arc::new(AtomicBool::new(false));
    if how == "shielded" {
        signal_hook::flag::register(15, Arc::clone(&shielded)).expect("a handler");
    }
    gate::say(&how, me);
    match how.as_str() {
        "watchful" => while !forkyard::context().is_stopped() {},
        "searching" => {
            let search = forkyard::context().search();
            let mut check = search.checker();
            while !check.should_stop() {}
        }
        // A thread that a task starts is stopped with it.
        "threaded" => std::thread::scope(|scope| {
            scope.spawn(|| while !forkyard::context().is_stopped() {});
        }),
        "deaf" => crate::setup::for_ever(),
        "asleep" => gate::wait("never said"),
        "shielded" => loop {
            if shielded.swap(false, Ordering::Relaxed) {
                gate::say("heard TERM", me);
            }
        },
        other => panic!("nobody behaves {other:?}"),
    }
    me
}

/// Those that stop when they are asked.
const POLITE: [&str; 3] = ["watchful", "searching", "threaded"];
/// Those that do not.
const RUDE: [&str; 3] = ["deaf", "asleep", "shielded"];

fn my_pid(_: ()) -> i32 {
    std::process::id().cast_signed()
}

/// Closes a pool in which `killed` workers were ended by their supervisor, and none died.
#[track_caller]
fn closes_with(pool: Pool, killed: usize) -> Report {
    let report = pool.close();
    assert!(report.deaths.is_empty(), "{:?}", report.deaths);
    let by_signal = |exit| matches!(exit, Some(ExitCause::Signal { signal: 9 | 15, .. }));
    let ended = report.processes.iter().filter(|row| by_signal(row.exit));
    assert_eq!(ended.count(), killed, "{report:#?}");
    report
}
