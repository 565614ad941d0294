//! Leader and followers: how threads of the supervisor wait. See the module above.

use std::sync::Arc;
use std::time::Instant;

use super::link::News;
use super::unblock::Blocked;
use super::{Core, Driver, Locked};
use crate::start::OsPark;
use std::sync::atomic::Ordering;

/// What a waiting thread wants to be woken for.
/// Stricter ones come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Patience {
    /// The next result of any worker.
    Next,
    /// A worker that has only half its messages left.
    HalfEmpty,
    /// A worker that has nothing left to do.
    Empty,
}

/// How many seats are looked at while spinning; beyond that the leader sleeps.
const MOST_SPUN: usize = 16;

impl Core {
    /// Drives until `check` has an answer, or until `deadline`; `None` then.
    ///
    /// `check` runs under the lock, after everything that had come was taken.
    pub(crate) fn drive<R>(
        self: &Arc<Self>,
        patience: Patience,
        deadline: Option<Instant>,
        mut check: impl FnMut(&mut Driver) -> Option<R>,
    ) -> Option<R> {
        let mut driver = self.lock();
        loop {
            // Before the look, so that a ring after the look is not slept through.
            let heard = self.control.header().doorbell.0.listen();
            driver.poll(self);
            driver.feed(self);
            let answer = check(&mut driver);
            let arrived = driver.arrived;
            if driver.following > 0 {
                self.followers.notify_all();
            }
            let late = deadline.is_some_and(|deadline| deadline <= Instant::now());
            if answer.is_some() || late {
                if answer.is_none() {
                    self.urge(&mut driver);
                }
                if driver.following == 0 {
                    // Nobody stays behind that would go on sending.
                    Self::ensure_fed(self, &mut driver);
                }
                return answer;
            }
            if driver.has_notices() {
                // Told without the lock, so what was looked at may have changed meanwhile.
                drop(driver);
                driver = self.lock();
                continue;
            }
            driver = if driver.leading {
                self.follow(driver, patience, deadline)
            } else {
                self.lead(driver, (heard, arrived), patience, deadline)
            };
        }
    }

    /// Takes what has come without waiting, and tells those who wait for it.
    pub(crate) fn glance(&self, driver: &mut Driver) {
        let arrived = driver.arrived;
        driver.poll(self);
        if driver.arrived == arrived {
            return;
        }
        if driver.leading {
            self.ring();
        }
        if driver.following > 0 {
            self.followers.notify_all();
        }
    }

    /// For who asks and does not wait: what `answer` says, after everything that had come was taken.
    /// Where it says nothing, more is done for what was asked about. What is pending is sent, also
    /// when nobody asks again.
    pub(crate) fn look<R>(
        self: &Arc<Self>,
        driver: &mut Locked<'_>,
        answer: impl FnOnce(&mut Driver) -> Option<R>,
    ) -> Option<R> {
        self.glance(driver);
        let answer = answer(driver);
        if answer.is_none() {
            self.urge(driver);
        }
        Self::ensure_fed(self, driver);
        answer
    }

    /// What is done for a task by who asks for it and does not wait, when nobody else drives: it
    /// may stand behind a long one while a worker has nothing to do.
    pub(crate) fn urge(&self, driver: &mut Driver) {
        if !driver.leading {
            driver.feed(self);
            driver.even_out(self, 0);
            if driver.unblock(self) == Blocked::TakenBack {
                driver.feed(self);
            }
        }
    }

