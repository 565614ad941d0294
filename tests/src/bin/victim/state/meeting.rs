//! Events and barriers: waiting for others, and for those who never come.

use std::time::Duration;

use forkyard::state::{
    BarrierBroken, BarrierWaitError, EventBroken, EventWaitError, Owner, Passed,
};
use forkyard::{Barrier, Event, SharedArray};
use tests::gate;
use tests::patience::{LIVENESS, until};

use super::{all_ok, died, hold_on, kill_who_said, say_who, waiting, who_said};
use crate::setup::Setup;

/// Set by a task for the supervisor, and by the supervisor for tasks; what came before a set
/// is seen after it.
pub(super) fn event(setup: &Setup) {
    let pool = setup.pool(2);
    let (go, came) = (pool.event(), pool.event());
    let (go, came) = (go.expect("an event"), came.expect("an event"));
    let sum = pool.cell(0_u64).expect("a cell");
    let late = go.wait_timeout(Duration::from_millis(1));
    assert_eq!(late, Err(EventWaitError::TimedOut));
    let task = |(go, came, sum): (Event, Event, forkyard::SharedCell<u64>)| {
        go.wait().expect("it is set");
        sum.store(5);
        came.set();
    };
    let handle = pool.submit(task, (go.clone(), came.clone(), sum.clone()));
    assert!(!came.is_set());
    go.set();
    came.wait().expect("it is set");
    assert_eq!(sum.load(), 5);
    assert_eq!(handle.join(), Ok(()));
    go.clear();
    assert!(!go.is_set() && came.is_set());
}

/// One who has promised to set the event dies: all who wait learn of it.
pub(super) fn promise(setup: &Setup) {
    let pool = setup.pool(2);
    let event = pool.event().expect("an event");
    let task = |event: Event| -> u64 {
        assert!(event.promise());
        say_who("has promised");
        hold_on()
    };
    let doomed = pool.submit(task, event.clone());
    who_said("has promised");
    assert!(!event.promise(), "one is enough");
    let ours = event.clone();
    let here = waiting(move || ours.wait());
    let there = pool.submit(
        |event: Event| {
            gate::say("waits too", "");
            event.wait().map_err(|broken| broken.to_string())
        },
        event.clone(),
    );
    gate::wait("waits too");
    let worker = kill_who_said("has promised");
    let broken = here.join().expect("no hang").expect_err("broken");
    let EventBroken::SetterDied(owner) = broken else {
        panic!("{broken:?}");
    };
    assert_eq!(owner.worker(), Some(worker));
    assert_eq!(there.join(), Ok(Err(broken.to_string())));
    died(&doomed.join());
    event.clear();
    let kept = |event: Event| (event.promise(), event.set()).0;
    assert_eq!(pool.submit(kept, event.clone()).join(), Ok(true));
    assert_eq!(event.wait(), Ok(()));
}

const PHASES: u64 = 50;

fn phases((barrier, row): (Barrier, SharedArray<u64>)) -> Result<u64, BarrierBroken> {
    let me = forkyard::context().worker().expect("in a worker");
    let mut lasts = 0;
    for phase in 1..=PHASES {
        row[me].store(phase);
        lasts += u64::from(barrier.wait()? == Passed::Last);
        assert!(row.values().all(|theirs| theirs >= phase));
        barrier.wait()?;
    }
    barrier.leave();
    Ok(lasts)
}

/// All meet, phase after phase, and each phase has one who came last.
pub(super) fn barrier(setup: &Setup) {
    let pool = setup.pool(4);
    let barrier = pool.barrier(4).expect("a barrier");
    let row = pool.array(4).expect("an array");
    let tasks = (0..4).map(|_| (barrier.clone(), row.clone()));
    let lasts: Result<Vec<u64>, _> = all_ok(pool.map(phases, tasks)).into_iter().collect();
    assert_eq!(lasts.expect("whole").into_iter().sum::<u64>(), PHASES);
    // They have left: a death does not matter any more.
    let gone: Result<(), _> = pool.submit(|()| crate::setup::kill_myself(), ()).join();
    died(&gone);
    assert_eq!((barrier.broken(), barrier.waiting()), (None, 0));
}

fn come(barrier: Barrier) -> Result<(), String> {
    gate::arrive("at the barrier");
    barrier
        .wait()
        .map(drop)
        .map_err(|broken| broken.to_string())
}

/// A participant is killed: all who wait get an error, until the barrier is reset.
pub(super) fn broken_barrier(setup: &Setup) {
    let pool = setup.pool(3);
    // Three workers and two threads here, of which one does not come yet.
    let barrier = pool.barrier(5).expect("a barrier");
    let late = barrier.wait_timeout(Duration::from_millis(1));
    assert_eq!(late, Err(BarrierWaitError::TimedOut));
    let task = |barrier: Barrier| {
        say_who("is there");
        come(barrier)
    };
    let doomed = pool.submit(task, barrier.clone());
    let others: Vec<_> = (0..2).map(|_| pool.submit(come, barrier.clone())).collect();
    let ours = barrier.clone();
    let here = waiting(move || ours.wait());
    until("four came", LIVENESS, || {
        (barrier.waiting() == 4).then_some(())
    });
    let worker = kill_who_said("is there");
    let broken = here.join().expect("no hang").expect_err("broken");
    assert_eq!(broken.by.and_then(Owner::worker), Some(worker));
    assert_eq!(
        barrier.wait(),
        Err(broken),
        "who comes late is told at once"
    );
    for other in others {
        assert_eq!(other.join(), Ok(Err(broken.to_string())));
    }
    died(&doomed.join());
    barrier.reset();
    assert_eq!(barrier.broken(), None);
    let again: Vec<_> = (0..3).map(|_| pool.submit(come, barrier.clone())).collect();
    let ours = barrier.clone();
    let here = waiting(move || ours.wait().is_ok());
    assert!(barrier.wait().is_ok() && here.join().expect("no hang"));
    for task in again {
        assert_eq!(task.join(), Ok(Ok(())));
    }
}
