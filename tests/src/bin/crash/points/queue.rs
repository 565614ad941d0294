//! Queues: no item lost or doubled, but the one in a dead hand.

use forkyard_shm::OwnerIndex;
use forkyard_shm::state::{GiveBack, PopError, PushError, Queue};

use super::memory::Memory;
use super::park::{Asleep, Counted, Plain};
use super::trial::PATIENCE;
use super::{BOTH, Operation, Trial};

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::new("push two", BOTH, push),
    Operation::new("push, to a consumer that waits", BOTH, push_to_sleeper),
    Operation::new(
        "push, with the only slot wanted by another",
        BOTH,
        push_wanted,
    ),
    Operation::new("wait for room, and push", BOTH, push_waiting),
    Operation::new("pop two", BOTH, pop),
    Operation::new("pop, for a producer that waits", BOTH, pop_for_sleeper),
    Operation::new("wait for an item, and pop", BOTH, pop_waiting),
];

/// How many pushes or pops had returned.
const DONE: usize = 0;
const WENT_ON: usize = 1;
pub(crate) const POPPED: usize = 2;

/// A number and its complement, so that a torn item shows.
pub(crate) type Items<'m> = Queue<'m, [u64; 2]>;

pub(crate) fn item(number: u64) -> [u64; 2] {
    [number, !number]
}

pub(crate) fn memory() -> Memory {
    Memory::new(4096)
}

pub(crate) fn queue(memory: &Memory, capacity: usize) -> Items<'_> {
    Items::in_place(&mut memory.place(), capacity).expect("room")
}

fn number(item: [u64; 2]) -> u64 {
    assert_eq!(item[1], !item[0], "torn");
    item[0]
}

/// Pops as the peer until there is nothing.
pub(crate) fn drain(queue: Items<'_>, owner: OwnerIndex) -> Vec<u64> {
    let mut found = vec![];
    loop {
        match queue.try_pop(owner, &Plain) {
            Ok(item) => found.push(number(item)),
            Err(PopError::Empty | PopError::Closed) => return found,
            Err(fault) => panic!("{fault}"),
        }
    }
}

/// Pops until `last` came, which has to be soon.
fn drain_until(queue: Items<'_>, owner: OwnerIndex, last: u64) -> Vec<u64> {
    let mut found = vec![];
    tests::until("the item", PATIENCE, || {
        found.extend(drain(queue, owner));
        (found.last() == Some(&last)).then_some(())
    });
    found
}

/// Every slot is of use again, twice round.
pub(crate) fn as_new(queue: Items<'_>, owner: OwnerIndex) {
    for _ in 0..2 {
        for n in 0..queue.capacity() as u64 {
            queue.try_push(owner, item(n), &Plain).expect("room");
        }
        let full = queue.try_push(owner, item(0), &Plain);
        assert_eq!(full, Err(PushError::Full));
        let all: Vec<_> = (0..queue.capacity() as u64).collect();
        assert_eq!(drain(queue, owner), all);
    }
}

/// While the dead one is not reaped yet, nobody hangs or sees a fault.
fn meanwhile(trial: &Trial, queue: Items<'_>) -> Vec<u64> {
    let mut found = vec![];
    if trial.role() == super::Role::Supervisor {
        found = drain(queue, trial.other());
        assert!(queue.len() <= 1, "but for what the dead one had in hand");
    }
    found
}

fn push(trial: &Trial) {
    let memory = memory();
    let queue = queue(&memory, 2);
    let died = trial.victim(|| {
        for n in 1..=2 {
            queue.push(trial.dead(), item(n), &Plain).expect("room");
            forkyard_shm::crash::aside(|| trial.note(DONE, n));
        }
    });
    let mut found = meanwhile(trial, queue);
    let recovered = queue.give_back(trial.dead(), &Plain);
    assert!(recovered.voided <= usize::from(died) && recovered.returned == 0);
    found.extend(drain(queue, trial.us()));
    assert!([1, 2].starts_with(&found), "{found:?}");
    // At most the one that it was just about to say it had pushed.
    let said = trial.noted(DONE) as usize;
    assert!(found.len() == said || died && recovered.voided == 0 && found.len() == said + 1);
    as_new(queue, trial.us());
}

