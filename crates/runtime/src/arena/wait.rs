//! Allocation that waits for room.
//!
//! A worker sleeps on the arena's own word. The supervisor must not: blocks of arguments are
//! given back when the results are taken, and it is the supervisor's threads that take them.
//! So there whoever waits for memory *drives*, as whoever waits for a result does; a ring of
//! the arena reaches the supervisor's doorbell as well (see `PoolPark`).
//!
//! An allocation that is not to wait does so for a moment all the same: a worker keeps the
//! blocks that its last result spoke of until it goes to sleep, which is some 50 µs after the
//! result, and idle workers keep extents mapped that were given up, until they are nudged.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::error::ArenaError;
use super::{Arena, BlockMut};
use crate::driver::{Core, Patience};
use crate::time::after;

/// Between two nudges.
const NUDGE: Duration = Duration::from_millis(10);
/// How long an allocation that is not to wait gives the others to let go of what they keep for
/// nobody.
const MOMENT: Duration = Duration::from_millis(2);

/// A block of so many bytes; waits for it as long as the arena's patience lasts.
#[cold]
pub(super) fn alloc(arena: &Arena, bytes: usize) -> Result<BlockMut, ArenaError> {
    let patience = arena.patience.max(MOMENT);
    let refused = |refused| ArenaError::new(refused, arena.patience);
    match arena.core.upgrade().filter(|core| core.is_ours()) {
        Some(core) => alloc_driving(arena, &core, bytes, patience),
        None => arena.raw.alloc_within(bytes, patience).map_err(refused),
    }
}

fn alloc_driving(
    arena: &Arena,
    core: &Arc<Core>,
    bytes: usize,
    patience: Duration,
) -> Result<BlockMut, ArenaError> {
    let end = after(patience);
    loop {
        let shortage = match arena.raw.try_alloc(bytes) {
            Ok(found) => return found.map_err(|refused| ArenaError::new(refused, Duration::ZERO)),
            Err(shortage) => shortage,
        };
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ArenaError::new(shortage.refused, arena.patience));
        }
        let nap = shortage.nap(left).min(NUDGE);
        core.lock().nudge_idle(core);
        let _ = core.drive(Patience::Next, Some(after(nap)), |_| {
            arena.raw.has_rung(&shortage).then_some(())
        });
    }
}
