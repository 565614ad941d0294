//! How a finder offers its find. See the module above for which to take.

use core::str::FromStr;

use super::lock::OwnerLock;
use super::slot::{Claim, ResultSlot};
use crate::OwnerIndex;
use crate::arena::steps::step;
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
        step();
        slot.believe();
        // SAFETY: `Claim`: this owner has just won the claim. `Lock`, `Unchecked`: it holds
        // the lock.
        let fits = unsafe { slot.publish(round, owner, bytes, in_block) };
        assert!(fits, "a result longer than the slot belongs in a block");
        step();
        slot.note_raised(now_ns());
        step();
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

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::sync::AtomicU32;
    use core::time::Duration;

    struct Yield;

    impl Park for Yield {
        fn park(&self, _: &AtomicU32, _: u32, _: Option<Duration>) {
            std::thread::yield_now();
        }
        fn unpark(&self, _: &AtomicU32) {}
        fn unpark_all(&self, _: &AtomicU32) {}
    }

    /// Winners in `rounds` races of two threads that both saw the flag down.
    fn races(protocol: Protocol, rounds: u32) -> u32 {
        let (slot, lock, flag) = (ResultSlot::new(), OwnerLock::new(), StopFlag::new());
        let gate = std::sync::Barrier::new(2);
        let mut most = 0;
        for _ in 0..rounds {
            let round = flag.arm();
            slot.open(round);
            std::thread::scope(|scope| {
                for id in 1..=2 {
                    let (slot, lock, flag, gate) = (&slot, &lock, &flag, &gate);
                    scope.spawn(move || {
                        let bytes = [id; 8];
                        gate.wait();
                        let _ = offer(
                            protocol,
                            slot,
                            lock,
                            flag,
                            round,
                            OwnerIndex::new(id),
                            (&bytes, false),
                            || 1,
                            &Yield,
                        );
                    });
                }
            });
            let (owner, bytes, _) = slot.read(round).expect("sound").expect("a winner");
            assert_eq!(bytes, [owner.get(); 8], "the winner's own bytes");
            most = most.max(slot.believers());
        }
        most
    }

    #[test]
    fn claim_and_lock_have_one_winner_unchecked_has_two() {
        assert_eq!(races(Protocol::Claim, 200), 1);
        assert_eq!(races(Protocol::Lock, 200), 1);
        assert_eq!(races(Protocol::Unchecked, 200), 2);
    }
}
