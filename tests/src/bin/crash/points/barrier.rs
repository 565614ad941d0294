//! Barriers: a participant's death breaks them, for all who wait and who come.

use std::time::Duration;

use forkyard_shm::OwnerIndex;
use forkyard_shm::state::{Barrier, BarrierBroken, GiveBack, Passed};

use super::memory::Memory;
use super::park::{Asleep, Counted, Plain};
use super::{BOTH, Operation, SUPERVISOR, Trial};

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::new("come last, to one that waits", BOTH, come_last),
    Operation::new("wait and pass", BOTH, pass),
    Operation::new("wait until the time is up", BOTH, time_out),
    Operation::new("join, leave, abort, reset", BOTH, others),
    Operation::new("give back", SUPERVISOR, give_back),
];

const TOLD: usize = 0;

/// What a waiter was told, as a note.
fn mark(told: Result<Passed, BarrierBroken>) -> u64 {
    match told {
        Ok(_) => 1,
        Err(BarrierBroken { by: None }) => 2,
        Err(BarrierBroken { by: Some(owner) }) => 3 + u64::from(owner.get()),
    }
}

fn barrier(memory: &Memory, parties: usize) -> Barrier<'_> {
    Barrier::in_place(&mut memory.place(), parties).expect("room")
}

/// Waits as the peer, and notes what it was told.
fn come(trial: &Trial, barrier: Barrier<'_>) {
    trial.note(TOLD, mark(barrier.wait(trial.other(), &Counted)));
}

/// Reset, it is as new for two.
fn works(trial: &Trial, barrier: Barrier<'_>) {
    if barrier.broken().is_some() {
        assert!(
            barrier.wait(trial.us(), &Plain).is_err(),
            "who comes is told"
        );
        barrier.reset(&Plain);
    }
    assert_eq!((barrier.waiting(), barrier.broken()), (0, None));
    let last = Asleep::until(|| {
        assert_eq!(barrier.wait(trial.other(), &Plain), Ok(Passed::Last));
    });
    assert_eq!(barrier.wait(trial.us(), &last), Ok(Passed::NotLast));
}

fn come_last(trial: &Trial) {
    let memory = Memory::new(64);
    let barrier = barrier(&memory, 2);
    let peer = trial.peer("who waits at the barrier", || come(trial, barrier));
    trial.until_asleep(&peer, 1);
    let died = trial.victim(|| {
        assert_eq!(barrier.wait(trial.dead(), &Plain), Ok(Passed::Last));
    });
    let broke = barrier.give_back(trial.dead(), &Plain);
    if !broke {
        // It died before it was a member: it counts as one that never came.
        assert!(died && barrier.waiting() == 1);
        assert_eq!(barrier.wait(trial.us(), &Plain), Ok(Passed::Last));
    }
    peer.ends();
    let told = trial.noted(TOLD);
    let broken = BarrierBroken {
        by: Some(trial.dead()),
    };
    assert!(told == 1 || died && told == mark(Err(broken)));
    works(trial, barrier);
}

/// It and the peer wait for a third.
fn three(trial: &Trial, limit: Duration, third: impl Fn(Barrier<'_>)) {
    let memory = Memory::new(64);
    let barrier = barrier(&memory, 3);
    let peer = trial.peer("who waits at the barrier", || come(trial, barrier));
    trial.until_asleep(&peer, 1);
    trial.victim(|| {
        let woken = Asleep::until(|| third(barrier));
        let _ = barrier.wait_timeout(trial.dead(), limit, &woken);
    });
    let broke = barrier.give_back(trial.dead(), &Plain);
    if !broke {
        assert_eq!(barrier.waiting(), 1, "it died before it was a member");
        barrier.abort(&Plain);
    }
    peer.ends();
    let by = broke.then_some(trial.dead());
    let told = trial.noted(TOLD);
    assert!(
        told == 1 || told == mark(Err(BarrierBroken { by })),
        "{told}"
    );
    barrier.reset(&Plain);
    assert_eq!((barrier.waiting(), barrier.broken()), (0, None));
}

fn pass(trial: &Trial) {
    three(trial, Duration::from_secs(60), |barrier| {
        assert_eq!(barrier.wait(trial.us(), &Plain), Ok(Passed::Last));
    });
}

/// Long enough to fall asleep, short enough to be tried often.
const TIME: Duration = Duration::from_millis(100);

fn time_out(trial: &Trial) {
    three(trial, TIME, |_| tests::patience::observe_for(TIME));
}

fn others(trial: &Trial) {
    let memory = Memory::new(64);
    let barrier = barrier(&memory, 2);
    trial.victim(|| {
        barrier.join(trial.dead());
        barrier.leave(trial.dead());
        barrier.abort(&Plain);
        barrier.reset(&Plain);
    });
    let _ = barrier.give_back(trial.dead(), &Plain);
    works(trial, barrier);
}

/// Giving back is cut short, and done again.
fn give_back(trial: &Trial) {
    let memory = Memory::new(64);
    let barrier = barrier(&memory, 2);
    let worker = OwnerIndex::new(1);
    trial.corpse(|| barrier.join(worker));
    let peer = trial.peer("who waits at the barrier", || come(trial, barrier));
    trial.until_asleep(&peer, 1);
    trial.victim(|| assert!(barrier.give_back(worker, &Plain)));
    let _ = barrier.give_back(worker, &Plain);
    peer.ends();
    let broken = BarrierBroken { by: Some(worker) };
    assert_eq!(trial.noted(TOLD), mark(Err(broken)));
    works(trial, barrier);
}
