//! Pools inside tasks: allowed to a depth, so that a program whose tasks build pools whose tasks
//! build pools ends in an error and not in more processes than the machine has room for.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::error::BuildError;

/// Levels below a pool unless it says otherwise: its tasks may build pools, whose tasks may not.
const DEFAULT_LEVELS: u32 = 1;
/// This process is no worker.
const OUTERMOST: u32 = u32::MAX;

/// How many levels of pools may be built from here on down.
static LEVELS: AtomicU32 = AtomicU32::new(OUTERMOST);

/// This process is a worker of a pool that allows so many levels below it.
pub(crate) fn enter_level(levels: u32) {
    LEVELS.store(levels.min(OUTERMOST - 1), Ordering::Relaxed);
}

/// How many levels may be below a pool that is built here and asks for that many.
///
/// # Errors
/// When none may be built here.
pub(crate) fn levels_below(asked: Option<u32>) -> Result<u32, BuildError> {
    levels(LEVELS.load(Ordering::Relaxed), asked)
}

fn levels(here: u32, asked: Option<u32>) -> Result<u32, BuildError> {
    match here {
        OUTERMOST => Ok(asked.unwrap_or(DEFAULT_LEVELS)),
        0 => Err(BuildError::TooDeep),
        // What is allowed above cannot be widened below.
        here => Ok(asked.map_or(here - 1, |asked| asked.min(here - 1))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_allowed_above_is_not_widened_below() {
        let of = |here, asked| levels(here, asked).ok();
        assert_eq!(of(OUTERMOST, None), Some(1));
        assert_eq!(of(OUTERMOST, Some(3)), Some(3));
        assert_eq!(of(OUTERMOST, Some(0)), Some(0));
        assert_eq!(of(3, None), Some(2));
        assert_eq!(of(3, Some(9)), Some(2));
        assert_eq!(of(3, Some(0)), Some(0));
        assert_eq!(of(1, None), Some(0));
        assert_eq!(of(0, None), None);
        assert_eq!(of(0, Some(5)), None);
    }
}
