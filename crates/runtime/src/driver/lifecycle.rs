//! The driver around the [`life`](crate::life) of the workers: it tells the machine what happened,
//! does what the machine says, and keeps its timers. Nobody else changes a seat's phase.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use forkyard_os::process::{Pid, Signal, kill};

use super::{Core, Driver, Seat, StartFailure};
use crate::life::{Action, Event, PoolPhase, SeatPhase, Wait};
use crate::time::after;
use crate::trace;

/// How long nobody is started in a seat whose budget is used up while others get on: long beside
/// what starting costs, so that it does not become what the machine does.
const REST: Duration = Duration::from_millis(250);

/// How long a worker has between SIGTERM and SIGKILL.
pub(crate) const TERM_TO_KILL: Duration = Duration::from_millis(500);

/// Work for less than this is not worth starting a worker for that sleeps: to start it takes as
/// long.
const WORTH_STARTING_NS: u64 = 2_000_000;

impl Driver {
    /// Tells the machine what happened, and does what it says.
    pub(super) fn tell(&mut self, core: &Core, event: Event) {
        let actions = self.life.on(event);
        self.phase = self.life.pool();
        for seat in &mut self.seats {
            seat.enter(self.life.phase(seat.index));
        }
        let may_come = |seat: &Seat| {
            !matches!(
                seat.phase,
                SeatPhase::Up | SeatPhase::Resting | SeatPhase::Gone
            )
        };
        self.others_may_come = self.keeps_few && self.seats.iter().any(may_come);
        for action in actions {
            self.perform(core, action);
        }
    }

    /// All processes are gone, and nobody is there to start others.
    pub(crate) fn nobody_is_left(&mut self) {
        self.life.end();
        self.phase = self.life.pool();
        for seat in &mut self.seats {
            seat.enter(self.life.phase(seat.index));
        }
    }

    fn perform(&mut self, core: &Core, action: Action) {
        match action {
            Action::Start(seat) => self.to_start = Some(seat),
            Action::WakeStarter => core.waker.wake(),
            Action::Pill(seat) => self.send_pill(core, seat),
            Action::Dismiss(seat) => {
                let link = &mut self.seats[seat].link;
                // Wakes a lane's worker that sleeps; one on a pipe sees its end.
                if link.works_before_ready() {
                    self.send_pill(core, seat);
                } else {
                    link.sever();
                }
            }
            Action::Term(seat) => self.insist(core, seat, Signal::Term),
            Action::Kill(seat) => self.insist(core, seat, Signal::Kill),
            Action::KillStarter => self.starter_is_to_die = true,
            Action::TakeBack(seat) => self.take_back(core, seat),
            Action::Timer(seat, wait) => self.set_timer(core, seat, wait),
            Action::NoTimer(seat) => self.seats[seat].timer = None,
        }
    }

    fn insist(&self, core: &Core, seat: usize, signal: Signal) {
        if self.seats[seat].phase == SeatPhase::Ending {
            trace::escalated(core, signal);
        }
        self.signal(core, seat, signal);
    }

    fn set_timer(&mut self, core: &Core, index: usize, wait: Wait) {
        let mut due = after(match wait {
            Wait::Start => core.options.start_timeout,
            Wait::Rest => REST,
            Wait::Leave => core.options.lifecycle.exit_timeout,
            Wait::Grace => self.grace,
            Wait::Signalled => TERM_TO_KILL,
        });
        let seat = &mut self.seats[index];
        if let Some((_, at)) = seat.timer.filter(|(what, _)| *what == wait) {
            due = due.min(at);
        }
        seat.timer = Some((wait, due));
        if wait == Wait::Rest {
            seat.finished_before = self.finished;
        }
        self.look_by(core, due);
    }

    /// Has the reaper look again by then.
    fn look_by(&mut self, core: &Core, due: Instant) {
        if self.next_look.is_none_or(|at| due < at) {
            self.next_look = Some(due);
            core.waker.wake();
        }
    }

    /// Tells the machine what is due; for the reaper.
    pub(crate) fn keep_time(&mut self, core: &Core, now: Instant) {
        for index in 0..self.seats.len() {
            let seat = &mut self.seats[index];
            if seat.timer.is_some_and(|(_, at)| at <= now) {
                seat.timer = None;
                seat.start_timed_out |= seat.phase == SeatPhase::Starting;
                self.tell(core, Event::Due(index));
            }
        }
        let idle = self.retire_idle(core, now);
        let timers = self.seats.iter().filter_map(|seat| seat.timer);
        self.next_look = timers.map(|(_, at)| at).chain(idle).min();
    }

