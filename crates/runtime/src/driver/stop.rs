//! Stopping a message that runs, while all others go on: ask, then SIGTERM, then SIGKILL.
//!
//! ```text
//!   over its limit, or cancelled
//!     ─> the worker's stop flag is raised for this message; what stands behind it goes elsewhere
//!     ─> it returns: its result is dropped, the worker goes on
//!     ─> the grace is over: SIGTERM ─> half a second: SIGKILL ─> as after a death
//! ```
//!
//! Limits are kept by the reaper. It looks when the first of the messages that run now could be
//! over its limit, and not in between. Which message runs since when is a worker's word. It can
//! say that it has begun later than it has, or nothing; but a message counts as begun when the
//! supervisor first sees that it is, and one that is not begun for ever is taken away.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use forkyard_os::clock::ticks;
use forkyard_os::process::Signal;
use forkyard_shm::Round;

use super::lifecycle::TERM_TO_KILL;
use super::suspend::Pause;
use super::{Core, Driver, Locked};
use crate::error::{TaskError, TaskTimeout};
use crate::parcel::Ready;
use crate::time::later;
use crate::trace;

/// Between two looks at least, however short limits are.
const LEAST_LOOK: Duration = Duration::from_micros(100);

/// Between two looks at a worker that is still starting. (Whoever drives notices it sooner.)
const STARTING: Duration = Duration::from_millis(20);

/// Until a worker is tried again whose process id is not known yet.
const UNKNOWN_PID: Duration = Duration::from_millis(20);

/// Why a message is stopped.
#[derive(Debug, Clone, Copy)]
pub(super) enum Why {
    /// It takes longer than it may.
    Limit(Duration),
    /// Nobody wants its result.
    Cancelled,
}

impl Why {
    /// For traces.
    fn name(self) -> &'static str {
        match self {
            Self::Limit(_) => "over its limit",
            Self::Cancelled => "cancelled",
        }
    }
}

/// How far the stopping is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Asked,
    Termed,
    Killed,
}

/// A message that is being stopped.
#[derive(Debug)]
pub(super) struct Stopping {
    /// Its number in its worker; `None` once it has its error, and only the process is left.
    number: Option<u64>,
    why: Why,
    step: Step,
    /// When the next step is.
    due: Instant,
}

/// Since when a worker is at its oldest message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    number: u64,
    /// Since when the worker could have begun it.
    seen: Instant,
    begun: Option<Instant>,
}

impl Clock {
    pub(super) fn postpone(&mut self, pause: Pause) {
        self.seen = pause.put_off(self.seen);
        self.begun = self.begun.map(|begun| pause.put_off(begun));
    }
}

impl Stopping {
    pub(super) fn postpone(&mut self, pause: Pause) {
        self.due = pause.put_off(self.due);
    }

    pub(super) fn is_of(&self, number: u64) -> bool {
        self.number == Some(number)
    }

    /// Whether its process was told to end.
    pub(super) fn kills(&self) -> bool {
        self.step != Step::Asked
    }

    /// What the message ends with.
    pub(super) fn error(&self, worker: usize) -> TaskError {
        match self.why {
            Why::Limit(limit) => TaskError::TimedOut(Box::new(TaskTimeout {
                limit,
                worker,
                killed: self.kills(),
            })),
            Why::Cancelled => TaskError::Cancelled,
        }
    }

    /// The message has its error. Whether there is nothing more to do.
    pub(super) fn is_settled(&mut self) -> bool {
        self.number = None;
        !self.kills()
    }
}

impl Core {
    /// Stops what is over its limit, and says when to look again.
    pub(crate) fn keep_limits(
        core: &Arc<Self>,
        driver: &mut Locked<'_>,
        now: Instant,
    ) -> Option<Instant> {
        if !driver.has_terms {
            return None;
        }
        let (arrived, pending) = (driver.arrived, driver.pending.len());
        let seats = 0..driver.seats.len();
        let looks = seats.filter_map(|seat| driver.look_at(core, seat, now));
        let next = looks.min().map(|at| at.max(later(now, LEAST_LOOK)));
        driver.next_limit = next;
        if driver.arrived != arrived || driver.pending.len() != pending {
            driver.feed(core);
            Self::ensure_fed(core, driver);
            core.ring();
            core.followers.notify_all();
        }
        next
    }

