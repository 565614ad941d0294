//! The result slot: at most one result per round, and it says whose.
//!
//! ```text
//!            open(round)                claim(round, owner)
//!  [CLOSED] -----------> [OPEN, round] ---------------------> [CLAIMED, round, owner]
//!                           ^                                    |            |
//!                           |        give_back(owner): it died   |            | publish
//!                           +------------------------------------+            v
//!                                                               [PUBLISHED, round, owner]
//!
//!  bits   63 ........... 32   31 .... 16   15 .... 8   7 .... 0
//!        +------------------+------------+-----------+---------+
//!        |      round       |     0      |   owner   |  phase  |
//!        +------------------+------------+-----------+---------+
//! ```
//!
//! ```text
//!  0x0000  state        u64   as above
//!  0x0008  raised_ns    u64   0: not raised
//!  0x0010  believed     u32
//!  0x0014  len          u32   bytes of payload
//!  0x0018  in_block     u32   0 or 1
//!  0x001c  reserved     u32   zero
//!  0x0020  payload      bytes, or a descriptor
//!  0x03e0
//! ```
//!
//! Order of a win: claim, write, publish, raise the flag. Whoever dies before *publish* has
//! won nothing: the claim is given back and another can win.

use crate::OwnerIndex;
use crate::steps::step;
use crate::stop::Round;
use crate::sync::{AtomicU32, AtomicU64, Ordering, UnsafeCell};

/// The longest result that fits into the slot, in bytes. A longer one is left in a block of
/// the arena, and its descriptor in the slot.
pub const RESULT_BYTES: usize = 960;

const CLOSED: u64 = 0;
const OPEN: u64 = 1;
const CLAIMED: u64 = 2;
const PUBLISHED: u64 = 3;

fn pack(round: Round, owner: u8, phase: u64) -> u64 {
    u64::from(round.number()) << 32 | u64::from(owner) << 8 | phase
}

fn owner_of(state: u64) -> OwnerIndex {
    OwnerIndex::new((state >> 8) as u8)
}

/// What [`ResultSlot::claim`] found.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// The slot is the caller's: write, then publish.
    Won,
    /// Another has it, or had it.
    Lost,
    /// The slot is not open for that round (any more).
    Stale,
}

/// Why a result is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResultFault {
    /// The length exceeds the slot.
    #[error("the result slot says its result has {0} bytes, it holds {RESULT_BYTES}")]
    Length(u32),
}

/// At most one result per round.
#[derive(Debug)]
#[repr(C)]
pub struct ResultSlot {
    state: AtomicU64,
    /// When the flag was raised, in nanoseconds of the machine's monotonic clock.
    raised_ns: AtomicU64,
    /// How many believed to have won this round.
    believed: AtomicU32,
    len: AtomicU32,
    /// 1 when the payload is a block's descriptor.
    in_block: AtomicU32,
    _reserved: u32,
    payload: UnsafeCell<[u8; RESULT_BYTES]>,
}

#[cfg(not(loom))]
const _: () = {
    use core::mem::offset_of;
    assert!(offset_of!(ResultSlot, state) == 0x0000);
    assert!(offset_of!(ResultSlot, raised_ns) == 0x0008);
    assert!(offset_of!(ResultSlot, believed) == 0x0010);
    assert!(offset_of!(ResultSlot, len) == 0x0014);
    assert!(offset_of!(ResultSlot, in_block) == 0x0018);
    assert!(offset_of!(ResultSlot, _reserved) == 0x001c);
    assert!(offset_of!(ResultSlot, payload) == 0x0020);
    assert!(size_of::<ResultSlot>() == 0x03e0);
};
#[cfg(not(loom))]
crate::packed::packed!(ResultSlot {
    state, raised_ns, believed, len, in_block, _reserved, payload,
} then 0 unused);

// SAFETY: `payload` is written only between `claim` and `publish` by the one winner (or, in
// the unchecked demonstration, under the lock) and read only after `publish` was seen with
// Acquire.
unsafe impl Sync for ResultSlot {}

impl Default for ResultSlot {
    fn default() -> Self {
        Self::new()
    }
}