/// A consumer sleeps: it gets the item, or the next one.
fn push_to_sleeper(trial: &Trial) {
    let memory = memory();
    let queue = queue(&memory, 1);
    let peer = trial.peer("the consumer that waits", || {
        let item = queue.pop(trial.other(), &Counted).expect("an item");
        trial.note(POPPED, number(item));
    });
    trial.until_asleep(&peer, 1);
    let died = trial.victim(|| queue.push(trial.dead(), item(1), &Plain).expect("room"));
    let voided = queue.give_back(trial.dead(), &Plain).voided == 1;
    // At its first step it had not even claimed a slot.
    let lost = trial.at() == 1 || voided;
    if lost {
        queue.push(trial.us(), item(9), &Plain).expect("room");
    }
    peer.ends();
    assert!(died || !lost);
    assert_eq!(trial.noted(POPPED), if lost { 9 } else { 1 });
    as_new(queue, trial.us());
}

/// It dies with the only slot, for which another producer sleeps.
fn push_wanted(trial: &Trial) {
    let memory = memory();
    let queue = queue(&memory, 1);
    trial.victim(|| queue.push(trial.dead(), item(1), &Plain).expect("room"));
    let peer = trial.peer("the producer that waits", || {
        trial.note(WENT_ON, 1);
        queue.push(trial.other(), item(7), &Counted).expect("room");
    });
    trial.await_note(WENT_ON);
    if trial.at() > 1 {
        trial.until_asleep(&peer, 1);
    }
    let voided = queue.give_back(trial.dead(), &Plain).voided == 1;
    let found = drain_until(queue, trial.us(), 7);
    peer.ends();
    assert!(found == [7] || !voided && found == [1, 7], "{found:?}");
    as_new(queue, trial.us());
}

/// The queue is full; it falls asleep, room is made, it pushes.
fn push_waiting(trial: &Trial) {
    let memory = memory();
    let queue = queue(&memory, 1);
    queue.push(trial.us(), item(1), &Plain).expect("room");
    trial.victim(|| {
        let room = Asleep::until(|| {
            assert_eq!(queue.try_pop(trial.us(), &Plain), Ok(item(1)));
            trial.note(WENT_ON, 1);
        });
        queue.push(trial.dead(), item(2), &room).expect("room");
    });
    queue.give_back(trial.dead(), &Plain);
    let found = drain(queue, trial.us());
    if trial.noted(WENT_ON) == 0 {
        assert_eq!(found, [1]);
    } else {
        assert!([2].starts_with(&found));
    }
    as_new(queue, trial.us());
}

fn pop(trial: &Trial) {
    let memory = memory();
    let queue = queue(&memory, 3);
    for n in 1..=3 {
        queue.push(trial.us(), item(n), &Plain).expect("room");
    }
    let died = trial.victim(|| {
        for n in 1..=2 {
            assert_eq!(queue.pop(trial.dead(), &Plain), Ok(item(n)));
            forkyard_shm::crash::aside(|| trial.note(DONE, n));
        }
    });
    let recovered = queue.give_back(trial.dead(), &Plain);
    let found = drain(queue, trial.us());
    let first = found[0];
    assert!(
        (first..=3).eq(found.iter().copied()),
        "none lost, none doubled"
    );
    // At most the one that it had taken, and not yet come back with.
    let said = trial.noted(DONE);
    assert!(first == said + 1 || died && recovered.returned == 0 && first == said + 2);
    as_new(queue, trial.us());
}

/// A producer sleeps: it gets the room.
fn pop_for_sleeper(trial: &Trial) {
    let memory = memory();
    let queue = queue(&memory, 1);
    queue.push(trial.us(), item(1), &Plain).expect("room");
    let peer = trial.peer("the producer that waits", || {
        queue.push(trial.other(), item(2), &Counted).expect("room");
    });
    trial.until_asleep(&peer, 1);
    trial.victim(|| assert_eq!(queue.pop(trial.dead(), &Plain), Ok(item(1))));
    let recovered = queue.give_back(trial.dead(), &Plain);
    let found = drain_until(queue, trial.us(), 2);
    peer.ends();
    assert!(
        found == [1, 2] || found == [2] && recovered.returned == 0,
        "{found:?}"
    );
    as_new(queue, trial.us());
}

/// The queue is empty; it falls asleep, an item comes, it pops.
fn pop_waiting(trial: &Trial) {
    let memory = memory();
    let queue = queue(&memory, 1);
    trial.victim(|| {
        let come = Asleep::until(|| {
            queue.try_push(trial.us(), item(1), &Plain).expect("room");
            trial.note(WENT_ON, 1);
        });
        assert_eq!(queue.pop(trial.dead(), &come), Ok(item(1)));
    });
    queue.give_back(trial.dead(), &Plain);
    let found = drain(queue, trial.us());
    assert!([1].starts_with(&found) && (trial.noted(WENT_ON) == 1 || found.is_empty()));
    as_new(queue, trial.us());
}
