//! How a finder offers its find. See the module above for which to take.

use core::str::FromStr;

use super::lock::OwnerLock;
use super::slot::{Claim, ResultSlot};
use crate::OwnerIndex;
use crate::stop::{Round, StopFlag};
use crate::wait::Park;

/// How a finder claims the result slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// One compare-exchange on the slot, tagged with its owner.
    #[default]
    Claim,
    /// Lock, look at the flag again, write, raise, unlock.
    Lock,
    /// Lock, write, raise, unlock, *without the second look*: two that both saw the flag
    /// down both believe to have won, and the later overwrites the earlier. Wrong on
    /// purpose, to be counted.
    Unchecked,
}

impl core::fmt::Display for Protocol {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.pad(match self {
            Self::Claim => "claim",
            Self::Lock => "lock",
            Self::Unchecked => "unchecked",
        })
    }
}

/// The text names no protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no claim protocol; there are claim, lock and unchecked")]
pub struct ParseProtocolError(String);

impl FromStr for Protocol {
    type Err = ParseProtocolError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "claim" => Ok(Self::Claim),
            "lock" => Ok(Self::Lock),
            "unchecked" => Ok(Self::Unchecked),
            _ => Err(ParseProtocolError(text.to_owned())),
        }
    }
}

/// What became of an offer.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// The offer is the round's result (or, unchecked, was so for a while).
    Won,
    /// Another was first.
    Lost,
}

/// Offers `bytes` as the result of `round` and raises the flag if it won. `now_ns` is read
/// at the raise. `bytes` must fit: the caller puts longer ones in a block.
///
/// # Panics
/// If `bytes` is longer than [`super::RESULT_BYTES`].
#[expect(
    clippy::too_many_arguments,
    reason = "the parts of one protocol, each a different thing"
)]
pub fn offer(
    protocol: Protocol,
    slot: &ResultSlot,
    lock: &OwnerLock,
    flag: &StopFlag,
    round: Round,
    owner: OwnerIndex,
    (bytes, in_block): (&[u8], bool),
    now_ns: fn() -> u64,
    park: &impl Park,
) -> Offer {
    let write_and_raise = || {
        // SAFETY: `Claim`: this owner has just won the claim. `Lock`, `Unchecked`: it holds
        // the lock.
        let fits = unsafe { slot.publish(round, owner, bytes, in_block) };
        assert!(fits, "a result longer than the slot belongs in a block");
        // Counted once published: who died before has won nothing.
        slot.believe();
        slot.note_raised(now_ns());
        flag.raise(round);
    };
    match protocol {
        Protocol::Claim => match slot.claim(round, owner) {
            Claim::Won => {
                write_and_raise();
                Offer::Won
            }
            Claim::Lost | Claim::Stale => Offer::Lost,
        },
        Protocol::Lock => {
            lock.lock(owner, park);
            let won = !flag.is_raised(round);
            if won {
                write_and_raise();
            }
            lock.unlock(park);
            if won { Offer::Won } else { Offer::Lost }
        }
        Protocol::Unchecked => {
            lock.lock(owner, park);
            write_and_raise();
            lock.unlock(park);
            Offer::Won
        }
    }
}