    /// Waits for the leader to have news.
    fn follow<'a>(
        &'a self,
        mut driver: Locked<'a>,
        patience: Patience,
        deadline: Option<Instant>,
    ) -> Locked<'a> {
        driver.following += 1;
        driver.waiting[patience as usize] += 1;
        driver.wake_leader(self, patience);
        let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        let mut driver = driver.wait(&self.followers, left);
        driver.following -= 1;
        driver.waiting[patience as usize] -= 1;
        driver
    }

    /// Spins for a while, then sleeps at the doorbell.
    fn lead<'a>(
        &'a self,
        mut driver: Locked<'a>,
        (heard, arrived): (u32, u64),
        patience: Patience,
        deadline: Option<Instant>,
    ) -> Locked<'a> {
        let patience = driver.strictest(patience);
        driver.leads_with = patience;
        let header = self.control.header();
        let bell = &header.doorbell.0;
        driver.leading = true;
        if patience == Patience::Next || !self.is_crowded() {
            let mut spun = [None; MOST_SPUN];
            let count = driver.news(self, &mut spun);
            let mut budget = driver.spin.clone();
            drop(driver);
            let spun = &spun[..count];
            let met = count > 0
                && budget.spin(&header.awake.0, || {
                    spun.iter().flatten().any(News::is_here) || bell.listen() != heard
                });
            driver = self.lock();
            driver.spin = budget;
            // Without the lock others may have taken what is ours.
            if met || driver.arrived != arrived {
                driver.leading = false;
                return driver;
            }
        }
        // Spinning has brought nothing, or was no use: what a busy worker has not begun is
        // better off with an idle one, however quick tasks were so far.
        driver.even_out(self, 0);
        driver.call_up_if_worth(self, 0);
        let blocked = driver.unblock(self);
        if blocked == Blocked::TakenBack {
            driver.leading = false; // to be sent to others
            return driver;
        }
        if driver.has_notices() {
            driver.leading = false; // told by who does not lead: they may wait themselves
            return driver;
        }
        let patience = driver.strictest(patience);
        driver.leads_with = patience;
        if driver.watch(self, patience) {
            driver.leader_sleeps = true;
            drop(driver);
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            let left = left.into_iter().chain(blocked.look_within()).min();
            header.awake.0.fetch_sub(1, Ordering::Relaxed);
            bell.sleep(&OsPark, heard, left);
            header.awake.0.fetch_add(1, Ordering::Relaxed);
            driver = self.lock();
            driver.leader_sleeps = false;
        }
        driver.leading = false;
        driver
    }

    /// Whether more processes are awake than there are cores.
    fn is_crowded(&self) -> bool {
        self.control.header().awake.0.load(Ordering::Relaxed) > self.cores
    }
}

impl Driver {
    /// Whether somebody is to be told of something once the lock is let go.
    pub(crate) fn has_notices(&self) -> bool {
        !self.notices.is_empty()
    }

    /// Wakes a leader that sleeps for longer than `patience`, or does not watch what was sent since it
    /// fell asleep. One that is awake looks at both before it sleeps; to ring for it again and again
    /// would keep it from that.
    pub(super) fn wake_leader(&self, core: &Core, patience: Patience) {
        if self.leader_sleeps && (self.unwatched || patience < self.leads_with) {
            core.ring();
        }
    }

    /// The strictest of the leader's own patience and its followers'.
    fn strictest(&self, own: Patience) -> Patience {
        match self.waiting {
            [next, _, _] if next > 0 => Patience::Next,
            [_, half, _] if half > 0 => own.min(Patience::HalfEmpty),
            _ => own,
        }
    }

    /// Notes the words to spin on, and returns how many; none when there are too many.
    fn news<'a>(&self, core: &'a Core, words: &mut [Option<News<'a>>; MOST_SPUN]) -> usize {
        let mut count = 0;
        for seat in &self.seats {
            if seat.in_flight.is_empty() {
                continue;
            }
            if count == MOST_SPUN {
                return 0;
            }
            words[count] = seat.link.news(&core.control, seat.index);
            count += 1;
        }
        count
    }

    /// Asks every busy worker to ring. Returns `false` when there is news already.
    fn watch(&mut self, core: &Core, patience: Patience) -> bool {
        self.unwatched = false;
        for index in 0..self.seats.len() {
            let seat = &self.seats[index];
            let busy = seat.in_flight.len();
            if busy == 0 || seat.fault.is_some() {
                continue;
            }
            let nth = match patience {
                Patience::Next => 0,
                Patience::HalfEmpty => (busy - 1) / 2,
                Patience::Empty => busy - 1,
            };
            match seat.link.watch(nth, &core.control, index) {
                Ok(true) => {}
                Ok(false) => return false,
                Err(fault) => self.condemn(core, index, fault),
            }
        }
        true
    }
}
