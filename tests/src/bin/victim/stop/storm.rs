//! Everything at once.

use std::time::Duration;

use forkyard::{Handle, OnCrash, PoolBuilder, TaskError};
use tests::gate;
use tests::random::Random;

use super::SHORT;
use crate::setup::{Setup, kill_myself, spin};

const ROUNDS: u64 = 6;
const TASKS: u64 = 60;

/// What one task of the storm does.
fn act((what, name): (u64, String)) -> u64 {
    let before = gate::arrive(&name) as u64;
    match what {
        0..70 => {}
        70..80 => spin(what * 10),
        80..88 => while !forkyard::context().is_stopped() {},
        88..94 => crate::setup::for_ever(),
        94..97 if before == 0 => kill_myself(),
        97.. => kill_myself(),
        _ => {}
    }
    what
}

/// On a machine that is busy elsewhere anything may take too long.
fn is_over(result: &Result<u64, TaskError>) -> bool {
    matches!(result, Err(TaskError::TimedOut(_)))
}

/// Tasks that are quick, slow, endless and deadly, some of them cancelled at any moment: each has
/// exactly one end, the one that it must have, and none is run again without cause.
pub(super) fn storm(setup: &Setup) {
    storm_over(setup, setup.builder());
}

/// The same while workers are replaced after a few tasks, and let go when there is nothing to do.
pub(super) fn storm_and_turnover(setup: &Setup) {
    let builder = setup.builder().max_tasks_per_child(4);
    let builder = builder.idle_timeout(Duration::from_millis(1));
    storm_over(setup, builder.min_workers(0));
}

fn storm_over(setup: &Setup, builder: PoolBuilder) {
    let seed = setup.number();
    let mut random = Random(seed);
    println!("seed {seed}");
    let builder = builder.workers(3).task_timeout(8 * SHORT);
    let builder = builder.on_crash(OnCrash::Retry { max: 1 });
    let pool = builder.task_grace(SHORT).build().expect("a pool");
    for round in 0..ROUNDS {
        let mut tasks: Vec<(u64, String, bool, Handle<u64>)> = Vec::new();
        for n in 0..TASKS {
            let what = random.below(100);
            let name = format!("r{round}t{n}");
            let handle = pool.submit(act, (what, name.clone()));
            tasks.push((what, name, false, handle));
            if random.below(4) == 0 {
                let at = random.below(tasks.len() as u64) as usize;
                let (_, _, cancelled, handle) = &mut tasks[at];
                *cancelled |= handle.cancel();
            }
        }
        for (what, name, cancelled, handle) in tasks {
            let result = handle.join();
            let ran = gate::arrived(&name);
            let told = format!("{name} does {what}, cancelled: {cancelled}, ran {ran}: {result:?}");
            let is_over = is_over(&result);
            let right = match what {
                _ if cancelled => result == Err(TaskError::Cancelled) && ran <= 2,
                0..80 => (result == Ok(what) || is_over) && ran == 1,
                80..94 => is_over && ran == 1,
                94..97 => result == Ok(what) && ran == 2 || is_over && ran <= 2,
                _ => matches!(result, Err(TaskError::GaveUp(_))) && ran == 2 || is_over,
            };
            assert!(right, "{told}");
        }
        let alive = pool.submit(|n: u64| n + 1, 41).join();
        assert!(is_over(&alive) || alive == Ok(42), "{alive:?}");
    }
    if random.below(2) == 0 {
        drop(pool.submit(act, (90, "last".to_owned())));
        pool.close();
    } else {
        let last = pool.submit(act, (90, "last".to_owned()));
        last.cancel();
        pool.abort(SHORT);
        let end = last.join();
        let ends = [Err(TaskError::Cancelled), Err(TaskError::Aborted)];
        assert!(ends.contains(&end), "{end:?}");
    }
}
