//! The header of a block: who may touch its payload, and who gives it back.
//!
//! ```text
//!  0       8               40      48                        64
//!  +-------+---------------+-------+-------------------------+
//!  | state | holders (4x8) | len   | zero                    |
//!  +-------+---------------+-------+-------------------------+
//!
//!                 claim (CAS)                    publish (CAS)
//!   [FREE g] ---------------> [OWNED g+1, owner] ------------> [SHARED g+1, changes]
//!      ^  ^                     |  ^   ^   |                    |  |  ^ join, leave
//!      |  |  abandon (CAS)      |  |   |   | offer (CAS)        |  +--+ (bit, then CAS)
//!      |  +---------------------+  |   |   v                    |
//!      +-------------------------- | [OFFERED g+1, owner]       |
//!      |   withdraw (CAS)          |   |                        |
//!      |                           |   | take (CAS): g+2, taker |
//!      |                           +----------------------------+
//!      |                            regain, by the only holder: g+2
//!      +--------------------------------------------------------+
//!        the last leave (CAS)           (LENT and COMMON are as SHARED)
//! ```
//!
//! The state word decides everything; each arrow is one compare-and-swap on it. The holder
//! bits, one per owner, mean something only while the block is SHARED, LENT or COMMON.
//!
//! **Alone** (OWNED, OFFERED) the owner's number is in the state word itself, so there is
//! no instant at which a block is taken and it cannot be told by whom.
//!
//! **Shared.** The holders are spread over four words and cannot be read at one instant.
//! What makes a scan of them exact is that whoever sets or clears a bit afterwards counts a
//! *change* in the state word, and that nobody frees a block but by a CAS from the very word
//! that was loaded before the scan:
//!
//! 1. If any change was counted between that load and the CAS, the CAS fails, and whoever
//!    counted last has the same duty, with a later scan. So no freer needs to retry.
//! 2. If none was, the load saw (Acquire) every bit set or cleared before the last change,
//!    and a scan that finds nobody is right, but for owners between bit and change.
//! 3. An owner between setting its bit and counting will fail to count, because the block is
//!    no longer of its generation, and takes the bit back ([`BlockHeader::join`] says no).
//!    An owner between clearing its bit and counting finds nothing left to do; it is
//!    because of this one that the clearing itself is a Release, and the scan Acquires.
//! 4. Of those who leave, one counts last. It sees all the others' bits cleared, because
//!    counting is a read-modify-write and they counted before. So the last one frees.
//!
//! So a message's sender keeping its hold until the message is released makes a `join`
//! succeed, but it is not what makes it safe: a late one gets a named fault.
//!
//! **Crash.** Whoever dies at any point leaves its number in the state word or a bit in the
//! holder words, and [`BlockHeader::reclaim`] takes both back. If it dies between its last
//! two steps, the block is SHARED with no holder, and any reclaim frees it.
//!
//! **Generations** tell one use of a block from the next; 2^32 of them take minutes of doing
//! nothing else to a single block. A stale descriptor that is exactly so old reads another
//! payload of the same block, not foreign memory.
//!
//! A claim per cell with its owner in the word, and recovery by walking the cells, follow
//! iceoryx2's `robust_unique_index_set`; the version checked around a scan is the double
//! collect of Afek et al., "Atomic Snapshots of Shared Memory" (1993).

use super::state::{Kind, State};
use crate::OwnerIndex;
use crate::steps::step;
use crate::sync::{AtomicU64, Ordering};

/// One cache line of shared memory. All zero is a free block.
#[repr(C, align(64))]
pub(crate) struct BlockHeader {
    state: AtomicU64,
    holders: [AtomicU64; 4],
    /// Bytes of the payload in use; written by the owner, a hint to everybody else.
    len: AtomicU64,
    zero: [AtomicU64; 2],
}

#[cfg(not(loom))]
const _: () = {
    use core::mem::{align_of, offset_of, size_of};
    assert!(size_of::<BlockHeader>() == 64 && align_of::<BlockHeader>() == 64);
    assert!(offset_of!(BlockHeader, state) == 0);
    assert!(offset_of!(BlockHeader, holders) == 8);
    assert!(offset_of!(BlockHeader, len) == 40);
    assert!(offset_of!(BlockHeader, zero) == 48);
    assert!(
        size_of::<BlockHeader>() == 8 * (1 + 4 + 1 + 2),
        "no padding"
    );
};

/// What giving up a hold came to.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// The caller was the last: the block is free.
    Freed,
    /// Others hold it, or one of them is just freeing it.
    Held,
    /// It was not the caller's any more: its hold was reclaimed, or the word is corrupt.
    NotOurs,
}

