//! The result slot and the protocols that offer to it.

use loom::sync::Arc;
use loom::thread;

use super::explore;
use super::futex::Futex;
use crate::first::{Claim, Offer, OwnerLock, Protocol, offer, settle};
use crate::steps::armed::die_at;
use crate::sync::{Ordering, fence};
use crate::{OwnerIndex, ResultSlot, Round, StopFlag};

const A: OwnerIndex = OwnerIndex::new(1);
const B: OwnerIndex = OwnerIndex::new(2);
const C: OwnerIndex = OwnerIndex::new(3);

/// A round of a search.
struct Search {
    slot: ResultSlot,
    lock: OwnerLock,
    flag: StopFlag,
    round: Round,
    futex: Futex,
}

impl Search {
    fn new() -> Arc<Self> {
        let (slot, flag) = (ResultSlot::new(), StopFlag::new());
        let round = flag.arm();
        slot.open(round);
        Arc::new(Self {
            slot,
            lock: OwnerLock::new(),
            flag,
            round,
            futex: Futex::default(),
        })
    }

    fn offer(&self, protocol: Protocol, owner: OwnerIndex) -> bool {
        self.offer_in(self.round, protocol, owner)
    }

    /// Offers a find that names its finder.
    fn offer_in(&self, round: Round, protocol: Protocol, owner: OwnerIndex) -> bool {
        let find = [owner.get(); 8];
        let offered = offer(
            protocol,
            &self.slot,
            &self.lock,
            &self.flag,
            round,
            owner,
            (&find, false),
            || 1,
            &self.futex,
        );
        offered == Offer::Won
    }

    /// What the supervisor does once `dead` was reaped.
    fn reap(&self, dead: OwnerIndex) {
        settle(&self.slot, &self.lock, &self.flag, dead, || 2, &self.futex);
    }

    /// The winner, if there is one, whose find must be whole.
    fn winner(&self) -> Option<OwnerIndex> {
        self.winner_in(self.round)
    }

    fn winner_in(&self, round: Round) -> Option<OwnerIndex> {
        let (owner, find, in_block) = self.slot.read(round).expect("sound")?;
        assert_eq!(find, [owner.get(); 8], "the winner's own find");
        assert!(!in_block);
        Some(owner)
    }
}

fn one_of_two_wins(protocol: Protocol) {
    explore(None, move || {
        let search = Search::new();
        let at_b = Arc::clone(&search);
        let b = thread::spawn(move || at_b.offer(protocol, B));
        let a_won = search.offer(protocol, A);
        let b_won = b.join().expect("no panic");
        assert!(a_won ^ b_won);
        assert_eq!(search.winner(), Some(if a_won { A } else { B }));
        assert_eq!(search.slot.believers(), 1);
        assert!(search.flag.is_raised(search.round));
    });
}

#[test]
fn result_slot_one_of_two_claims() {
    one_of_two_wins(Protocol::Claim);
}

#[test]
fn result_slot_one_of_two_locks_and_looks() {
    one_of_two_wins(Protocol::Lock);
}

/// Without the second look both believe, one after the other.
#[test]
fn result_slot_two_believe_unchecked() {
    explore(None, || {
        let search = Search::new();
        let at_b = Arc::clone(&search);
        let b = thread::spawn(move || at_b.offer(Protocol::Unchecked, B));
        assert!(search.offer(Protocol::Unchecked, A));
        assert!(b.join().expect("no panic"));
        assert_eq!(search.slot.believers(), 2);
        assert!(search.winner().is_some());
    });
}

#[test]
fn result_slot_what_is_published_is_seen_whole() {
    explore(None, || {
        let search = Search::new();
        let finders = [A, B].map(|owner| {
            let search = Arc::clone(&search);
            thread::spawn(move || search.offer(Protocol::Claim, owner))
        });
        let early = search.winner();
        let won = finders.map(|finder| finder.join().expect("no panic"));
        let winner = if won[0] { A } else { B };
        assert!(early.is_none_or(|owner| owner == winner));
    });
}

/// Who sees the flag up, and fences, finds the result.
#[test]
fn result_slot_the_raised_flag_tells_of_a_result() {
    explore(None, || {
        let search = Search::new();
        let at_b = Arc::clone(&search);
        let b = thread::spawn(move || at_b.offer(Protocol::Claim, B));
        if search.flag.is_raised(search.round) {
            fence(Ordering::Acquire);
            assert_eq!(search.winner(), Some(B));
            assert_eq!(search.slot.raised_ns(), Some(1));
        }
        assert!(b.join().expect("no panic"));
    });
}

/// B dies at a step of its offer while A offers too. Then the round has one winner, and is
/// stopped; or it has none, and is open for the next.
fn one_dies(protocol: Protocol) {
    for at in 0..12 {
        explore(None, move || {
            let search = Search::new();
            let at_b = Arc::clone(&search);
            let b = thread::spawn(move || {
                let _ = die_at(at, || at_b.offer(protocol, B));
                at_b.reap(B);
            });
            let a_won = search.offer(protocol, A);
            let early = search.winner();
            b.join().expect("no panic");
            let won = search.winner();
            assert!(!a_won || won == Some(A), "step {at}");
            assert!(early.is_none_or(|owner| won == Some(owner)), "step {at}");
            assert_eq!(
                won.is_some(),
                search.flag.is_raised(search.round),
                "step {at}"
            );
            assert_eq!(search.offer(protocol, C), won.is_none(), "step {at}");
            assert!(search.slot.believers() <= 1, "step {at}");
        });
    }
}

#[test]
fn result_slot_a_dead_claimant_wins_or_gives_back() {
    one_dies(Protocol::Claim);
}

#[test]
fn result_slot_a_dead_holder_wins_or_gives_back() {
    one_dies(Protocol::Lock);
}

/// The next round's find is written after the last round's was read.
#[test]
fn result_slot_serves_one_round_after_the_other() {
    explore(None, || {
        let search = Search::new();
        let next = Round::from_number(2);
        let at_b = Arc::clone(&search);
        let b = thread::spawn(move || at_b.offer_in(next, Protocol::Claim, B));
        assert!(search.offer(Protocol::Claim, A));
        assert_eq!(search.winner(), Some(A));
        assert_eq!(search.flag.arm(), next);
        search.slot.open(next);
        let b_won = b.join().expect("no panic");
        assert_eq!(search.winner_in(next), b_won.then_some(B));
        assert_eq!(search.winner(), None);
        assert_eq!(search.slot.believers(), u32::from(b_won));
        assert_eq!(search.flag.is_raised(next), b_won);
    });
}

/// A claim is taken back from the dead alone, also while others claim.
#[test]
fn result_slot_only_the_deads_claim_is_taken_back() {
    explore(None, || {
        let search = Search::new();
        let at_b = Arc::clone(&search);
        let b = thread::spawn(move || at_b.slot.claim(at_b.round, B));
        let given_back = search.slot.give_back(C);
        assert!(!given_back);
        let a = search.slot.claim(search.round, A);
        let b = b.join().expect("no panic");
        assert!((a == Claim::Won) ^ (b == Claim::Won));
    });
}
