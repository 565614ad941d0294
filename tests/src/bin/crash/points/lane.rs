//! Lanes: whoever dies, each message is exactly one of not begun, running and done.

use forkyard_shm::lane::state::{Finished, LaneFault, Published, Seen, Sleep, Watch};
use forkyard_shm::lane::{INLINE_BYTES, Inline, Message, SupervisorLane, WorkerLane};
use forkyard_shm::{Park, crash};

use super::board::Board;
use super::memory::{supervisor_lane, worker_lane};
use super::park::Plain;
use super::{Operation, SUPERVISOR, Trial, WORKER};

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::new("start and finish two", WORKER, serve),
    Operation::new("wait for a message", WORKER, wait),
    Operation::new("find a task on the way to sleep", WORKER, find),
    Operation::new("publish two", SUPERVISOR, publish),
    Operation::new("nudge", SUPERVISOR, nudge),
    Operation::new("watch", SUPERVISOR, watch),
    Operation::new("take", SUPERVISOR, take).exempt(
        "it only reads: how far the supervisor has taken is in its own memory, and the slot stays as it is",
    ),
    Operation::new("retract two", SUPERVISOR, retract),
    Operation::new("reset", SUPERVISOR, reset),
];

/// What message `n` carries, and what its result does.
const fn argument(n: u64) -> u8 {
    n as u8
}

const fn result(n: u64) -> u8 {
    n as u8 + 100
}

/// What a supervisor about to sleep finds of a task that is not done.
const WATCHING: Result<Watch, LaneFault> = Ok(Watch::Watching(Published::Awake));

/// Tells a result's header from its argument's.
const ANSWERED: u16 = 7;

/// Publishes message `n`, and wakes whoever sleeps for it.
fn send(lane: &mut SupervisorLane, n: u64) {
    let message = Message {
        entry: n,
        items: 1,
        len: INLINE_BYTES as u32,
        ..Message::default()
    };
    let payload = Inline::new(&[argument(n); INLINE_BYTES], INLINE_BYTES);
    let published = lane.push(&message, &payload);
    wake(lane, published);
}

fn wake(lane: &SupervisorLane, published: Published) {
    if published == Published::WakeIt {
        crash::step();
        Plain.unpark(lane.sleeper_word());
    }
}

/// The oldest result, if it is there: its message, which has to be whole.
fn taken(lane: &mut SupervisorLane) -> Option<Message> {
    let (mut message, mut payload) = (Message::default(), Inline::default());
    let there = lane.take(&mut message, &mut payload).expect("sound");
    let whole = payload
        .bytes()
        .iter()
        .all(|byte| *byte == result(message.entry));
    assert!(whole || !there, "torn");
    there.then_some(message)
}

/// Takes back what was not begun, the youngest first: whole messages.
fn taken_back(lane: &mut SupervisorLane, most: usize) -> Vec<u64> {
    let mut back = Vec::new();
    let published = lane.retract(most, |message, payload| {
        let n = message.entry;
        assert!(
            payload.bytes().iter().all(|byte| *byte == argument(n)),
            "torn"
        );
        back.push(n);
    });
    wake(lane, published.expect("sound"));
    back
}

/// Serves the next message, which has to be whole. Its number.
fn answer(board: &Board, lane: &mut WorkerLane) -> Option<u64> {
    let message = lane.start()?;
    let n = message.entry;
    let (task, payload) = lane.payloads();
    assert!(task.iter().all(|byte| *byte == argument(n)), "torn");
    payload[..INLINE_BYTES / 2].fill(result(n));
    crash::step();
    payload[INLINE_BYTES / 2..].fill(result(n));
    let reply = Message {
        status: ANSWERED,
        ..message
    };
    if lane.finish(reply) == Finished::Ring {
        board.control.header().doorbell.0.ring(&Plain);
    }
    Some(n)
}

/// What the supervisor finds of messages 1 to `count`, published in this order. Each is there
/// once, whole; those not begun are served by a replacement.
fn account(board: &Board, lane: &mut SupervisorLane, count: u64) -> u64 {
    let mut next = 1;
    while let Some(message) = taken(lane) {
        assert_eq!(
            (message.entry, message.status),
            (next, ANSWERED),
            "in order"
        );
        next += 1;
    }
    let taken_before = next - 1;
    let mut unbegun = Vec::new();
    for nth in 0..lane.in_flight() as u64 {
        let position = lane.tail() + nth;
        match lane.see(position) {
            Ok(Seen::Running) => assert_eq!(nth, 0, "one runs at a time"),
            Ok(Seen::Ready) => {
                let (message, payload) = lane.copy_task(position).expect("a task");
                assert_eq!(message.entry, next, "in order");
                let whole = payload.bytes().iter().all(|byte| *byte == argument(next));
                assert!(whole, "torn");
                unbegun.push(next);
            }
            other => panic!("message {next} is {other:?}"),
        }
        next += 1;
    }
    assert_eq!(next, count + 1, "all are accounted for");
    lane.reset();
    let mut replacement = worker_lane(&board.control);
    for n in unbegun {
        send(lane, n);
        assert_eq!(answer(board, &mut replacement), Some(n));
        assert!(taken(lane).is_some());
    }
    taken_before
}

/// The worker dies anywhere between start and ring.
fn serve(trial: &Trial) {
    let board = Board::new();
    let mut lane = supervisor_lane(&board.control);
    send(&mut lane, 1);
    send(&mut lane, 2);
    assert_eq!(lane.watch(0), WATCHING);
    let died = trial.victim(|| {
        let mut worker = worker_lane(&board.control);
        for n in 1..=2 {
            assert_eq!(answer(&board, &mut worker), Some(n));
        }
    });
    let taken = account(&board, &mut lane, 2);
    assert!(died || taken == 2);
}