    /// Has the reaper look at the limits no later than that.
    pub(super) fn look_by(&self, driver: &mut Driver, at: Instant) {
        driver.has_terms = true;
        if driver.next_limit.is_none_or(|next| next > at) {
            driver.next_limit = Some(at);
            self.waker.wake();
        }
    }
}

impl Driver {
    /// Before messages are sent: has their limits kept, and what may be sent again kept.
    pub(super) fn note_terms(&mut self, core: &Core, index: usize, messages: &mut [Ready]) {
        let is_copied = !self.seats[index].link.works_before_ready();
        let mut shortest: Option<Duration> = None;
        for ready in messages {
            let Some(batch) = self.batches.get(ready.ticket.batch as usize) else {
                continue;
            };
            if let Some(limit) = batch.terms.timeout {
                shortest = Some(shortest.map_or(limit, |least| least.min(limit)));
            }
            if is_copied && batch.terms.retries() > 0 {
                ready.parcel.extra_mut().keep = true;
            }
        }
        if let Some(limit) = shortest {
            let at = later(Instant::now(), limit);
            core.look_by(self, at);
        }
    }

    fn limit_of(&self, nth: usize, index: usize) -> Option<Duration> {
        let ticket = self.seats[index].in_flight.get(nth)?.ticket;
        self.batches.get(ticket.batch as usize)?.terms.timeout
    }

    /// Stops what a worker runs if it is over its limit, or goes on with that, and says when to
    /// look at this worker again.
    fn look_at(&mut self, core: &Core, index: usize, now: Instant) -> Option<Instant> {
        if let Some(due) = self.go_on_stopping(core, index, now) {
            return Some(due);
        }
        // Whatever is behind may begin right now.
        let in_flight = self.seats[index].in_flight.len();
        let behind = (1..in_flight).filter_map(|nth| self.limit_of(nth, index));
        let next = behind.min().map(|limit| later(now, limit));
        let Some(limit) = self.limit_of(0, index) else {
            return next;
        };
        let Some(clock) = self.clock_of(core, index, now) else {
            let look = if self.seats[index].phase.is_at_work() {
                limit
            } else {
                limit.max(STARTING)
            };
            return next.into_iter().chain([later(now, look)]).min();
        };
        let due = match clock.begun {
            Some(begun) => later(begun, limit),
            // A worker that is up begins the next message at once. One that has not for as long
            // as it may take to start is halted, or does not tell the truth.
            None => later(clock.seen, limit.saturating_add(core.options.start_timeout)),
        };
        if due > now {
            let unbegun = clock.begun.is_none().then(|| later(now, limit));
            return next.into_iter().chain([due]).chain(unbegun).min();
        }
        if clock.begun.is_none() {
            self.take_away(core, index, limit, now);
            let stop = self.seats[index].stop.as_ref();
            return Some(stop.map_or_else(|| later(now, limit), |stop| stop.due));
        }
        self.begin_stop(core, index, 0, Why::Limit(limit), now);
        self.go_on_stopping(core, index, now)
    }

