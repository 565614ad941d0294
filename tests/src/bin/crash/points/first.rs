//! First found wins: whoever dies, a round has one winner or can still get one.

use forkyard_shm::first::{Claim, Offer, RESULT_BYTES, offer, settle};
use forkyard_shm::{OwnerIndex, Protocol, Round};

use super::board::Board;
use super::memory::publish;
use super::park::Plain;
use super::{Operation, SUPERVISOR, Trial, WORKER};

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::new("open", SUPERVISOR, open),
    Operation::new("offer by claim", WORKER, |trial| {
        offers(trial, Protocol::Claim);
    }),
    Operation::new("offer by lock", WORKER, |trial| {
        offers(trial, Protocol::Lock);
    }),
    Operation::new("offer unchecked", WORKER, |trial| {
        offers(trial, Protocol::Unchecked);
    }),
    Operation::new("settle a claim", SUPERVISOR, |trial| {
        settled(trial, Left::Claim);
    }),
    Operation::new("settle a win", SUPERVISOR, |trial| {
        settled(trial, Left::Win);
    }),
    Operation::new("settle a held lock", SUPERVISOR, |trial| {
        settled(trial, Left::Lock);
    }),
];

/// What whoever this is finds.
fn find(owner: OwnerIndex) -> [u8; RESULT_BYTES] {
    [owner.get() + 40; RESULT_BYTES]
}

/// A board with an open round.
fn searching() -> (Board, Round) {
    let board = Board::new();
    let round = board.control.header().stop.0.arm();
    board.control.result().open(round);
    (board, round)
}

fn offer_of(board: &Board, protocol: Protocol, round: Round, owner: OwnerIndex) -> Offer {
    let header = board.control.header();
    offer(
        protocol,
        board.control.result(),
        &header.lock.0,
        &header.stop.0,
        round,
        owner,
        (&find(owner), false),
        || 1,
        &Plain,
    )
}

fn settle_for(board: &Board, dead: OwnerIndex) {
    let header = board.control.header();
    let (result, lock, flag) = (board.control.result(), &header.lock.0, &header.stop.0);
    settle(result, lock, flag, dead, || 1, &Plain);
}

/// The winner of the round, whose find is whole.
fn winner(board: &Board, round: Round) -> Option<OwnerIndex> {
    let (owner, bytes, in_block) = board.control.result().read(round).expect("sound")?;
    assert!(bytes == find(owner) && !in_block, "the winner's own bytes");
    Some(owner)
}

/// After a death was settled: the dead one has won, or the next one does, and both see the
/// flag up. In the end the lock is open.
fn decided(
    board: &Board,
    protocol: Protocol,
    round: Round,
    (dead, next): (OwnerIndex, OwnerIndex),
) {
    let flag = &board.control.header().stop.0;
    let won = winner(board, round);
    assert!(won.is_none_or(|owner| owner == dead));
    assert_eq!(won.is_some(), flag.is_raised(round));
    assert_eq!(board.control.result().claimant(), None);
    let offered = offer_of(board, protocol, round, next);
    let expected = if won.is_none() || protocol == Protocol::Unchecked {
        (Offer::Won, next)
    } else {
        (Offer::Lost, dead)
    };
    assert_eq!(
        (offered, winner(board, round)),
        (expected.0, Some(expected.1))
    );
    assert!(flag.is_raised(round));
    let lock = &board.control.header().lock.0;
    lock.lock(next, &Plain);
    lock.unlock(&Plain);
}

fn offers(trial: &Trial, protocol: Protocol) {
    let (board, round) = searching();
    let died = trial.victim(|| {
        assert_eq!(offer_of(&board, protocol, round, trial.dead()), Offer::Won);
    });
    settle_for(&board, trial.dead());
    assert!(died || winner(&board, round) == Some(trial.dead()));
    decided(&board, protocol, round, (trial.dead(), trial.other()));
}

/// A round that is half open is claimed by nobody of it, or as any other.
fn open(trial: &Trial) {
    let (board, first) = searching();
    assert_eq!(
        offer_of(&board, Protocol::Claim, first, trial.other()),
        Offer::Won
    );
    let next = board.control.header().stop.0.arm();
    let slot = board.control.result();
    let died = trial.victim(|| slot.open(next));
    assert_eq!(
        slot.read(first).expect("sound").is_some(),
        died,
        "thrown away last"
    );
    let claimed = slot.claim(next, trial.other());
    assert_eq!(claimed == Claim::Stale, died);
    assert!(slot.read(next).expect("sound").is_none());
}

/// What a dead worker leaves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    Claim,
    Win,
    Lock,
}

/// The settling itself is cut short, and done again.
fn settled(trial: &Trial, left: Left) {
    let (board, round) = searching();
    let worker = OwnerIndex::new(1);
    let slot = board.control.result();
    trial.corpse(|| match left {
        Left::Lock => board.control.header().lock.0.lock(worker, &Plain),
        Left::Claim | Left::Win => {
            assert_eq!(slot.claim(round, worker), Claim::Won);
            if left == Left::Win {
                publish(slot, round, worker, &find(worker));
            }
        }
    });
    trial.victim(|| settle_for(&board, worker));
    settle_for(&board, worker);
    assert_eq!(winner(&board, round).is_some(), left == Left::Win);
    decided(&board, Protocol::Lock, round, (worker, trial.other()));
}
