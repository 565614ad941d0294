//! Driving while nobody waits for a result: a thread that exists only once tasks were submitted
//! faster than lanes could take them, or somebody waited for long in shared state.
//!
//! When there is no thread to be had (a limit of processes or memory), the reaper looks after the
//! pool every other millisecond: slower, but whoever waits for a future is not left alone. It goes
//! on trying to start the feeder.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Core, Driver, Locked, Patience, is_reaper};
use crate::time::after;
use crate::trace;

/// Between two looks of the reaper in place of a thread that cannot be had.
const STAND_IN: Duration = Duration::from_millis(2);

impl Core {
    /// Makes sure that what is pending will be sent although nobody may be driving.
    pub(crate) fn ensure_fed(core: &Arc<Self>, driver: &mut Locked<'_>) {
        let is_tried = driver.lacks_feeder;
        if !driver.has_backlog() {
            driver.lacks_feeder = false;
            core.look_behind(driver);
            return;
        }
        if driver.leading {
            driver.lacks_feeder = false;
            driver.wake_leader(core, Patience::Empty);
            return;
        }
        if driver.feeder_thread.is_some() {
            core.feeder.notify_one();
            return;
        }
        if is_tried && !is_reaper() {
            return; // it will be tried again
        }
        let feeding = Arc::clone(core);
        let started = std::thread::Builder::new()
            .name("forkyard-feeder".to_owned())
            .spawn(move || feeding.feed_until_gone());
        match started {
            Ok(thread) => {
                driver.feeder_thread = Some(thread);
                driver.lacks_feeder = false;
            }
            Err(error) if !is_tried => {
                trace::no_thread(core, "sending in the background", &error);
                driver.lacks_feeder = true;
                core.waker.wake();
            }
            Err(_) => {}
        }
    }

    /// For the reaper: does the work of a feeder that cannot be had, or need not be there, as far as
    /// there is nothing to wait for.
    pub(crate) fn stand_in(core: &Arc<Self>, driver: &mut Locked<'_>, now: Instant) {
        if driver.lacks_feeder {
            core.urge(driver);
        }
        core.keep_looking_behind(driver, now);
    }

    fn feed_until_gone(self: &Arc<Self>) {
        loop {
            let mut driver = self.lock();
            while !driver.has_backlog() && !driver.all_gone() {
                self.look_behind(&mut driver);
                driver = driver.wait(&self.feeder, None);
            }
            if driver.all_gone() {
                return;
            }
            drop(driver);
            self.drive(Patience::HalfEmpty, None, |driver| {
                (!driver.has_backlog() || driver.all_gone()).then_some(())
            });
        }
    }
}

impl Driver {
    /// When the reaper is to look again in place of threads that are not there.
    pub(crate) fn next_stand_in(&self) -> Option<Instant> {
        let in_place = (self.lacks_feeder || self.has_notices()).then(|| after(STAND_IN));
        in_place.into_iter().chain(self.next_look_behind()).min()
    }

    /// Whether something waits to be sent; or somebody waits elsewhere for what is in flight,
    /// which may stand behind a long task, or wait itself for its result to be taken.
    fn has_backlog(&self) -> bool {
        !self.pending.is_empty()
            || self.seats.iter().any(|seat| {
                seat.link.has_backlog() || self.waits_elsewhere > 0 && !seat.in_flight.is_empty()
            })
    }
}
