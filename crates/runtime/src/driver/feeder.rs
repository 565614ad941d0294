//! Driving while nobody waits for a result: a thread that exists only once tasks were submitted
//! faster than lanes could take them, or somebody waited for long in shared state.

use std::sync::Arc;

use super::{Core, Driver, Locked, Patience};
use crate::trace;

impl Core {
    /// Makes sure that what is pending will be sent although nobody may be driving.
    pub(crate) fn ensure_fed(core: &Arc<Self>, driver: &mut Locked<'_>) {
        if !driver.has_backlog() {
            return;
        }
        if driver.leading {
            if driver.unwatched {
                core.ring();
            }
            return;
        }
        if driver.feeder_thread.is_some() {
            core.feeder.notify_one();
            return;
        }
        let feeding = Arc::clone(core);
        let started = std::thread::Builder::new()
            .name("forkyard-feeder".to_owned())
            .spawn(move || feeding.feed_until_gone());
        match started {
            Ok(thread) => driver.feeder_thread = Some(thread),
            // Whoever joins drives; only the overlap is lost.
            Err(error) => trace::no_thread(core, "sending in the background", &error),
        }
    }

    fn feed_until_gone(self: &Arc<Self>) {
        loop {
            let mut driver = self.lock();
            while !driver.has_backlog() && !driver.all_gone() {
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
    /// Whether something waits to be sent; or somebody waits elsewhere for what is in flight,
    /// which may stand behind a long task, or wait itself for its result to be taken.
    fn has_backlog(&self) -> bool {
        !self.pending.is_empty()
            || self.seats.iter().any(|seat| {
                seat.link.has_backlog() || self.waits_elsewhere > 0 && !seat.in_flight.is_empty()
            })
    }
}