impl ResultSlot {
    /// A closed slot.
    pub fn new() -> Self {
        Self {
            state: AtomicU64::new(CLOSED),
            raised_ns: AtomicU64::new(0),
            believed: AtomicU32::new(0),
            len: AtomicU32::new(0),
            in_block: AtomicU32::new(0),
            _reserved: 0,
            payload: UnsafeCell::new([0; RESULT_BYTES]),
        }
    }

    /// Opens the slot for `round`, throwing away what is in it. Only when no earlier round's
    /// task runs any more.
    pub fn open(&self, round: Round) {
        step();
        self.raised_ns.store(0, Ordering::Relaxed);
        step();
        self.believed.store(0, Ordering::Relaxed);
        step();
        self.len.store(0, Ordering::Relaxed);
        step();
        // Release: a claimer that sees the round open sees the counters cleared.
        self.state.store(pack(round, 0, OPEN), Ordering::Release);
    }

    /// Claims the slot of `round` for `owner`: one compare-exchange, exactly one winner.
    pub fn claim(&self, round: Round, owner: OwnerIndex) -> Claim {
        step();
        // Acquire pairs with the Release in `open` and `give_back`; on failure only this
        // word is read.
        let claimed = self.state.compare_exchange(
            pack(round, 0, OPEN),
            pack(round, owner.get(), CLAIMED),
            Ordering::Acquire,
            Ordering::Relaxed,
        );
        match claimed {
            Ok(_) => Claim::Won,
            Err(now) if now >> 32 == u64::from(round.number()) && now & 0xff != CLOSED => {
                Claim::Lost
            }
            Err(_) => Claim::Stale,
        }
    }

    /// Writes the result and publishes it. Returns `false` when `bytes` does not fit.
    ///
    /// # Safety
    /// The caller has won the claim of `round`, or holds the lock of the lock protocols, and
    /// publishes once.
    pub unsafe fn publish(
        &self,
        round: Round,
        owner: OwnerIndex,
        bytes: &[u8],
        in_block: bool,
    ) -> bool {
        if bytes.len() > RESULT_BYTES {
            return false;
        }
        step();
        self.payload.with_mut(|payload| {
            // SAFETY: fits; the caller is the only writer.
            unsafe {
                core::ptr::copy_nonoverlapping(bytes.as_ptr(), payload.cast(), bytes.len());
            }
        });
        step();
        self.len.store(bytes.len() as u32, Ordering::Relaxed);
        step();
        self.in_block.store(u32::from(in_block), Ordering::Relaxed);
        step();
        // Release: the payload is seen by the Acquire in `read`.
        self.state
            .store(pack(round, owner.get(), PUBLISHED), Ordering::Release);
        true
    }

    /// One more that believes to have won. Returns how many there are with it.
    pub fn believe(&self) -> u32 {
        step();
        self.believed
            .fetch_add(1, Ordering::Relaxed)
            .wrapping_add(1)
    }

    /// How many believed to have won.
    pub fn believers(&self) -> u32 {
        self.believed.load(Ordering::Relaxed)
    }