    /// When the reaper is to look again.
    pub(crate) fn next_look(&self) -> Option<Instant> {
        self.next_look
    }

    /// The next seat for which a process is to be started, made ready for it.
    pub(crate) fn next_start(&mut self, core: &Core) -> Option<(usize, u32)> {
        loop {
            self.tell(core, Event::Ask);
            let Some(index) = self.to_start.take() else {
                // The last seats may have been given up, since others had used up the budget.
                self.give_up_if_hopeless();
                return None;
            };
            match self.prepare(core, index) {
                Ok(generation) => return Some((index, generation)),
                Err(why) => self.not_started(core, index, StartFailure::NotStarted(why)),
            }
        }
    }

    /// The process of a seat exists. Returns whether it is the one that was asked for.
    pub(crate) fn born(&mut self, core: &Core, index: usize, generation: u32, pid: Pid) -> bool {
        let seat = &mut self.seats[index];
        let wanted =
            seat.generation == generation && seat.phase.is_occupied() && seat.pid.is_none();
        if wanted {
            seat.pid = Some(pid);
            self.tell(core, Event::Born(index));
        }
        wanted
    }

    /// There will be no process for a seat.
    pub(crate) fn not_started(&mut self, core: &Core, index: usize, failure: StartFailure) {
        trace::start_failed(core, &self.seats[index], &failure);
        self.note_empty(core, index);
        // The first cause is the one to tell.
        self.start_failure.get_or_insert(failure);
        let event = Event::NotStarted {
            seat: index,
            getting_on: self.gets_on(index),
        };
        self.tell(core, event);
        self.give_up_if_hopeless();
        core.ring();
    }

    /// Whoever starts processes has died; those it was to start will not come.
    pub(crate) fn starter_lost(
        &mut self,
        core: &Core,
        another: bool,
        why: impl Fn(usize) -> StartFailure,
    ) {
        let is_owed = |seat: &Seat| seat.phase.is_occupied() && seat.pid.is_none();
        for seat in self.seats.iter().filter(|seat| is_owed(seat)) {
            trace::start_failed(core, seat, &why(seat.index));
            self.note_empty(core, seat.index);
        }
        let owed = self.seats.iter().find(|seat| is_owed(seat));
        match owed {
            Some(seat) if seat.start_timed_out => {
                let failure = StartFailure::TimedOut {
                    worker: seat.index,
                    pid: why(seat.index).pid(),
                    within: core.options.start_timeout,
                    initializing: false,
                };
                self.start_failure.get_or_insert(failure);
            }
            Some(seat) => drop(self.start_failure.get_or_insert(why(seat.index))),
            None if !another => drop(self.start_failure.get_or_insert(why(0))),
            None => {}
        }
        self.tell(core, Event::StarterLost { another });
        self.give_up_if_hopeless();
    }

    /// The pool takes no more tasks.
    pub(crate) fn close(&mut self, core: &Core) {
        if self.phase == PoolPhase::Open {
            self.tell(core, Event::Close);
            self.note_change(core);
            trace::closing(core);
        }
    }

    /// A process broke the protocol, and is killed.
    pub(super) fn doom(&mut self, core: &Core, index: usize) {
        for action in self.life.on(Event::Doom(index)) {
            if let Action::Kill(seat) = action {
                self.signal(core, seat, Signal::Kill);
            }
        }
    }

    /// When the pool closes and everything is done, the workers are told to end.
    pub(super) fn end_if_drained(&mut self, core: &Core) {
        // A pill that overtook a task sent back by another's death would lose it: pills go out
        // when nothing is in flight any more.
        let drained = self.phase == PoolPhase::Closing
            && self.pending.is_empty()
            && self.seats.iter().all(|seat| seat.in_flight.is_empty());
        let is_settled = |phase| {
            matches!(
                phase,
                SeatPhase::Starting | SeatPhase::Ending | SeatPhase::Gone
            )
        };
        if drained && !self.seats.iter().all(|seat| is_settled(seat.phase)) {
            self.tell(core, Event::Drained);
        }
    }

    /// Whether messages were finished since the seat's budget was last used up, or others are at
    /// some now.
    pub(super) fn gets_on(&self, index: usize) -> bool {
        let is_at_one = |seat: &Seat| {
            seat.index != index && seat.phase == SeatPhase::Up && !seat.in_flight.is_empty()
        };
        self.seats[index].finished_before != self.finished || self.seats.iter().any(is_at_one)
    }