/// After `dead` was reaped: what it had claimed is given back, what it had published it has
/// won, and the flag that it did not come to raise is raised.
pub fn settle(
    slot: &ResultSlot,
    lock: &OwnerLock,
    flag: &StopFlag,
    dead: OwnerIndex,
    now_ns: fn() -> u64,
    park: &impl Park,
) {
    slot.give_back(dead);
    if let Some(round) = slot.published_by(dead) {
        slot.note_raised(now_ns());
        flag.raise(round);
    }
    // Last: the next holder sees the flag up, or has the round to itself.
    lock.give_back(dead, park);
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::sync::{AtomicU32, Ordering, spin_hint};
    use core::time::Duration;

    struct Yield;

    impl Park for Yield {
        fn park(&self, _: &AtomicU32, _: u32, _: Option<Duration>) {
            std::thread::yield_now();
        }
        fn unpark(&self, _: &AtomicU32) {}
        fn unpark_all(&self, _: &AtomicU32) {}
    }

    /// Where two threads wait for each other without sleeping, so that both leave at once.
    #[derive(Default)]
    struct Gate(AtomicU32);

    impl Gate {
        /// The `nth` time that the caller comes here, from 1.
        fn pass(&self, nth: u32) {
            self.0.fetch_add(1, Ordering::AcqRel);
            let mut turns = 0u32;
            while self.0.load(Ordering::Acquire) < 2 * nth {
                turns += 1;
                if turns.is_multiple_of(1 << 12) {
                    std::thread::yield_now();
                }
                spin_hint();
            }
        }
    }

    /// One slot, and two threads that race for it round after round.
    #[derive(Default)]
    struct Race {
        slot: ResultSlot,
        lock: OwnerLock,
        flag: StopFlag,
        gate: Gate,
        won: AtomicU32,
        /// Both have looked at the flag before either offers.
        both_look_first: bool,
    }

    impl Race {
        /// What a finder does: looks at the flag, and offers if it is down.
        fn find(&self, protocol: Protocol, round: Round, owner: OwnerIndex) {
            let over = self.flag.is_raised(round);
            if self.both_look_first {
                self.gate.pass(3 * round.number() - 1);
            }
            if over {
                return;
            }
            let offered = offer(
                protocol,
                &self.slot,
                &self.lock,
                &self.flag,
                round,
                owner,
                (&[owner.get(); 8], false),
                || 1,
                &Yield,
            );
            if offered == Offer::Won {
                self.won.fetch_add(1, Ordering::Relaxed);
            }
        }

        fn run(&self, protocol: Protocol, rounds: u32, owner: OwnerIndex) -> u32 {
            let gates = if self.both_look_first { 3 } else { 2 };
            let mut doubled = 0;
            for number in 1..=rounds {
                let round = Round::from_number(number);
                let referee = owner.get() == 1;
                if referee {
                    self.won.store(0, Ordering::Relaxed);
                    self.slot.open(self.flag.arm());
                }
                self.gate.pass(gates * (number - 1) + 1);
                self.find(protocol, round, owner);
                self.gate.pass(gates * number);
                if referee {
                    let (winner, bytes, _) = self.slot.read(round).expect("sound").expect("one");
                    assert_eq!(bytes, [winner.get(); 8], "the winner's own bytes");
                    assert!(self.flag.is_raised(round));
                    let won = self.won.load(Ordering::Relaxed);
                    assert_eq!(won, self.slot.believers());
                    doubled += u32::from(won > 1);
                }
            }
            doubled
        }
    }

    /// In how many of `rounds` races of two threads both won.
    fn doubles(protocol: Protocol, rounds: u32, both_look_first: bool) -> u32 {
        let race = Race {
            both_look_first,
            ..Race::default()
        };
        std::thread::scope(|scope| {
            scope.spawn(|| race.run(protocol, rounds, OwnerIndex::new(2)));
            race.run(protocol, rounds, OwnerIndex::new(1))
        })
    }

    #[test]
    fn case_39_claims_100k() {
        const ROUNDS: u32 = 100_000;
        for both_look_first in [false, true] {
            assert_eq!(doubles(Protocol::Claim, ROUNDS, both_look_first), 0);
            assert_eq!(doubles(Protocol::Lock, ROUNDS, both_look_first), 0);
        }
        // How often two meet by themselves is the scheduler's business; when they do, both
        // believe to have won.
        let doubled = doubles(Protocol::Unchecked, ROUNDS, false);
        println!("unchecked: two winners in {doubled} of {ROUNDS} races");
        assert_eq!(doubles(Protocol::Unchecked, 1_000, true), 1_000);
    }
}
