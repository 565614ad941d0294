//! All wait for all.
//!
//! ```text
//!   63 ........... 32   31 .... 24   23 ........ 15   14 ...... 0
//!  +------------------+------------+----------------+------------+
//!  |  generation      |  resets    |  broken by + 1 |  arrived   |
//!  +------------------+------------+----------------+------------+
//!
//!                  arrive                    the last arrives
//!   [g, 0 arrived] -------> [g, k arrived] ------------------> [g + 1, 0 arrived]
//!        |                    |      ^ |                             ^
//!        |  a member died,    |      | | withdraw (time is up):      |
//!        |  or abort          |      +-+ k - 1                       |
//!        |                    v                                      |
//!        +-------------> [g, k arrived, broken] ---- reset ----------+  (g is marked in resets)
//! ```
//!
//! Each arrow is one compare-and-swap on the state word. A generation ends when all have
//! arrived or by a reset; which of the two stands in *resets*, one bit for each of the last
//! eight generations, so that a waiter that comes to look late is still told rightly. (One that
//! comes later than eight generations after its own, which its arrival was not needed for, is
//! told that the barrier broke.)
//!
//! A dead participant is a member that was reaped: whoever has waited here is a member (one
//! bit for each owner, set *before* the arrival), until it [leaves](Barrier::leave). Its death
//! breaks the barrier wherever it was at that time, because the others would wait for it.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::GiveBack;
use super::bell::Bell;
use super::deadline::Deadline;
use super::place::{InPlace, Place, PlaceError, check_count};
use crate::OwnerIndex;
use crate::steps::step;
use crate::sync::{AtomicU32, AtomicU64, Ordering};
use crate::wait::Park;

const ARRIVED: u64 = (1 << 15) - 1;
const BROKEN_SHIFT: u32 = 15;
const BROKEN: u64 = 0x1ff << BROKEN_SHIFT;
const RESETS_SHIFT: u32 = 24;
const GENERATION_SHIFT: u32 = 32;
/// In place of an owner: broken by a caller of `abort`.
const BY_ABORT: u64 = 0x1ff;
/// Generations that `resets` remembers.
const REMEMBERED: u32 = 8;
/// The most parties that a barrier can have.
pub const MAX_PARTIES: usize = ARRIVED as usize;

/// The state word, as a value.
#[derive(Clone, Copy, PartialEq, Eq)]
struct State(u64);

impl State {
    fn generation(self) -> u32 {
        (self.0 >> GENERATION_SHIFT) as u32
    }

    fn arrived(self) -> u64 {
        self.0 & ARRIVED
    }

    fn broken(self) -> Option<BarrierBroken> {
        let by = (self.0 & BROKEN) >> BROKEN_SHIFT;
        let number = by.checked_sub(1)?;
        Some(BarrierBroken {
            by: u8::try_from(number).ok().map(OwnerIndex::new),
        })
    }

    fn broken_by(self, mark: u64) -> Self {
        Self(self.0 | mark << BROKEN_SHIFT)
    }

    /// The next generation, whole, with nobody there.
    fn ended(self, by_reset: bool) -> Self {
        let generation = u64::from(self.generation().wrapping_add(1)) << GENERATION_SHIFT;
        let resets = (self.0 >> RESETS_SHIFT << 1 | u64::from(by_reset)) & 0xff;
        Self(generation | resets << RESETS_SHIFT)
    }

    /// How `generation` ended, if it has.
    fn end_of(self, generation: u32) -> Option<Result<(), BarrierBroken>> {
        let since = self.generation().wrapping_sub(generation);
        if since == 0 {
            return self.broken().map(Err);
        }
        let was_reset = since > REMEMBERED || self.0 >> (RESETS_SHIFT + since - 1) & 1 == 1;
        Some(if was_reset {
            Err(BarrierBroken { by: None })
        } else {
            Ok(())
        })
    }
}

/// A participant died, or somebody aborted or reset the barrier: not all come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error(
    "the barrier is broken{}; once all participants know, reset() it",
    by.map_or_else(String::new, |owner| format!(": {owner}, which takes part, died"))
)]
pub struct BarrierBroken {
    /// Who died, if it was broken by a death, and not reset since.
    pub by: Option<OwnerIndex>,
}

