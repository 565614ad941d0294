//! Looking after what stands behind other tasks while nobody drives.
//!
//! Messages are sent ahead, to be there when their workers come to them. Whoever waits for a result
//! takes them back for workers that have nothing to do. When nobody waits the reaper does it, now and
//! then, as long as anything stands behind another:
//!
//! ```text
//!   sent behind another ─> 10 ms ─> evened out ─> 20 ms ─> … ─> 80 ms ─> 80 ms ─> nothing behind
//! ```

use std::time::{Duration, Instant};

use super::careful::NOBODY;
use super::{Core, Driver, Seat};
use crate::time::later;

/// Until the first look: whoever submits mostly waits soon, and then looks himself.
const FIRST: Duration = Duration::from_millis(10);
/// Between two looks at most.
const LAST: Duration = Duration::from_millis(80);

/// When the reaper looks next.
#[derive(Debug, Clone, Copy)]
pub(super) struct NextLook {
    at: Instant,
    wait: Duration,
}

impl Core {
    /// Has the reaper look after what stands behind other tasks, if anything does.
    pub(crate) fn look_behind(&self, driver: &mut Driver) {
        if driver.behind.is_none() && driver.something_stands_behind() {
            driver.behind = Some(NextLook {
                at: later(Instant::now(), FIRST),
                wait: FIRST,
            });
            self.waker.wake();
        }
    }

    /// For the reaper: looks, if it is time.
    pub(super) fn keep_looking_behind(&self, driver: &mut Driver, now: Instant) {
        let Some(look) = driver.behind.filter(|look| look.at <= now) else {
            return;
        };
        self.urge(driver);
        let wait = (look.wait * 2).min(LAST);
        driver.behind = driver.something_stands_behind().then(|| NextLook {
            at: later(now, wait),
            wait,
        });
    }
}

impl Driver {
    fn something_stands_behind(&self) -> bool {
        !self.pending.is_empty() || self.seats.iter().any(stands_behind)
    }

    pub(super) fn next_look_behind(&self) -> Option<Instant> {
        self.behind.map(|look| look.at)
    }
}

/// Whether a worker has more than what it runs; or, in a pipe, a result that may be too long for it.
fn stands_behind(seat: &Seat) -> bool {
    let ahead = seat.in_flight.iter();
    let least = usize::from(seat.link.can_retract());
    seat.in_flight.len() > least && ahead.skip(least).any(|sent| sent.ticket.batch != NOBODY)
}
