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
    let end = Instant::now() + PATIENCE;
    let make_room =
        || MAKE_ROOM.with_borrow_mut(|make_room| make_room.as_mut().is_some_and(|f| f()));
    while may_pass(&refused) && make_room() && Instant::now() < end {
        match arena.alloc_within(bytes, NAP) {
            Err(again) => refused = again,
            found => return found,
        }
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
