//! Until when to wait. In a model the time is up after one sleep.

use core::time::Duration;
#[cfg(not(loom))]
use std::time::Instant;

/// The time is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeUp;

/// A point in time, or never.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    #[cfg(not(loom))]
    end: Option<Instant>,
    /// Sleeps left, in a model; it has no clock.
    #[cfg(loom)]
    sleeps: Option<u32>,
}

impl Deadline {
    /// No deadline.
    pub(crate) fn never() -> Self {
        Self {
            #[cfg(not(loom))]
            end: None,
            #[cfg(loom)]
            sleeps: None,
        }
    }

    /// `timeout` from now; so long that no clock can tell it means never.
    #[cfg(not(loom))]
    pub(crate) fn after(timeout: Duration) -> Self {
        Self {
            end: Instant::now().checked_add(timeout),
        }
    }

    /// One sleep from now.
    #[cfg(loom)]
    pub(crate) fn after(_: Duration) -> Self {
        Self { sleeps: Some(1) }
    }

    /// How long the next sleep may last; `None` for ever.
    pub(crate) fn left(&mut self) -> Result<Option<Duration>, TimeUp> {
        #[cfg(not(loom))]
        return match self
            .end
            .map(|end| end.checked_duration_since(Instant::now()))
        {
            None => Ok(None),
            Some(None | Some(Duration::ZERO)) => Err(TimeUp),
            Some(left) => Ok(left),
        };
        #[cfg(loom)]
        return match &mut self.sleeps {
            None => Ok(None),
            Some(0) => Err(TimeUp),
            Some(sleeps) => {
                *sleeps -= 1;
                Ok(Some(Duration::ZERO))
            }
        };
    }
}