/// Why a wait at a barrier ended alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum WaitError {
    /// Not all come.
    #[error(transparent)]
    Broken(#[from] BarrierBroken),
    /// Not all came in time; the caller does not count as arrived any more.
    #[error("not all came to the barrier in time; wait again, or abort() it for the others")]
    TimedOut,
}

/// All came, and the caller was one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Passed {
    /// It came last: exactly one does in each generation.
    Last,
    /// Another came later.
    NotLast,
}

/// A barrier's part of shared memory. All zero is a barrier that nobody has come to.
#[derive(Debug, Default)]
#[repr(C)]
pub struct BarrierCore {
    state: AtomicU64,
    members: [AtomicU64; 4],
    bell: Bell,
    zero: AtomicU32,
}

#[cfg(not(loom))]
const _: () = {
    use core::mem::offset_of;
    assert!(size_of::<BarrierCore>() == 48 && align_of::<BarrierCore>() == 8);
    assert!(offset_of!(BarrierCore, state) == 0);
    assert!(offset_of!(BarrierCore, members) == 8);
    assert!(offset_of!(BarrierCore, bell) == 40);
    assert!(offset_of!(BarrierCore, zero) == 44);
};

#[cfg(not(loom))]
crate::packed::packed!(BarrierCore { state, members, bell, zero } then 0 unused);

// SAFETY: repr(C), of atomics alone; zero is whole and empty, and every word means something to
// every method, none of which uses it to reach memory.
unsafe impl InPlace for BarrierCore {}

/// A barrier for a number of participants, over and over. A participant is one wait, whoever
/// waits: the threads of a process count one by one, though they die together.
///
/// What each did before it came is seen by all after they have passed.
#[derive(Debug, Clone, Copy)]
pub struct Barrier<'m> {
    core: &'m BarrierCore,
    parties: u64,
}

fn member(owner: OwnerIndex) -> (usize, u64) {
    let number = usize::from(owner.get());
    (number / 64, 1 << (number % 64))
}

impl<'m> Barrier<'m> {
    /// The bytes that a barrier takes.
    #[must_use]
    pub const fn bytes() -> usize {
        size_of::<BarrierCore>()
    }

    /// The barrier for `parties` that stands, or is to stand, at `place`. All must name the
    /// same number.
    ///
    /// # Errors
    /// [`PlaceError`]; there can be 1 to 32767 parties.
    #[inline]
    pub fn in_place(place: &mut Place<'m>, parties: usize) -> Result<Self, PlaceError> {
        Self::over(place.take()?, parties)
    }

    /// Over memory that stands somewhere else.
    ///
    /// # Errors
    /// [`PlaceError::Count`].
    #[inline]
    pub fn over(core: &'m BarrierCore, parties: usize) -> Result<Self, PlaceError> {
        check_count(parties, MAX_PARTIES)?;
        let parties = parties as u64;
        Ok(Self { core, parties })
    }

    fn look(&self) -> State {
        // Acquire pairs with the Release in `cas`: who sees that all came, sees what they did.
        State(self.core.state.load(Ordering::Acquire))
    }

    fn cas(&self, from: State, to: State) -> Result<(), State> {
        step();
        // Release: what the caller did before it came is seen by all who pass, by the Acquire
        // in `look`, and here by the last: Acquire pairs with the same Release of those who
        // came before. On failure, Acquire does for the next try what `look` does.
        self.core
            .state
            .compare_exchange(from.0, to.0, Ordering::AcqRel, Ordering::Acquire)
            .map(drop)
            .map_err(State)
    }

    /// Changes the state by `next` until nobody is in between, or there is nothing to change.
    fn change(&self, next: impl Fn(State) -> Option<State>) -> bool {
        let mut seen = self.look();
        while let Some(to) = next(seen) {
            match self.cas(seen, to) {
                Ok(()) => return true,
                Err(now) => seen = now,
            }
        }
        false
    }

    /// Waits until all have come.
    ///
    /// # Errors
    /// [`BarrierBroken`], at once when it is broken, else as soon as it breaks.
    pub fn wait(&self, owner: OwnerIndex, park: &impl Park) -> Result<Passed, BarrierBroken> {
        match self.wait_before(owner, Deadline::never(), park) {
            Ok(passed) => Ok(passed),
            Err(WaitError::Broken(broken)) => Err(broken),
            Err(WaitError::TimedOut) => unreachable!("a deadline that never comes has passed"),
        }
    }

