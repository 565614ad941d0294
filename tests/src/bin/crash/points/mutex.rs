//! Mutexes: the next one gets the lock, and is told in what state.

use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use forkyard_shm::state::{GiveBack, MutexGuard, NotLocked, OwnerDied, SharedMutex};
use forkyard_shm::{OwnerIndex, Park, crash};

use super::memory::Memory;
use super::park::{Asleep, Counted, Plain, Silent};
use super::{BOTH, Operation, SUPERVISOR, Trial};

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::new("lock, change, unlock, with one that waits", BOTH, hold),
    Operation::new("wait for it, with another that waits", BOTH, wait),
    Operation::new("wait until the time is up", BOTH, time_out),
    Operation::new("repair", BOTH, repair),
    Operation::new("panic with it", BOTH, abandon),
    Operation::new("give back", SUPERVISOR, give_back),
];

const LOCKED: usize = 0;
const OPENED: usize = 1;
const TOLD: usize = 2;

/// Two numbers that are equal but for a death between their changes.
type Pair = SharedMutex<[u64; 2]>;

fn pair(memory: &Memory) -> &Pair {
    memory.place().take().expect("room")
}

fn add_one<P: Park>(guard: &mut MutexGuard<'_, [u64; 2], P>) {
    crash::step();
    guard[0] += 1;
    crash::step();
    guard[1] += 1;
}

/// Locks, puts right what a death left, counts, unlocks. Who had died.
fn count(pair: &Pair, owner: OwnerIndex, park: &impl Park) -> Option<OwnerIndex> {
    let (mut guard, dead) = match pair.lock(owner, park) {
        Ok(guard) => (guard, None),
        Err(OwnerDied { guard, owner }) => (guard, Some(owner)),
    };
    assert!(
        dead.is_some() || guard[0] == guard[1],
        "torn, and nobody was told"
    );
    guard[1] = guard[0];
    guard.repair();
    *guard = guard.map(|number| number + 1);
    dead
}

/// An owner as a note.
fn mark(owner: Option<OwnerIndex>) -> u64 {
    owner.map_or(1, |owner| 2 + u64::from(owner.get()))
}

/// It dies with the lock in its hand while a peer sleeps for it.
fn hold(trial: &Trial) {
    let memory = Memory::new(64);
    let pair = pair(&memory);
    let peer = trial.peer("who waits for the mutex", || {
        trial.await_note(LOCKED);
        trial.note(TOLD, mark(count(pair, trial.other(), &Counted)));
    });
    let died = trial.victim(|| {
        let mut guard = ManuallyDrop::new(pair.lock(trial.dead(), &Plain).expect("sound"));
        crash::aside(|| {
            trial.note(LOCKED, 1);
            trial.until_asleep(&peer, 1);
        });
        add_one(&mut guard);
        drop(ManuallyDrop::into_inner(guard));
    });
    let held = pair.give_back(trial.dead(), &Plain);
    assert!(!pair.give_back(trial.dead(), &Plain), "once");
    trial.note(LOCKED, 1);
    peer.ends();
    assert_eq!(trial.noted(TOLD), mark(held.then_some(trial.dead())));
    assert!(died || !held);
    assert_eq!(count(pair, trial.us(), &Plain), None, "repaired");
}

/// It is the one that an unlock wakes, and dies of it; the other that waits is not forgotten.
fn wait(trial: &Trial) {
    let memory = Memory::new(64);
    let pair = pair(&memory);
    let mut ours = Some(pair.lock(trial.us(), &Silent).expect("sound"));
    let peer = trial.peer("the other that waits", || {
        trial.note(TOLD, mark(count(pair, trial.other(), &Counted)));
    });
    trial.until_asleep(&peer, 1);
    trial.victim(|| {
        let woken = Asleep::until(|| {
            drop(ours.take());
            trial.note(OPENED, 1);
        });
        let mut guard = ManuallyDrop::new(pair.lock(trial.dead(), &woken).expect("sound"));
        add_one(&mut guard);
        drop(ManuallyDrop::into_inner(guard));
    });
    if trial.noted(OPENED) == 0 {
        drop(ours.take());
    } else {
        std::mem::forget(ours.take());
    }
    let held = pair.give_back(trial.dead(), &Plain);
    peer.ends();
    assert_eq!(trial.noted(TOLD), mark(held.then_some(trial.dead())));
    assert_eq!(count(pair, trial.us(), &Plain), None, "repaired");
}

/// It waits in vain. The one that holds it, and the next, notice nothing.
fn time_out(trial: &Trial) {
    let memory = Memory::new(64);
    let pair = pair(&memory);
    let ours = pair.lock(trial.us(), &Plain).expect("sound");
    trial.victim(|| {
        let late = Asleep::until(|| tests::patience::observe_for(TIME));
        let refused = pair.lock_timeout(trial.dead(), TIME, &late);
        assert!(matches!(refused, Err(NotLocked::Held { .. })));
    });
    assert!(!pair.give_back(trial.dead(), &Plain));
    drop(ours);
    assert_eq!(count(pair, trial.other(), &Plain), None);
}

/// Long enough to fall asleep, short enough to be tried often.
const TIME: Duration = Duration::from_millis(100);

/// Until it has repaired, the next one is told of the death before; or of its own.
fn repair(trial: &Trial) {
    let memory = Memory::new(64);
    let pair = pair(&memory);
    let first = trial.other();
    trial.corpse(|| std::mem::forget(pair.lock(first, &Plain)));
    assert!(pair.give_back(first, &Plain));
    let died = trial.victim(|| {
        let told = pair.lock(trial.dead(), &Plain).map(drop).expect_err("told");
        assert_eq!(told.owner, first);
        let mut guard = ManuallyDrop::new(told.guard);
        guard.repair();
        drop(ManuallyDrop::into_inner(guard));
    });
    let held = pair.give_back(trial.dead(), &Plain);
    let told = count(pair, trial.us(), &Plain);
    if held {
        assert_eq!(told, Some(trial.dead()));
    } else {
        assert!(told.is_none() || died && told == Some(first));
    }
    assert_eq!(count(pair, trial.us(), &Plain), None);
}

/// A panic breaks as a death does; and a death in the panic.
fn abandon(trial: &Trial) {
    let memory = Memory::new(64);
    let pair = pair(&memory);
    let died = trial.victim(|| {
        let half = catch_unwind(AssertUnwindSafe(|| {
            let mut guard = pair.lock(trial.dead(), &Plain).expect("sound");
            guard[0] += 1;
            resume_unwind(Box::new(()));
        }));
        assert!(half.is_err());
    });
    let held = pair.give_back(trial.dead(), &Plain);
    let told = count(pair, trial.us(), &Plain);
    assert!(told == Some(trial.dead()) || died && !held && told.is_none());
    assert_eq!(count(pair, trial.other(), &Plain), None);
}

/// Giving back is cut short, and done again.
fn give_back(trial: &Trial) {
    let memory = Memory::new(64);
    let pair = pair(&memory);
    let worker = OwnerIndex::new(1);
    trial.corpse(|| std::mem::forget(pair.lock(worker, &Plain)));
    let peer = trial.peer("who waits for the mutex", || {
        trial.note(TOLD, mark(count(pair, trial.other(), &Counted)));
    });
    trial.until_asleep(&peer, 1);
    trial.victim(|| assert!(pair.give_back(worker, &Plain)));
    let _ = pair.give_back(worker, &Plain);
    peer.ends();
    assert_eq!(trial.noted(TOLD), mark(Some(worker)));
}
