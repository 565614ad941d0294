//! No room for a result, at a moment when others lie in the arena that nobody has taken yet.
//!
//! An argument waits in the supervisor, which takes results meanwhile. A worker cannot take any, so
//! it wakes the supervisor, lets go of what it keeps itself, and looks again for a while: what a
//! `map` returns may be more than there is room for at a time.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use forkyard_shm::arena::{AllocError, ExtentError};

use crate::arena::{BlockMut, RawArena};

/// How long a result waits for room at most. The supervisor's thread may be busy with what it has
/// taken, or wait for nothing.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two looks at what the supervisor has taken, of which nobody tells.
const NAP: Duration = Duration::from_millis(1);
/// What one look and the nap after it count for at most. One that took longer was stopped
/// meanwhile, as by Ctrl-Z, and so was whoever takes results.
const TURN: Duration = Duration::from_millis(10);

/// Does something for more room, and says whether waiting is of use.
type MakeRoom = Box<dyn FnMut() -> bool>;

thread_local! {
    /// Of a worker on the shared path, whose results need room.
    static MAKE_ROOM: RefCell<Option<MakeRoom>> = const { RefCell::new(None) };
}

/// When results of this thread find no room, `make_room` is done, again and again for a while.
pub(crate) fn when_short(make_room: impl FnMut() -> bool + 'static) {
    MAKE_ROOM.set(Some(Box::new(make_room)));
}

/// After `refused`: a block of so many bytes for a result, if there is one before patience ends.
#[cold]
pub(super) fn wait(
    arena: &RawArena,
    bytes: usize,
    mut refused: AllocError,
) -> Result<BlockMut, AllocError> {
    let mut left = PATIENCE;
    let make_room =
        || MAKE_ROOM.with_borrow_mut(|make_room| make_room.as_mut().is_some_and(|f| f()));
    while may_pass(&refused) && !left.is_zero() {
        let begun = Instant::now();
        if !make_room() {
            break;
        }
        match arena.alloc_within(bytes, NAP) {
            Err(again) => refused = again,
            found => return found,
        }
        left = left.saturating_sub(begun.elapsed().min(TURN));
    }
    Err(refused)
}

/// Whether there may be room for it once others were taken.
fn may_pass(refused: &AllocError) -> bool {
    match refused {
        AllocError::Exhausted { wanted, limit, .. } => wanted <= limit,
        AllocError::Extent(ExtentError::Full { wanted, limit, .. }) => {
            *limit == 0 || wanted <= limit
        }
        refused => refused.may_pass(),
    }
}

#[cfg(test)]
mod tests {
    use forkyard_shm::OwnerIndex;
    use forkyard_shm::layout::Shape;

    use super::*;
    use crate::bootstrap::identity;
    use crate::mapped::{self, PoolMemory};

    #[test]
    fn a_pause_costs_no_patience() {
        /// More than half of the limit.
        const LARGE: usize = 5 << 20;
        let shape = Shape {
            workers: 1,
            slots: 2,
        };
        let memory = PoolMemory::create(shape, identity()).unwrap();
        let control = memory.control();
        mapped::directory(control).set_limit_bytes(8 << 20);
        let arena = mapped::attach_arena(control, memory.name(), OwnerIndex::SUPERVISOR);
        let mut held = Some(arena.alloc(LARGE).unwrap());
        let refused = arena.alloc(LARGE).unwrap_err();
        let mut looks = 0;
        when_short(move || {
            looks += 1;
            match looks {
                // What a pause is to the clock.
                1 => std::thread::sleep(PATIENCE),
                _ => drop(held.take()),
            }
            true
        });
        assert_eq!(wait(&arena, LARGE, refused).unwrap().len(), LARGE);
        MAKE_ROOM.set(None);
    }
}
