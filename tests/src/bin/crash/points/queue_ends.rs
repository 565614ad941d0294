//! The end of a queue, and its recovery.

use forkyard_shm::OwnerIndex;
use forkyard_shm::state::{GiveBack, PopError, PushError};

use super::park::{Counted, Plain};
use super::queue::{POPPED, as_new, drain, item, memory, queue};
use super::{BOTH, Operation, SUPERVISOR, Trial, WORKER};

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::new("close, with one that waits", BOTH, close),
    Operation::new("pop to the end", BOTH, end),
    Operation::new("pop what a death returned", BOTH, returned),
    Operation::new("push over what a death voided", BOTH, over_void),
    Operation::new("pop past what a death voided", WORKER, past_void),
    Operation::new("give back a producer's", SUPERVISOR, |trial| {
        give_back(trial, true);
    }),
    Operation::new("give back a consumer's", SUPERVISOR, |trial| {
        give_back(trial, false);
    }),
    Operation::new("give back who was closing", SUPERVISOR, give_back_closing),
];

/// Who died before the victim does.
const FIRST: OwnerIndex = OwnerIndex::new(5);

fn close(trial: &Trial) {
    let memory = memory();
    let queue = queue(&memory, 1);
    let peer = trial.peer("the consumer that waits", || {
        assert_eq!(queue.pop(trial.other(), &Counted), Err(PopError::Closed));
    });
    trial.until_asleep(&peer, 1);
    let died = trial.victim(|| queue.close(&Plain));
    queue.give_back(trial.dead(), &Plain);
    if !queue.is_closed() {
        assert!(died);
        queue.close(&Plain);
    }
    peer.ends();
    let pushed = queue.push(trial.us(), item(1), &Plain);
    assert_eq!(pushed, Err(PushError::Closed));
}

fn end(trial: &Trial) {
    let memory = memory();
    let queue = queue(&memory, 2);
    queue.push(trial.us(), item(1), &Plain).expect("room");
    queue.close(&Plain);
    trial.victim(|| {
        assert_eq!(queue.pop(trial.dead(), &Plain), Ok(item(1)));
        forkyard_shm::crash::aside(|| trial.note(POPPED, 1));
        assert_eq!(queue.pop(trial.dead(), &Plain), Err(PopError::Closed));
    });
    let recovered = queue.give_back(trial.dead(), &Plain);
    let rest = drain(queue, trial.us());
    assert!([1].starts_with(&rest) && rest.len() as u64 + trial.noted(POPPED) <= 1);
    assert!(recovered.returned == 0 || rest == [1]);
    assert_eq!(queue.pop(trial.us(), &Plain), Err(PopError::Closed));
}

/// Kills a process in the middle of a push or a pop: WRITING, or READING.
fn died_in(trial: &Trial, body: impl FnOnce()) {
    // Step 1 is the claim, 2 moves the position on, 3 touches the item.
    trial.corpse(|| {
        forkyard_shm::crash::arm(3, |_| forkyard_os::process::kill_self());
        body();
        panic!("it should have died");
    });
}

/// A death in the middle of taking an item that an earlier death has returned.
fn returned(trial: &Trial) {
    let memory = memory();
    let queue = queue(&memory, 2);
    for n in 1..=2 {
        queue.push(trial.us(), item(n), &Plain).expect("room");
    }
    died_in(trial, || {
        let _ = queue.pop(FIRST, &Plain);
    });
    assert_eq!(queue.give_back(FIRST, &Plain).returned, 1);
    trial.victim(|| {
        for n in 1..=2 {
            assert_eq!(queue.pop(trial.dead(), &Plain), Ok(item(n)));
        }
        assert_eq!(queue.try_pop(trial.dead(), &Plain), Err(PopError::Empty));
    });
    queue.give_back(trial.dead(), &Plain);
    let rest = drain(queue, trial.us());
    assert!([1, 2].ends_with(&rest), "{rest:?}");
    as_new(queue, trial.us());
}

/// A queue of one whose slot a dead producer has voided.
fn with_void(trial: &Trial, act: impl FnOnce(super::queue::Items<'_>)) -> (Vec<u64>, bool) {
    let memory = memory();
    let queue = queue(&memory, 1);
    died_in(trial, || {
        let _ = queue.push(FIRST, item(1), &Plain);
    });
    assert_eq!(queue.give_back(FIRST, &Plain).voided, 1);
    let died = trial.victim(|| act(queue));
    queue.give_back(trial.dead(), &Plain);
    let rest = drain(queue, trial.us());
    as_new(queue, trial.us());
    (rest, died)
}

fn over_void(trial: &Trial) {
    let (rest, died) = with_void(trial, |queue| {
        queue.push(trial.dead(), item(2), &Plain).expect("room");
    });
    assert!([2].starts_with(&rest) && (died || rest == [2]));
}

fn past_void(trial: &Trial) {
    let (rest, _) = with_void(trial, |queue| {
        let popped = queue.try_pop(trial.dead(), &Plain);
        assert_eq!(popped, Err(PopError::Empty));
    });
    assert!(rest.is_empty());
}

/// The recovery is cut short, and done again.
fn give_back(trial: &Trial, of_producer: bool) {
    let memory = memory();
    let queue = queue(&memory, 2);
    queue.push(trial.us(), item(1), &Plain).expect("room");
    died_in(trial, || {
        if of_producer {
            let _ = queue.push(FIRST, item(2), &Plain);
        } else {
            let _ = queue.pop(FIRST, &Plain);
        }
    });
    trial.victim(|| {
        let _ = queue.give_back(FIRST, &Plain);
    });
    queue.give_back(FIRST, &Plain);
    assert_eq!(drain(queue, trial.us()), [1]);
    as_new(queue, trial.us());
}

/// A death in the middle of closing is completed, by a recovery that is itself cut short.
fn give_back_closing(trial: &Trial) {
    let memory = memory();
    let queue = queue(&memory, 1);
    // Closed for producers, not yet for consumers.
    died_in(trial, || queue.close(&Plain));
    assert!(queue.is_closed());
    let peer = trial.peer("the consumer that waits", || {
        assert_eq!(queue.pop(trial.other(), &Counted), Err(PopError::Closed));
    });
    trial.until_asleep(&peer, 1);
    trial.victim(|| {
        let _ = queue.give_back(FIRST, &Plain);
    });
    queue.give_back(FIRST, &Plain);
    peer.ends();
    assert_eq!(queue.pop(trial.us(), &Plain), Err(PopError::Closed));
}