    /// Waits until all have come, for `timeout` at most; then it takes its coming back, and the
    /// barrier stays whole.
    ///
    /// # Errors
    /// [`WaitError`].
    pub fn wait_timeout(
        &self,
        owner: OwnerIndex,
        timeout: Duration,
        park: &impl Park,
    ) -> Result<Passed, WaitError> {
        self.wait_before(owner, Deadline::after(timeout), park)
    }

    fn wait_before(
        &self,
        owner: OwnerIndex,
        deadline: Deadline,
        park: &impl Park,
    ) -> Result<Passed, WaitError> {
        self.join(owner);
        let Some(generation) = self.arrive()? else {
            self.core.bell.ring(park);
            return Ok(Passed::Last);
        };
        let ended = self
            .core
            .bell
            .wait(deadline, park, |_| self.look().end_of(generation));
        match ended.or_else(|| self.withdraw(generation)) {
            Some(end) => Ok(end.map(|()| Passed::NotLast)?),
            None => Err(WaitError::TimedOut),
        }
    }

    /// Makes `owner` a member, as its first wait does: from now on its death breaks the
    /// barrier. For a participant that is still on its way.
    pub fn join(&self, owner: OwnerIndex) {
        let (word, bit) = member(owner);
        // Relaxed: read after the owner's death, or by itself.
        if self.core.members[word].load(Ordering::Relaxed) & bit == 0 {
            step();
            self.core.members[word].fetch_or(bit, Ordering::Relaxed);
        }
    }

    /// Ends `owner`'s membership, of all its threads: its death does not matter any more.
    pub fn leave(&self, owner: OwnerIndex) {
        let (word, bit) = member(owner);
        step();
        self.core.members[word].fetch_and(!bit, Ordering::Relaxed);
    }

    /// One more has come. The generation to wait for the end of; `None` if this one ended it.
    fn arrive(&self) -> Result<Option<u32>, BarrierBroken> {
        let mut seen = self.look();
        loop {
            if let Some(broken) = seen.broken() {
                return Err(broken);
            }
            let is_last = seen.arrived() + 1 >= self.parties;
            let to = if is_last {
                seen.ended(false)
            } else {
                State(seen.0 + 1)
            };
            match self.cas(seen, to) {
                Ok(()) => return Ok((!is_last).then(|| seen.generation())),
                Err(now) => seen = now,
            }
        }
    }

    /// Takes an arrival back, unless `generation` has ended: then how it did.
    fn withdraw(&self, generation: u32) -> Option<Result<(), BarrierBroken>> {
        let mut seen = self.look();
        loop {
            if let Some(end) = seen.end_of(generation) {
                return Some(end);
            }
            // What a peer spoilt may count nobody: then there is nothing to take back.
            let one = u64::from(seen.arrived() > 0);
            match self.cas(seen, State(seen.0 - one)) {
                Ok(()) => return None,
                Err(now) => seen = now,
            }
        }
    }

    /// Breaks it: all who wait and who come get an error, until it is [reset](Self::reset).
    pub fn abort(&self, park: &impl Park) {
        self.change(|seen| (seen.broken().is_none()).then(|| seen.broken_by(BY_ABORT)));
        self.core.bell.ring(park);
    }

    /// Makes it whole and empty. Who still waits gets an error, as if it had broken. Members
    /// stay members.
    pub fn reset(&self, park: &impl Park) {
        self.change(|seen| Some(seen.ended(true)));
        self.core.bell.ring(park);
    }

    /// Whether it is broken, and by whom.
    #[must_use]
    pub fn broken(&self) -> Option<BarrierBroken> {
        self.look().broken()
    }

    /// How many have come and wait for the others.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.look().arrived() as usize
    }
}

impl GiveBack for Barrier<'_> {
    /// Whether the death broke the barrier.
    type Report = bool;

    fn give_back(&self, dead: OwnerIndex, park: &impl Park) -> bool {
        let (word, bit) = member(dead);
        let was_member = self.core.members[word].load(Ordering::Relaxed) & bit != 0;
        let mark = u64::from(dead.get()) + 1;
        // First broken, then no member: cut short in between, it is broken again.
        let broke =
            was_member && self.change(|seen| seen.broken().is_none().then(|| seen.broken_by(mark)));
        if was_member {
            self.leave(dead);
        }
        self.core.bell.ring_for_the_dead(park);
        broke
    }
}

#[cfg(all(test, not(loom)))]
#[path = "tests/barrier.rs"]
mod tests;
