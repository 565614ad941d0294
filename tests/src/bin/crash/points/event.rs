//! Events: who waits is told of the set, or of the death of who had promised it.

use std::time::Duration;

use forkyard_shm::OwnerIndex;
use forkyard_shm::state::{Event, EventBroken, EventWaitError, GiveBack};

use super::memory::Memory;
use super::park::{Asleep, Counted, Plain};
use super::{BOTH, Operation, SUPERVISOR, Trial};

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::new("promise, set, clear, with one that waits", BOTH, set),
    Operation::new("wait, with another that waits", BOTH, wait),
    Operation::new("wait alone", BOTH, wait_alone),
    Operation::new("give back", SUPERVISOR, give_back),
    Operation::new("abandon, with one that waits", SUPERVISOR, abandon),
];

const PROMISED: usize = 0;
const SET: usize = 1;
const TOLD: usize = 2;

fn event(memory: &Memory) -> &Event {
    memory.place().take().expect("room")
}

/// What a waiter was told, as a note.
fn mark(told: Result<(), EventBroken>) -> u64 {
    match told {
        Ok(()) => 1,
        Err(EventBroken::SetterDied(owner)) => 2 + u64::from(owner.get()),
        Err(EventBroken::Abandoned) => u64::MAX,
    }
}

/// Waits, and notes what it was told.
fn listen(trial: &Trial, event: &Event) {
    trial.note(TOLD, mark(event.wait(&Counted)));
}

fn set(trial: &Trial) {
    let memory = Memory::new(64);
    let event = event(&memory);
    let peer = trial.peer("who waits for the event", || listen(trial, event));
    trial.until_asleep(&peer, 1);
    trial.victim(|| {
        assert!(event.promise(trial.dead()));
        forkyard_shm::crash::aside(|| trial.note(PROMISED, 1));
        event.set(&Plain);
        event.clear();
    });
    let broken = event.give_back(trial.dead(), &Plain);
    assert!(!event.give_back(trial.dead(), &Plain), "once");
    if trial.noted(PROMISED) == 0 {
        // It died before it promised anything.
        assert!(!broken);
        event.set(&Plain);
    }
    peer.ends();
    let told = if broken {
        Err(EventBroken::SetterDied(trial.dead()))
    } else {
        Ok(())
    };
    assert_eq!(trial.noted(TOLD), mark(told));
    event.clear();
    assert!(event.promise(trial.us()), "as new");
}

fn wait(trial: &Trial) {
    let memory = Memory::new(64);
    let event = event(&memory);
    let peer = trial.peer("the other that waits", || listen(trial, event));
    trial.until_asleep(&peer, 1);
    trial.victim(|| {
        let woken = Asleep::until(|| {
            trial.note(SET, 1);
            event.set(&Plain);
        });
        assert_eq!(event.wait(&woken), Ok(()));
    });
    assert!(!event.give_back(trial.dead(), &Plain));
    if trial.noted(SET) == 0 {
        let early = event.wait_timeout(Duration::ZERO, &Plain);
        assert_eq!(early, Err(EventWaitError::TimedOut));
        event.set(&Plain);
    }
    peer.ends();
    assert_eq!(trial.noted(TOLD), mark(Ok(())));
}

/// The bit that a dead waiter left costs the setter a wake in vain.
fn wait_alone(trial: &Trial) {
    let memory = Memory::new(64);
    let event = event(&memory);
    trial.victim(|| {
        let woken = Asleep::until(|| event.set(&Plain));
        assert_eq!(event.wait(&woken), Ok(()));
    });
    assert!(!event.give_back(trial.dead(), &Plain));
    event.set(&Plain);
    assert_eq!(event.wait(&Plain), Ok(()));
    event.clear();
    assert!(event.promise(trial.us()), "as new");
}

/// Giving back is cut short, and done again.
fn give_back(trial: &Trial) {
    let memory = Memory::new(64);
    let event = event(&memory);
    let worker = OwnerIndex::new(1);
    trial.corpse(|| assert!(event.promise(worker)));
    let peer = trial.peer("who waits for the event", || listen(trial, event));
    trial.until_asleep(&peer, 1);
    trial.victim(|| assert!(event.give_back(worker, &Plain)));
    let _ = event.give_back(worker, &Plain);
    peer.ends();
    assert_eq!(
        trial.noted(TOLD),
        mark(Err(EventBroken::SetterDied(worker)))
    );
}

/// The end of a pool is cut short, and done again: who waits is told, and what was set stays set.
fn abandon(trial: &Trial) {
    let memory = Memory::new(64);
    let mut place = memory.place();
    let (promised, set): (&Event, &Event) =
        (place.take().expect("room"), place.take().expect("room"));
    set.set(&Plain);
    assert!(promised.promise(OwnerIndex::new(1)));
    let peer = trial.peer("who waits for the event", || listen(trial, promised));
    trial.until_asleep(&peer, 1);
    let abandon = || {
        promised.abandon(&Plain);
        set.abandon(&Plain);
    };
    trial.victim(abandon);
    abandon();
    peer.ends();
    assert_eq!(trial.noted(TOLD), mark(Err(EventBroken::Abandoned)));
    assert_eq!(promised.wait(&Plain), Err(EventBroken::Abandoned));
    assert!(!promised.promise(trial.us()), "nobody is left who could");
    assert_eq!(set.wait(&Plain), Ok(()));
}