impl BlockHeader {
    /// A free block, outside any mapping.
    #[cfg(all(test, loom))]
    pub(crate) fn new() -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            state: zero(),
            holders: [zero(), zero(), zero(), zero()],
            len: zero(),
            zero: [zero(), zero()],
        }
    }

    /// What the block is now. Whatever is decided by it needs a CAS.
    #[inline]
    pub(crate) fn look(&self) -> State {
        State(self.state.load(Ordering::Relaxed))
    }

    /// The payload bytes in use, as its owner noted them.
    pub(crate) fn len(&self) -> u64 {
        self.len.load(Ordering::Relaxed)
    }

    #[inline]
    fn cas(&self, from: State, to: State, success: Ordering) -> Result<State, State> {
        step();
        // A failure is only looked at, or led back to a loop that ends with a CAS that
        // succeeds: Relaxed. `join` and `withdraw`, which do read on after a failure, make
        // that later CAS an AcqRel one.
        self.state
            .compare_exchange(from.0, to.0, success, Ordering::Relaxed)
            .map(|_| to)
            .map_err(State)
    }

    /// FREE → OWNED. The generation, if it was free and nobody else was faster.
    #[inline]
    pub(crate) fn claim(&self, owner: OwnerIndex, len: u64) -> Option<u32> {
        let seen = self.look();
        if seen.kind() != Kind::Free {
            return None;
        }
        let generation = seen.generation().wrapping_add(1);
        let owned = State::of_owner(Kind::Owned, generation, owner);
        // Acquire: pairs with the Release in `free_from`, so
        // that what the last user read is read before it is written over.
        self.cas(seen, owned, Ordering::Acquire).ok()?;
        step();
        self.len.store(len, Ordering::Relaxed);
        Some(generation)
    }

    /// Frees the block, if it is still as `seen`.
    #[inline]
    pub(super) fn free_from(&self, seen: State) -> Left {
        // Release: the owner's reads and writes come before the next owner's writes, by the
        // Acquire in `claim`. Acquire: pairs with the Release in `touch`, so that whoever
        // frees sees who waits.
        match self.cas(seen, State::free(seen.generation()), Ordering::AcqRel) {
            Ok(_) => Left::Freed,
            Err(_) => Left::NotOurs,
        }
    }

    /// OWNED → FREE, by its owner.
    #[inline]
    pub(crate) fn abandon(&self, owner: OwnerIndex, generation: u32) -> Left {
        self.free_from(State::of_owner(Kind::Owned, generation, owner))
    }

    /// OFFERED → FREE, by its owner, unless somebody has taken it.
    pub(crate) fn withdraw_offer(&self, owner: OwnerIndex, generation: u32) -> Left {
        self.free_from(State::of_owner(Kind::Offered, generation, owner))
    }

    /// Orders what the caller did before against whoever frees the block later: see `wanted`.
    pub(crate) fn touch(&self) {
        step();
        // Release: seen by the Acquire of every free, because a read-modify-write of the
        // word, as all changes are, carries on what was released to it. Acquire: pairs with
        // the Release of the free that came before.
        self.state.fetch_add(0, Ordering::AcqRel);
    }

    /// OWNED → SHARED, LENT or COMMON, by its owner, which becomes the only holder. `false` when it
    /// was not its block any more.
    pub(crate) fn publish(&self, owner: OwnerIndex, generation: u32, kind: Kind) -> bool {
        let owned = State::of_owner(Kind::Owned, generation, owner);
        let (word, bit) = bit_of(owner);
        for (index, holders) in self.holders.iter().enumerate() {
            let wanted = if index == word { bit } else { 0 };
            // Overwrites what earlier generations left. A bit that a late joiner sets after
            // this is one that it clears itself. Mostly there is nothing to do, because the
            // last holder was this owner too. Relaxed: bits that count were there before
            // the Acquire in `claim`. (A swap, because loom 0.7 lets a read-modify-write
            // overlook a plain store.)
            if holders.load(Ordering::Relaxed) != wanted {
                step();
                holders.swap(wanted, Ordering::Relaxed);
            }
        }
        // Release: payload, length and holders are seen by the Acquire in `join`.
        self.cas(owned, State::held(kind, generation), Ordering::Release)
            .is_ok()
    }

    /// OWNED → OFFERED, by its owner.
    pub(crate) fn offer(&self, owner: OwnerIndex, generation: u32) -> bool {
        let owned = State::of_owner(Kind::Owned, generation, owner);
        let offered = State::of_owner(Kind::Offered, generation, owner);
        // Release: the payload is seen by the Acquire in `take`.
        self.cas(owned, offered, Ordering::Release).is_ok()
    }

    /// OFFERED → OWNED by the caller, under a new generation, so that one descriptor is
    /// taken once. What the block is instead, if it was not on offer.
    pub(crate) fn take(&self, owner: OwnerIndex, generation: u32) -> Result<u32, State> {
        let seen = self.look();
        if !seen.is(Kind::Offered, generation) {
            return Err(seen);
        }
        let next = generation.wrapping_add(1);
        let owned = State::of_owner(Kind::Owned, next, owner);
        // Acquire: pairs with the Release in `offer`.
        self.cas(seen, owned, Ordering::Acquire)?;
        Ok(next)
    }

    /// Becomes a holder of a block that is SHARED, LENT or COMMON (`kind`) under `generation`. What
    /// the block is instead, if it is not. The caller has no hold on the block yet, and lets
    /// no other thread of its process use the same bit meanwhile.
    pub(crate) fn join(&self, owner: OwnerIndex, generation: u32, kind: Kind) -> Result<(), State> {
        let mut seen = self.look();
        if !seen.is(kind, generation) {
            return Err(seen);
        }
        let (word, bit) = bit_of(owner);
        step();
        // Relaxed: the bit is published by the change that follows.
        self.holders[word].fetch_or(bit, Ordering::Relaxed);
        loop {
            // Release: the bit is seen after the Acquire load before a scan. Acquire: pairs with
            // the Release in `publish`, which every change since has carried on.
            match self.cas(seen, seen.changed(), Ordering::AcqRel) {
                Ok(_) => return Ok(()),
                Err(now) if now.is(kind, generation) => seen = now,
                Err(now) => {
                    // Too late. The bit may even stand in the block's next life, whose last
                    // holder saw it and did not free: so take it back as a holder does.
                    let _ = self.withdraw(owner);
                    return Err(now);
                }
            }
        }
    }

    /// Gives up the hold of `owner`, whose last handle is gone.
    #[inline]
    pub(crate) fn leave(&self, owner: OwnerIndex, generation: u32) -> Left {
        // Acquire: pairs with the Release in `join` and `withdraw`.
        let seen = State(self.state.load(Ordering::Acquire));
        if !seen.is_held() || seen.generation() != generation {
            return Left::NotOurs;
        }
        // The only holder frees with one CAS; a bit in a free block means nothing.
        if !self.others_hold(owner) && self.free_from(seen) == Left::Freed {
            return Left::Freed;
        }
        self.withdraw(owner)
    }

    /// Clears the bit, counts the change, and frees the block if nobody is left.
    pub(super) fn withdraw(&self, owner: OwnerIndex) -> Left {
        let (word, bit) = bit_of(owner);
        step();
        // Release: a holder that sees the bit cleared may free the block before the change
        // below is counted; this owner's reads must come before that, by the Acquire in the
        // scans.
        self.holders[word].fetch_and(!bit, Ordering::Release);
        step();
        // A read-modify-write, because a load might miss that the block has become SHARED
        // under somebody who saw the bit. Release: if this comes first in the order of the
        // word, the later change there acquires the cleared bit. Acquire: pairs with the
        // Release in `publish`, if that came first.
        let mut seen = State(self.state.fetch_add(0, Ordering::AcqRel));
        loop {
            if !seen.is_held() {
                return Left::NotOurs;
            }
            // Release: the cleared bit, and this owner's reads of the payload, come before
            // whatever the last holder does. Acquire: pairs with the same Release of those
            // who left before, for the scan below and for the block's next owner.
            match self.cas(seen, seen.changed(), Ordering::AcqRel) {
                Ok(counted) => return self.free_if_unheld(counted),
                Err(now) => seen = now,
            }
        }
    }

    /// Frees the block if nobody holds it and nothing has changed since `seen`, which the
    /// caller itself wrote, or loaded with Acquire.
    fn free_if_unheld(&self, seen: State) -> Left {
        step();
        // Acquire: pairs with the Release in `withdraw`.
        let unheld = self
            .holders
            .iter()
            .all(|word| word.load(Ordering::Acquire) == 0);
        // All reads of the payload, of this owner and of those acquired from, come before the
        // next owner's writes.
        if unheld && self.free_from(seen) == Left::Freed {
            return Left::Freed;
        }
        Left::Held
    }

    /// Whether another owner's bit is set. Exact for the state loaded with Acquire before.
    #[inline]
    fn others_hold(&self, owner: OwnerIndex) -> bool {
        let (own, bit) = bit_of(owner);
        let foreign = |(word, bits): (usize, &AtomicU64)| {
            // Acquire: pairs with the Release in `withdraw`.
            bits.load(Ordering::Acquire) & !(if word == own { bit } else { 0 })
        };
        self.holders
            .iter()
            .enumerate()
            .map(foreign)
            .any(|bits| bits != 0)
    }

    /// SHARED, LENT or COMMON → OWNED, under a new generation, if the caller is the only holder.
    pub(crate) fn regain(&self, owner: OwnerIndex, generation: u32) -> Option<u32> {
        // Acquire: pairs with the Release in `withdraw`, so that what the others read or
        // wrote comes before what the caller writes.
        let seen = State(self.state.load(Ordering::Acquire));
        if !seen.is_held() || seen.generation() != generation || self.others_hold(owner) {
            return None;
        }
        let next = generation.wrapping_add(1);
        // Relaxed: nothing is published, and the load above has acquired.
        self.cas(
            seen,
            State::of_owner(Kind::Owned, next, owner),
            Ordering::Relaxed,
        )
        .ok()?;
        Some(next)
    }

    /// Whether the bit of `owner` is set, in whatever life of the block.
    pub(crate) fn has_bit(&self, owner: OwnerIndex) -> bool {
        let (word, bit) = bit_of(owner);
        self.holders[word].load(Ordering::Relaxed) & bit != 0
    }
}

/// The holder word and the bit of an owner.
#[inline]
fn bit_of(owner: OwnerIndex) -> (usize, u64) {
    let number = owner.get();
    (usize::from(number / 64), 1 << (number % 64))
}
