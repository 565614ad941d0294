//! Managers: values of any shape that processes share, and what becomes of calls when somebody
//! dies or lets go.

mod calls;
mod ending;
mod hostile;

use std::time::Duration;

use forkyard::{Pool, PoolBuilder, StartMethod};
use tests::gate;

use crate::Scenario;
use crate::setup::Setup;

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("manager/words", calls::words),
    ("manager/callers", calls::callers),
    ("manager/dict", calls::dict),
    ("manager/list", calls::list),
    ("manager/panic", calls::panic),
    ("manager/errors", calls::errors),
    ("manager/nested", calls::nested),
    ("manager/large", calls::large),
    ("manager/timeout", calls::timeout),
    ("manager/order", calls::order),
    ("manager/killed", ending::killed),
    ("manager/killed-under-load", ending::killed_under_load),
    ("manager/caller-dies", ending::caller_dies),
    ("manager/dropped", ending::dropped),
    ("manager/dropped-busy", ending::dropped_busy),
    ("manager/owned", ending::owned),
    ("manager/bad-start", ending::bad_start),
    ("manager/up", ending::up),
    ("manager/exit", ending::exit),
    ("manager/many", ending::many),
    ("manager/settings", ending::settings),
    ("manager/long-tmpdir", ending::long_tmpdir),
    ("manager/interrupt", ending::interrupt),
    ("manager/garbage", hostile::garbage),
    ("manager/stalled", hostile::stalled),
    ("manager/forged", hostile::forged),
];

/// A pool beside a manager of the scenario's way. A process that has started one cannot fork
/// another: then it is spawned.
fn pool_beside(setup: &Setup, workers: usize) -> Pool {
    beside(setup).workers(workers).build().expect("a pool")
}

fn beside(setup: &Setup) -> PoolBuilder {
    let method = match setup.method {
        StartMethod::Fork => StartMethod::Spawn,
        other => other,
    };
    setup.builder().start_method(method)
}

/// Says under `name` that it runs, in the manager's process, and never comes back.
fn never(name: &str) -> ! {
    gate::say(name, std::process::id());
    loop {
        std::thread::sleep(Duration::from_secs(60));
    }
}