    /// Since when the worker is at its oldest message; `None` when it cannot be yet.
    pub(super) fn clock_of(&mut self, core: &Core, index: usize, now: Instant) -> Option<Clock> {
        let seat = &mut self.seats[index];
        if !seat.phase.is_at_work() || !seat.link.is_whole() {
            seat.clock = None;
            return None;
        }
        let number = seat.link.number(0);
        let mut clock = seat.clock.filter(|clock| clock.number == number);
        let clock = clock.get_or_insert(Clock {
            number,
            seen: now,
            begun: None,
        });
        let counters = &core.control.page(index).counters;
        let begun = counters.begun.load(Ordering::Relaxed);
        // One that says that it is further has its result on the way.
        if clock.begun.is_none() && begun == number {
            let started = counters.started.load(Ordering::Relaxed);
            let age = core.scale.ticks_to_ns(ticks().saturating_sub(started));
            // Of another message, if it went on between these looks.
            let same = counters.begun.load(Ordering::Relaxed) == begun;
            let at = now.checked_sub(Duration::from_nanos(age)).filter(|_| same);
            let at = at.unwrap_or(now);
            clock.begun = Some(self.pause.map_or(at, |pause| pause.beginning(at)));
        }
        seat.clock = Some(*clock);
        Some(*clock)
    }

    /// Takes its oldest message away from a worker that does not begin it, and ends the worker;
    /// if it has begun it after all, its time counts from now on.
    fn take_away(&mut self, core: &Core, index: usize, limit: Duration, now: Instant) {
        let Some(before) = self.seats[index].in_flight.front() else {
            return;
        };
        let ticket = before.ticket;
        self.clear_from(core, index, 0);
        let still = self.seats[index].in_flight.front();
        if still.is_some_and(|sent| sent.ticket.batch == ticket.batch) {
            if let Some(clock) = &mut self.seats[index].clock {
                clock.begun = Some(now);
            }
            return;
        }
        trace::begins_nothing(core, &self.seats[index], &ticket);
        self.seats[index].stop = Some(Stopping {
            number: None,
            why: Why::Limit(limit),
            step: Step::Killed,
            due: later(now, TERM_TO_KILL),
        });
        self.seats[index].careful = true;
        self.signal(core, index, Signal::Kill);
        self.blame_for_a_late_worker(&ticket, limit, index);
    }

    /// Begins to stop the `nth` message in flight of a worker, which runs.
    pub(super) fn begin_stop(
        &mut self,
        core: &Core,
        index: usize,
        nth: usize,
        why: Why,
        now: Instant,
    ) {
        let seat = &mut self.seats[index];
        let Some(sent) = seat.in_flight.get(nth) else {
            return;
        };
        let number = seat.link.number(nth);
        let batch = self.batches.get(sent.ticket.batch as usize);
        let grace = batch.map_or(Duration::ZERO, |batch| batch.terms.grace);
        // A search looks at a flag that is all the others' as well.
        let can_be_asked = batch.is_some_and(|batch| !batch.searches);
        trace::stopping(core, seat, &sent.ticket, why.name());
        seat.stop = Some(Stopping {
            number: Some(number),
            why,
            step: Step::Asked,
            due: if can_be_asked { later(now, grace) } else { now },
        });
        seat.careful = true;
        if can_be_asked {
            let flag = &core.control.page(index).stops.flag;
            flag.raise(Round::of_message(number));
        }
        self.clear_from(core, index, nth + 1);
    }

    /// Does what is due of a stopping, and says when the next step is.
    pub(super) fn go_on_stopping(
        &mut self,
        core: &Core,
        index: usize,
        now: Instant,
    ) -> Option<Instant> {
        if self.seats[index].stop.as_ref()?.due > now {
            return self.seats[index].stop.as_ref().map(|stop| stop.due);
        }
        // It may have ended by itself, and then its process stays, and maybe runs the next.
        self.clear_from(core, index, 1);
        self.take_all(core, index);
        let seat = &mut self.seats[index];
        let stop = seat.stop.as_mut()?;
        if seat.pid.is_none() {
            stop.due = later(now, UNKNOWN_PID);
            return Some(stop.due);
        }
        let (signal, step) = match stop.step {
            Step::Asked => (Signal::Term, Step::Termed),
            Step::Termed | Step::Killed => (Signal::Kill, Step::Killed),
        };
        stop.step = step;
        stop.due = later(now, TERM_TO_KILL);
        let due = stop.due;
        self.signal(core, index, signal);
        Some(due)
    }
}