    /// Notes when the flag was raised; the first note of a round stays.
    pub fn note_raised(&self, at_ns: u64) {
        step();
        let _ = self
            .raised_ns
            .compare_exchange(0, at_ns, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// When the flag was raised, if it was.
    pub fn raised_ns(&self) -> Option<u64> {
        match self.raised_ns.load(Ordering::Relaxed) {
            0 => None,
            at => Some(at),
        }
    }

    /// The published result of `round`: who won, the bytes (copied out), and whether they
    /// are a block's descriptor. `None` while nothing is published.
    ///
    /// # Errors
    /// When the length cannot be.
    pub fn read(&self, round: Round) -> Result<Option<(OwnerIndex, Vec<u8>, bool)>, ResultFault> {
        // Acquire pairs with the Release in `publish`.
        let state = self.state.load(Ordering::Acquire);
        if state >> 32 != u64::from(round.number()) || state & 0xff != PUBLISHED {
            return Ok(None);
        }
        let len = self.len.load(Ordering::Relaxed);
        if len as usize > RESULT_BYTES {
            return Err(ResultFault::Length(len));
        }
        let mut bytes = vec![0; len as usize];
        self.payload.with(|payload| {
            // SAFETY: in bounds by the check above; published, so no correct peer writes it.
            unsafe {
                core::ptr::copy_nonoverlapping(payload.cast(), bytes.as_mut_ptr(), bytes.len());
            }
        });
        let in_block = self.in_block.load(Ordering::Relaxed) == 1;
        Ok(Some((owner_of(state), bytes, in_block)))
    }

    /// Who holds a claim that is not yet published.
    pub fn claimant(&self) -> Option<OwnerIndex> {
        let state = self.state.load(Ordering::Relaxed);
        (state & 0xff == CLAIMED).then(|| owner_of(state))
    }

    /// The round whose published result is `owner`'s.
    pub fn published_by(&self, owner: OwnerIndex) -> Option<Round> {
        let state = self.state.load(Ordering::Relaxed);
        (state & 0xff == PUBLISHED && owner_of(state) == owner)
            .then(|| Round::from_number((state >> 32) as u32))
    }

    /// After `dead` was reaped: opens the slot again if `dead` had claimed and not published.
    /// Returns whether it had.
    pub fn give_back(&self, dead: OwnerIndex) -> bool {
        let state = self.state.load(Ordering::Relaxed);
        if state & 0xff != CLAIMED || owner_of(state) != dead {
            return false;
        }
        let open = state & !0xffff | OPEN;
        step();
        // Release: as in `open`.
        self.state
            .compare_exchange(state, open, Ordering::Release, Ordering::Relaxed)
            .is_ok()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn round(n: u32) -> Round {
        Round::from_number(n)
    }

    #[test]
    fn one_claims_the_rest_lose() {
        let slot = ResultSlot::new();
        let (a, b) = (OwnerIndex::new(1), OwnerIndex::new(2));
        assert_eq!(slot.claim(round(1), a), Claim::Stale, "closed");
        slot.open(round(1));
        assert_eq!(slot.claim(round(1), a), Claim::Won);
        assert_eq!(slot.claim(round(1), b), Claim::Lost);
        assert_eq!(slot.read(round(1)), Ok(None), "claimed is not published");
        // SAFETY: `a` won the claim.
        assert!(unsafe { slot.publish(round(1), a, b"found", false) });
        assert_eq!(slot.read(round(1)), Ok(Some((a, b"found".to_vec(), false))));
        slot.open(round(2));
        assert_eq!(slot.read(round(1)), Ok(None));
        assert_eq!(slot.claim(round(1), b), Claim::Stale);
    }

    #[test]
    fn a_dead_claimant_gives_back_and_another_wins() {
        let slot = ResultSlot::new();
        let (dead, alive) = (OwnerIndex::new(3), OwnerIndex::new(4));
        slot.open(round(9));
        assert_eq!(slot.claim(round(9), dead), Claim::Won);
        assert!(!slot.give_back(alive));
        assert!(slot.give_back(dead));
        assert_eq!(slot.claim(round(9), alive), Claim::Won);
        // SAFETY: `alive` won the claim.
        assert!(unsafe { slot.publish(round(9), alive, b"x", false) });
        assert!(!slot.give_back(alive), "what is published stays");
    }

    #[test]
    fn a_result_too_long_is_refused_and_a_length_too_long_is_a_fault() {
        let slot = ResultSlot::new();
        let me = OwnerIndex::new(1);
        slot.open(round(1));
        assert_eq!(slot.claim(round(1), me), Claim::Won);
        // SAFETY: `me` won the claim.
        assert!(!unsafe { slot.publish(round(1), me, &[0; RESULT_BYTES + 1], false) });
        // SAFETY: `me` won the claim.
        assert!(unsafe { slot.publish(round(1), me, b"ok", false) });
        slot.len.store(u32::MAX, Ordering::Relaxed);
        assert_eq!(slot.read(round(1)), Err(ResultFault::Length(u32::MAX)));
    }
}
