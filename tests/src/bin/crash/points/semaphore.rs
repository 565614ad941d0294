//! Semaphores: a dead owner's permits come back, and no permit is lost or doubled.

use std::mem::ManuallyDrop;

use forkyard_shm::state::{GiveBack, Semaphore};
use forkyard_shm::{OwnerIndex, crash};

use super::memory::Memory;
use super::park::{Asleep, Counted, Plain, Silent};
use super::{BOTH, Operation, SUPERVISOR, Trial};

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::new("acquire and release two, with one that waits", BOTH, hold),
    Operation::new("wait for one, with another that waits", BOTH, wait),
    Operation::new("give back", SUPERVISOR, give_back),
];

const TAKEN: usize = 0;
const RELEASED: usize = 1;

fn permits(memory: &Memory, count: usize) -> Semaphore<'_> {
    Semaphore::in_place(&mut memory.place(), count).expect("room")
}

fn hold(trial: &Trial) {
    let memory = Memory::new(64);
    let permits = permits(&memory, 2);
    let peer = trial.peer("who waits for a permit", || {
        trial.await_note(TAKEN);
        permits.acquire(trial.other(), &Counted).release();
    });
    let died = trial.victim(|| {
        let one = ManuallyDrop::new(permits.acquire(trial.dead(), &Plain));
        let two = ManuallyDrop::new(permits.acquire(trial.dead(), &Plain));
        crash::aside(|| {
            trial.note(TAKEN, 1);
            trial.until_asleep(&peer, 1);
        });
        ManuallyDrop::into_inner(one).release();
        ManuallyDrop::into_inner(two).release();
    });
    let freed = permits.give_back(trial.dead(), &Plain);
    assert!(died || freed == 0);
    trial.note(TAKEN, 1);
    peer.ends();
    let left = permits.give_back(trial.dead(), &Plain);
    assert_eq!((permits.free(), left), (2, 0));
}

fn wait(trial: &Trial) {
    let memory = Memory::new(64);
    let permits = permits(&memory, 1);
    let mut ours = Some(permits.acquire(trial.us(), &Silent));
    let peer = trial.peer("the other that waits", || {
        permits.acquire(trial.other(), &Counted).release();
    });
    trial.until_asleep(&peer, 1);
    trial.victim(|| {
        let woken = Asleep::until(|| {
            drop(ours.take());
            trial.note(RELEASED, 1);
        });
        let permit = ManuallyDrop::new(permits.acquire(trial.dead(), &woken));
        ManuallyDrop::into_inner(permit).release();
    });
    let ours = ours.take();
    if trial.noted(RELEASED) == 0 {
        drop(ours);
    } else {
        std::mem::forget(ours);
    }
    permits.give_back(trial.dead(), &Plain);
    peer.ends();
    assert_eq!(permits.free(), 1);
}

/// Giving back is cut short, and done again.
fn give_back(trial: &Trial) {
    let memory = Memory::new(64);
    let permits = permits(&memory, 2);
    let worker = OwnerIndex::new(1);
    trial.corpse(|| {
        std::mem::forget(permits.acquire(worker, &Plain));
        std::mem::forget(permits.acquire(worker, &Plain));
    });
    let peer = trial.peer("who waits for a permit", || {
        permits.acquire(trial.other(), &Counted).release();
    });
    trial.until_asleep(&peer, 1);
    trial.victim(|| assert_eq!(permits.give_back(worker, &Plain), 2));
    permits.give_back(worker, &Plain);
    peer.ends();
    assert_eq!(permits.free(), 2);
}