/// The worker dies about to sleep, or asleep, after it has served one.
fn wait(trial: &Trial) {
    let board = Board::new();
    let mut lane = supervisor_lane(&board.control);
    send(&mut lane, 1);
    let asleep = |worker: &mut WorkerLane| {
        crash::aside(|| answer(&board, worker));
        let Sleep::Park(_) = worker.sleep() else {
            panic!("nothing has come");
        };
        crash::step();
    };
    trial.victim(|| asleep(&mut worker_lane(&board.control)));
    // Before the death is known a message may still be sent to it, and taken back.
    send(&mut lane, 2);
    assert_eq!(taken_back(&mut lane, 1), [2]);
    send(&mut lane, 2);
    assert_eq!(account(&board, &mut lane, 2), 1);
}

/// A task has come since the worker looked: it does not sleep, and whoever dies on the way has
/// not begun it.
fn find(trial: &Trial) {
    let board = Board::new();
    let mut lane = supervisor_lane(&board.control);
    send(&mut lane, 1);
    let died = trial.victim(|| {
        let mut worker = worker_lane(&board.control);
        assert_eq!(worker.sleep(), Sleep::Ready);
        crash::aside(|| assert_eq!(answer(&board, &mut worker), Some(1)));
    });
    // The word that says that it sleeps costs a wake in vain, and a task goes elsewhere.
    send(&mut lane, 2);
    if died {
        assert_eq!(taken_back(&mut lane, 1), [2]);
        send(&mut lane, 2);
    }
    assert_eq!(account(&board, &mut lane, 2), u64::from(!died));
}

/// What the worker of a dead supervisor finds: messages, whole, in order; and then it can
/// go to sleep, from which the kernel's news of the death ends it.
fn orphaned(board: &Board, lane: &mut WorkerLane) -> Vec<u64> {
    let served = std::iter::from_fn(|| answer(board, lane)).collect();
    assert!(!lane.looks_ready() && lane.start().is_none());
    assert!(matches!(lane.sleep(), Sleep::Park(_)));
    served
}

fn publish(trial: &Trial) {
    let board = Board::new();
    let mut worker = worker_lane(&board.control);
    assert!(matches!(worker.sleep(), Sleep::Park(_)), "to be woken");
    let died = trial.victim(|| {
        let mut lane = supervisor_lane(&board.control);
        send(&mut lane, 1);
        send(&mut lane, 2);
    });
    let served = orphaned(&board, &mut worker);
    assert!([1, 2].starts_with(&served) && (died || served.len() == 2));
}

/// A worker that sleeps is made to look again, or sleeps on as it did.
fn nudge(trial: &Trial) {
    let board = Board::new();
    let mut worker = worker_lane(&board.control);
    let Sleep::Park(asleep) = worker.sleep() else {
        panic!("nothing has come");
    };
    let died = trial.victim(|| {
        let lane = supervisor_lane(&board.control);
        let nudged = lane.nudge();
        assert_eq!(nudged, Published::WakeIt);
        wake(&lane, nudged);
        assert_eq!(lane.nudge(), Published::Awake, "once");
    });
    if !died {
        // Returns at once: the word is another.
        Plain.park(worker.word(), asleep, None);
    }
    assert_eq!(orphaned(&board, &mut worker), []);
    let nudged = supervisor_lane(&board.control).nudge();
    assert_eq!(nudged, Published::WakeIt, "it sleeps again");
}

fn watch(trial: &Trial) {
    let board = Board::new();
    let mut lane = supervisor_lane(&board.control);
    send(&mut lane, 1);
    send(&mut lane, 2);
    trial.victim(|| {
        assert_eq!(lane.watch(0), WATCHING);
        assert_eq!(lane.watch(1), WATCHING);
    });
    let served = orphaned(&board, &mut worker_lane(&board.control));
    assert_eq!(served, [1, 2]);
}

/// Taken by a supervisor that died, a result is there as it was.
fn take(trial: &Trial) {
    let board = Board::new();
    let mut lane = supervisor_lane(&board.control);
    send(&mut lane, 1);
    let mut worker = worker_lane(&board.control);
    assert_eq!(answer(&board, &mut worker), Some(1));
    trial.victim(|| {
        assert!(taken(&mut lane).is_some());
    });
    assert_eq!(account(&board, &mut lane, 1), 1);
}

/// A message is taken back whole, or is the worker's.
fn retract(trial: &Trial) {
    let board = Board::new();
    let mut lane = supervisor_lane(&board.control);
    for n in 1..=3 {
        send(&mut lane, n);
    }
    let died = trial.victim(|| {
        assert_eq!(taken_back(&mut lane, 2), [3, 2]);
    });
    let served = orphaned(&board, &mut worker_lane(&board.control));
    assert!([1, 2, 3].starts_with(&served) && !served.is_empty());
    assert!(died || served == [1]);
}

/// No worker is started on a lane half reset; reset again it is as new.
fn reset(trial: &Trial) {
    let board = Board::new();
    let mut lane = supervisor_lane(&board.control);
    for n in 1..=3 {
        send(&mut lane, n);
    }
    let mut worker = worker_lane(&board.control);
    assert_eq!(answer(&board, &mut worker), Some(1));
    assert!(worker.start().is_some(), "the second runs");
    trial.victim(|| lane.reset());
    lane.reset();
    send(&mut lane, 1);
    let served = orphaned(&board, &mut worker_lane(&board.control));
    assert_eq!(served, [1]);
    assert_eq!(account(&board, &mut lane, 1), 1);
}
