//! The lock of the search: whoever dies with it, or for it, the next one gets it.

use forkyard_shm::first::OwnerLock;

use super::board::Board;
use super::park::{Asleep, Counted, Plain, Silent};
use super::{Operation, SUPERVISOR, Trial, WORKER};

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::new("lock and unlock, with one that waits", WORKER, hold),
    Operation::new("wait for it, with another that waits", WORKER, wait),
    Operation::new("give back", SUPERVISOR, give_back),
];

const LOCKED: usize = 0;
const OPENED: usize = 1;

fn free_for(lock: &OwnerLock, trial: &Trial) {
    lock.lock(trial.other(), &Plain);
    lock.unlock(&Plain);
}

/// It dies with the lock in its hand while a peer sleeps for it.
fn hold(trial: &Trial) {
    let board = Board::new();
    let lock = &board.control.header().lock.0;
    let peer = trial.peer("who waits for the lock", || {
        trial.await_note(LOCKED);
        lock.lock(trial.other(), &Counted);
        lock.unlock(&Plain);
    });
    let died = trial.victim(|| {
        lock.lock(trial.dead(), &Plain);
        forkyard_shm::crash::aside(|| {
            trial.note(LOCKED, 1);
            trial.until_asleep(&peer, 1);
        });
        lock.unlock(&Plain);
    });
    let held = lock.give_back(trial.dead(), &Plain);
    trial.note(LOCKED, 1);
    peer.ends();
    assert!(died || !held);
    assert!(!lock.give_back(trial.dead(), &Plain), "once");
    free_for(lock, trial);
}

/// It is the one that an unlock wakes, and dies of it; the other that waits is not forgotten.
fn wait(trial: &Trial) {
    let board = Board::new();
    let lock = &board.control.header().lock.0;
    lock.lock(trial.us(), &Plain);
    let peer = trial.peer("the other that waits", || {
        lock.lock(trial.other(), &Counted);
        lock.unlock(&Plain);
    });
    trial.until_asleep(&peer, 1);
    trial.victim(|| {
        let woken = Asleep::until(|| {
            lock.unlock(&Silent);
            trial.note(OPENED, 1);
        });
        lock.lock(trial.dead(), &woken);
        lock.unlock(&Plain);
    });
    if trial.noted(OPENED) == 0 {
        lock.unlock(&Silent);
    }
    let _ = lock.give_back(trial.dead(), &Plain);
    peer.ends();
    free_for(lock, trial);
}

/// Giving back is cut short, and done again.
fn give_back(trial: &Trial) {
    let board = Board::new();
    let lock = &board.control.header().lock.0;
    let worker = forkyard_shm::OwnerIndex::new(1);
    trial.corpse(|| lock.lock(worker, &Plain));
    let peer = trial.peer("who waits for the lock", || {
        lock.lock(trial.other(), &Counted);
        lock.unlock(&Plain);
    });
    trial.until_asleep(&peer, 1);
    trial.victim(|| assert!(lock.give_back(worker, &Plain)));
    let _ = lock.give_back(worker, &Plain);
    peer.ends();
    free_for(lock, trial);
}
