//! Tasks over their limit.

use std::time::{Duration, Instant};

use forkyard::TaskError;
use forkyard_os::process::Signal;
use tests::gate;
use tests::patience::{LIVENESS, observe_for, until};
use tests::victim::send;

use super::{LIMIT, LONG, POLITE, RUDE, SHORT, behave, closes_with, my_pid};
use crate::scribble::Map;
use crate::setup::{Setup, for_ever, works};

/// Whether that was a limit, and its process was killed.
fn killed<T: std::fmt::Debug>(result: &Result<T, TaskError>, limit: Duration) -> bool {
    match result {
        Err(TaskError::TimedOut(timeout)) => {
            assert_eq!(timeout.limit, limit);
            timeout.killed
        }
        other => panic!("{other:?}"),
    }
}

/// One that looks at the flag stops, and its worker stays; one that does not is killed, by TERM or
/// by KILL. The other worker hears nothing of either.
pub(super) fn limit(setup: &Setup) {
    let polite = setup.builder().task_timeout(LIMIT).task_grace(LONG);
    let pool = polite.workers(1).build().expect("a pool");
    let pid = pool.submit(my_pid, ()).join();
    for how in POLITE {
        let result = pool.submit(behave, how.to_owned()).join();
        assert!(!killed(&result, LIMIT), "{how}");
        assert_eq!(pool.submit(my_pid, ()).join(), pid, "{how}");
    }
    works(&pool);
    closes_with(pool, 0);

    let builder = setup.builder().workers(2).task_grace(SHORT);
    let pool = builder.task_timeout(LIMIT).build().expect("a pool");
    for how in RUDE {
        let rude = pool.submit(behave, how.to_owned());
        let other = gate::hear(how);
        // The other worker's, as the first is busy; those in line behind it move there.
        let pids: Vec<_> = (0..20).map(|_| pool.submit(my_pid, ())).collect();
        for pid in pids {
            assert_ne!(pid.join().map(|pid| pid.to_string()), Ok(other.clone()));
        }
        assert!(killed(&rude.join(), LIMIT), "{how}");
    }
    works(&pool);
    closes_with(pool, RUDE.len());
    assert!(gate::folder().join("heard TERM").exists());
}

/// One item of a `map` is over its limit: all others have their result, whatever the chunks.
pub(super) fn in_map(setup: &Setup) {
    let builder = setup.builder().workers(2).chunk_size(50);
    let builder = builder.task_timeout(LIMIT).task_grace(SHORT);
    let pool = builder.build().expect("a pool");
    let task = |n: u64| if n == 70 { for_ever() } else { n + 1 };
    let results = pool.map(task, 0..200);
    assert_eq!(results.len(), 200);
    for (n, result) in (0..).zip(results) {
        if n == 70 {
            assert!(killed(&result, LIMIT));
        } else {
            assert_eq!(result, Ok(n + 1));
        }
    }
    works(&pool);
    closes_with(pool, 1);
}

/// The time in line does not count, of which there is more than the limit here.
pub(super) fn begins_when_taken(setup: &Setup) {
    let builder = setup.builder().workers(1).task_grace(SHORT);
    let pool = builder.task_timeout(LIMIT).build().expect("a pool");
    let last = |n: u32| {
        observe_for(SHORT);
        n
    };
    let started = Instant::now();
    let handles: Vec<_> = (0..100).map(|n| pool.submit(last, n)).collect();
    for (n, handle) in (0..).zip(handles) {
        assert_eq!(handle.join(), Ok(n));
    }
    assert!(started.elapsed() > LIMIT, "the last ones waited for longer");
    closes_with(pool, 0);
}

/// A search is not asked, because what it looks at is all the others' as well.
pub(super) fn of_a_search(setup: &Setup) {
    let builder = setup.builder().workers(2).task_grace(LONG);
    let pool = builder.task_timeout(LIMIT).build().expect("a pool");
    let task = |search: &forkyard::Search<'_>, n: u64| {
        if n > 0 {
            return None;
        }
        while !search.is_stopped() {}
        Some(n)
    };
    let found = pool.first(task, 0..10);
    assert!(matches!(found, Err(TaskError::TimedOut(_))), "{found:?}");
    let found = pool.first(|_, n: u64| (n == 7).then_some(n), 0..10);
    assert_eq!(
        found.ok().and_then(|first| first.found).map(|f| f.value),
        Some(7)
    );
    works(&pool);
    closes_with(pool, 1);
}

/// What was sent to a worker behind a task that is stopped is run once, by another.
pub(super) fn what_stands_behind(setup: &Setup) {
    for how in ["watchful", "deaf", "shielded"] {
        let grace = if how == "watchful" { LONG } else { SHORT };
        let builder = setup.builder().workers(1).task_grace(grace);
        let pool = builder.task_timeout(LIMIT).build().expect("a pool");
        let stopped = pool.submit(behave, how.to_owned());
        let task = |(how, n): (String, u64)| {
            gate::arrive(&format!("{how}-{n}"));
            n
        };
        let behind: Vec<_> = (0..100)
            .map(|n| pool.submit(task, (how.to_owned(), n)))
            .collect();
        assert_eq!(killed(&stopped.join(), LIMIT), how != "watchful");
        for (n, handle) in (0..).zip(behind) {
            assert_eq!(handle.join(), Ok(n));
            assert_eq!(gate::arrived(&format!("{how}-{n}")), 1, "{how} {n}");
        }
        closes_with(pool, usize::from(how != "watchful"));
    }
}

/// A worker that is up and begins nothing loses its task to the next one.
pub(super) fn begins_nothing(setup: &Setup) {
    let builder = setup.builder().workers(1).task_timeout(LIMIT);
    let builder = builder.start_timeout(5 * LIMIT);
    let pool = builder.build().expect("a pool");
    let pid = pool.submit(my_pid, ()).join().expect("a pid");
    send(pid, Signal::Stop);
    until("its stop", LIVENESS, || is_stopped(pid).then_some(()));
    let other = pool.submit(my_pid, ()).join().expect("another pid");
    assert_ne!(other, pid);
    works(&pool);
    closes_with(pool, 1);
}

fn is_stopped(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().unwrap_or_default();
    state.trim_start().starts_with('T')
}

/// A worker that says that it begins ever anew, or that it has not begun, does not escape.
pub(super) fn liar(setup: &Setup) {
    let builder = setup.builder().workers(1).task_timeout(LIMIT);
    let builder = builder.task_grace(SHORT).start_timeout(5 * LIMIT);
    let pool = builder.build().expect("a pool");
    let lie = |(map, begun): (Map, Option<u64>)| -> u64 {
        gate::arrive("lies");
        loop {
            map.say_started(u64::MAX);
            if let Some(begun) = begun {
                map.say_begun(begun);
            }
        }
    };
    let started = pool.submit(lie, (Map::of(&pool), None)).join();
    assert!(killed(&started, LIMIT));
    let ahead = pool.submit(lie, (Map::of(&pool), Some(1 << 40))).join();
    assert!(killed(&ahead, LIMIT));
    works(&pool);
    closes_with(pool, 2);
}