    /// Starts workers again that were not needed, when there is work for them.
    #[inline]
    pub(super) fn call_up(&mut self, core: &Core) {
        self.call_up_if_worth(core, WORTH_STARTING_NS);
    }

    /// The same, when as much work as `worth_ns` is to be had by each.
    #[inline]
    pub(super) fn call_up_if_worth(&mut self, core: &Core, worth_ns: u64) {
        if self.life.dormant() > 0 {
            self.call_up_for_work(core, worth_ns);
        }
    }

    #[cold]
    fn call_up_for_work(&mut self, core: &Core, worth_ns: u64) {
        let in_flight: usize = self.seats.iter().map(|seat| seat.in_flight.len()).sum();
        let messages = in_flight + self.pending.len();
        let workers = match self.mean_ns() {
            0 => messages,
            mean => {
                let work = mean.saturating_mul(messages as u64);
                messages.min(work.div_ceil(worth_ns.max(1)) as usize)
            }
        };
        if workers > 0 {
            self.tell(core, Event::Wanted(workers));
        }
    }

    /// Retires workers that have had nothing to do for long; says when to look again.
    fn retire_idle(&mut self, core: &Core, now: Instant) -> Option<Instant> {
        let limit = core.options.lifecycle.idle_timeout?;
        if !self.is_built || self.phase == PoolPhase::Aborted || self.life.spare() == 0 {
            return None;
        }
        let mut next = after(limit / 4);
        for index in 0..self.seats.len() {
            let seat = &mut self.seats[index];
            let (taken, since) = seat.idle;
            if seat.phase != SeatPhase::Up || !seat.in_flight.is_empty() || taken != seat.taken {
                seat.idle = (seat.taken, None);
            }
            if seat.phase != SeatPhase::Up || !seat.in_flight.is_empty() {
                continue;
            }
            let since = since.filter(|_| taken == seat.taken).unwrap_or(now);
            seat.idle.1 = Some(since);
            let due = since.checked_add(limit).unwrap_or(next);
            // With work about, one that has none will have.
            if due <= now && self.pending.is_empty() {
                self.tell(core, Event::Idle(index));
            } else {
                next = next.min(due);
            }
        }
        (self.life.spare() > 0).then_some(next)
    }

    /// A worker that has had its share of tasks, or has grown too large, is replaced; one that is
    /// to be, as soon as it has nothing left.
    #[inline]
    pub(super) fn turn_over(&mut self, core: &Core, index: usize) {
        let seat = &self.seats[index];
        match seat.phase {
            SeatPhase::Up if core.options.lifecycle.recycles() => {
                let busy = !seat.in_flight.is_empty();
                let is_spent = seat.allowance == 0 && !busy;
                if is_spent || core.has_outgrown(index) {
                    self.tell(core, Event::Recycle { seat: index, busy });
                    self.take_over(core, index);
                }
            }
            SeatPhase::Retiring if seat.in_flight.is_empty() => {
                self.tell(core, Event::Emptied(index));
            }
            _ => {}
        }
    }

    /// A worker that may be sent no more, and has nothing in flight, is replaced.
    pub(super) fn replace_if_spent(&mut self, core: &Core, index: usize) {
        let seat = &self.seats[index];
        if seat.allowance == 0 && seat.in_flight.is_empty() {
            let busy = false;
            self.tell(core, Event::Recycle { seat: index, busy });
        }
    }

    /// What a worker that is retiring has not begun is for others to do.
    #[cold]
    fn take_over(&mut self, core: &Core, index: usize) {
        let most = self.seats[index].in_flight.len();
        for ready in self.recall(core, index, most).into_iter().rev() {
            self.pending.push_front(ready);
        }
    }

    /// Sends every worker process a signal.
    pub(crate) fn signal_all(&self, core: &Core, signal: Signal) {
        for index in 0..self.seats.len() {
            self.signal(core, index, signal);
        }
    }

    pub(super) fn signal(&self, core: &Core, index: usize, signal: Signal) {
        let Some(pid) = self.seats[index].own_pid() else {
            return;
        };
        if let Err(error) = kill(pid, signal) {
            trace::not_signalled(core, &self.seats[index], signal, &error);
        }
    }
}

impl Core {
    /// Whether a worker says that it has grown by more than it may.
    fn has_outgrown(&self, index: usize) -> bool {
        let most = self.options.lifecycle.recycle_after_growth;
        let grown = &self.control.page(index).vitals.grown_bytes;
        most.is_some_and(|most| grown.load(Ordering::Relaxed) > most)
    }
}
