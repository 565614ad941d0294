//! The machine itself.

use super::budget::Budget;
use super::seat::{Insistence, NOBODY, Next, Seat};
use super::{Action, Event, PoolPhase, Rules, SeatPhase, Wait, Yield};

/// All seats of a pool. See the module above.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Life {
    pool: PoolPhase,
    seats: Vec<Seat>,
    budget: Budget,
    least_workers: usize,
    /// Nothing is left that could start a process.
    is_barren: bool,
    dormant: usize,
}

type Out = Vec<Action>;

impl Life {
    /// Vacant seats.
    pub(crate) fn new(seats: usize, rules: Rules) -> Self {
        Self {
            pool: PoolPhase::Open,
            seats: vec![NOBODY; seats],
            budget: Budget::new(rules.most_failures),
            least_workers: rules.least_workers,
            is_barren: false,
            dormant: 0,
        }
    }

    pub(crate) fn pool(&self) -> PoolPhase {
        self.pool
    }

    pub(crate) fn phase(&self, seat: usize) -> SeatPhase {
        self.seats[seat].phase
    }

    /// Every process was ended by other means, and none will be started.
    pub(crate) fn end(&mut self) {
        self.pool = PoolPhase::Aborted;
        self.dormant = 0;
        for seat in &mut self.seats {
            *seat = Seat {
                phase: SeatPhase::Gone,
                ..NOBODY
            };
        }
    }

    /// How many seats wait for work.
    pub(crate) fn dormant(&self) -> usize {
        self.dormant
    }

    /// How many seats more than must stay have, or will have, a worker that takes tasks.
    pub(crate) fn spare(&self) -> usize {
        self.staffed().saturating_sub(self.least_workers)
    }

    /// What is to be done about an event, in this order. An event that makes no sense where its
    /// seat is (it came late) leads to nothing.
    pub(crate) fn on(&mut self, event: Event) -> Vec<Action> {
        let mut out = Out::new();
        match event {
            Event::Ask => self.ask(&mut out),
            Event::Born(seat) => self.born(seat, &mut out),
            Event::Ready(seat) => self.ready(seat, &mut out),
            Event::NotStarted { seat, getting_on } => self.not_started(seat, getting_on, &mut out),
            Event::Exited {
                seat,
                had,
                waiting,
                getting_on,
            } => self.exited(seat, had, waiting, getting_on, &mut out),
            Event::Doom(seat) => self.doom(seat, &mut out),
            Event::Recycle { seat, busy } => self.retire(seat, busy, Next::Refill, &mut out),
            Event::Idle(seat) if self.staffed() > self.least_workers => {
                self.retire(seat, false, Next::Sleep, &mut out);
            }
            Event::Idle(_) => {}
            Event::Emptied(seat) if self.seats[seat].phase == SeatPhase::Retiring => {
                self.send_off(seat, &mut out);
            }
            Event::Emptied(_) => {}
            Event::Wanted(workers) => self.wanted(workers, &mut out),
            Event::Close if self.pool == PoolPhase::Open => self.pool = PoolPhase::Closing,
            Event::Close => {}
            Event::Drained if self.pool == PoolPhase::Closing => self.drained(&mut out),
            Event::Drained => {}
            Event::Abort => self.abort(&mut out),
            Event::Due(seat) => self.due(seat, &mut out),
            Event::StarterLost { another } => self.starter_lost(another, &mut out),
        }
        let is_dormant = |seat: &&Seat| seat.phase == SeatPhase::Dormant;
        self.dormant = self.seats.iter().filter(is_dormant).count();
        out
    }

    /// Seats that have, or will have without being asked, a worker that takes tasks.
    fn staffed(&self) -> usize {
        let staffed = |seat: &&Seat| {
            matches!(
                seat.phase,
                SeatPhase::Vacant | SeatPhase::Starting | SeatPhase::Up
            )
        };
        self.seats.iter().filter(staffed).count()
    }

    fn ask(&mut self, out: &mut Out) {
        let is_vacant = |seat: &Seat| seat.phase == SeatPhase::Vacant;
        while let Some(index) = self.seats.iter().position(is_vacant) {
            let seat = &mut self.seats[index];
            if self.budget.is_spent() {
                // Other seats have used it up, and nothing was started since.
                self.free(index, SeatPhase::Gone, out);
                continue;
            }
            seat.phase = SeatPhase::Starting;
            out.extend([Action::Timer(index, Wait::Start), Action::Start(index)]);
            return;
        }
    }

    fn born(&mut self, index: usize, out: &mut Out) {
        let seat = &mut self.seats[index];
        if !seat.phase.is_occupied() || seat.is_born {
            return;
        }
        seat.is_born = true;
        let is_ending = seat.phase == SeatPhase::Ending;
        // One that is to end before it was ready has nothing that it could finish.
        if seat.is_doomed || is_ending && !seat.is_ready {
            seat.is_doomed = true;
            out.push(Action::Kill(index));
        } else if is_ending {
            // What it would have been sent by now.
            match seat.insistence {
                Insistence::Told => {}
                Insistence::Termed => out.push(Action::Term(index)),
                Insistence::Killed => out.push(Action::Kill(index)),
            }
        }
    }

    fn ready(&mut self, index: usize, out: &mut Out) {
        let seat = &mut self.seats[index];
        // A doomed one is being killed: too late, or it wrote what it must not.
        if seat.phase == SeatPhase::Starting && !seat.is_doomed {
            seat.phase = SeatPhase::Up;
            seat.is_ready = true;
            self.budget.start_succeeded();
            out.push(Action::NoTimer(index));
        }
    }

    fn not_started(&mut self, index: usize, getting_on: bool, out: &mut Out) {
        match self.seats[index].phase {
            SeatPhase::Starting => self.start_failed(index, true, getting_on, out),
            SeatPhase::Ending => self.free(index, SeatPhase::Gone, out),
            _ => {}
        }
    }

    fn exited(&mut self, index: usize, had: Yield, waiting: bool, getting_on: bool, out: &mut Out) {
        let seat = &mut self.seats[index];
        if had == Yield::Results && seat.phase.is_occupied() && seat.phase != SeatPhase::Starting {
            // It was started, and was of use: who comes after it has a budget of its own, even
            // if others had used theirs up meanwhile.
            self.budget.rested();
        }
        match seat.phase {
            SeatPhase::Starting => self.start_failed(index, waiting, getting_on, out),
            SeatPhase::Up | SeatPhase::Retiring => {
                match had {
                    Yield::Nothing => seat.fruitless += 1,
                    Yield::Begun => {}
                    Yield::Results => seat.fruitless = 0,
                }
                if seat.fruitless >= self.budget.most() {
                    self.give_up(index, getting_on, out);
                } else {
                    self.refill(index, waiting, out);
                }
            }
            SeatPhase::Ending => {
                if had == Yield::Results {
                    seat.fruitless = 0;
                }
                let next = seat.next;
                match next {
                    Next::Sleep if self.can_start() => self.free(index, SeatPhase::Dormant, out),
                    Next::Sleep | Next::Refill => self.refill(index, waiting, out),
                }
            }
            SeatPhase::Vacant | SeatPhase::Resting | SeatPhase::Dormant | SeatPhase::Gone => {}
        }
    }

    fn doom(&mut self, index: usize, out: &mut Out) {
        let seat = &mut self.seats[index];
        if seat.phase.is_occupied() && !seat.is_doomed {
            seat.is_doomed = true;
            if seat.is_born {
                out.push(Action::Kill(index));
            }
        }
    }

    fn retire(&mut self, index: usize, busy: bool, next: Next, out: &mut Out) {
        let seat = &mut self.seats[index];
        if seat.phase != SeatPhase::Up || seat.is_doomed {
            return;
        }
        seat.next = next;
        if busy {
            seat.phase = SeatPhase::Retiring;
        } else {
            self.send_off(index, out);
        }
    }

    /// Tells a worker that has nothing in flight to end.
    fn send_off(&mut self, index: usize, out: &mut Out) {
        let seat = &mut self.seats[index];
        seat.phase = SeatPhase::Ending;
        seat.insistence = Insistence::Told;
        out.extend([Action::Timer(index, Wait::Leave), Action::Pill(index)]);
    }

    fn wanted(&mut self, workers: usize, out: &mut Out) {
        if self.pool == PoolPhase::Aborted {
            return;
        }
        let missing = workers.saturating_sub(self.staffed());
        let dormant = |seat: &&mut Seat| seat.phase == SeatPhase::Dormant;
        for seat in self.seats.iter_mut().filter(dormant).take(missing) {
            seat.phase = SeatPhase::Vacant;
            out.push(Action::WakeStarter);
        }
    }

    fn drained(&mut self, out: &mut Out) {
        for index in 0..self.seats.len() {
            match self.seats[index].phase {
                SeatPhase::Vacant | SeatPhase::Resting | SeatPhase::Dormant => {
                    self.free(index, SeatPhase::Gone, out);
                }
                SeatPhase::Up | SeatPhase::Retiring => self.send_off(index, out),
                // One that is starting is waited for: it has a deadline.
                SeatPhase::Starting | SeatPhase::Ending | SeatPhase::Gone => {}
            }
        }
    }

    fn abort(&mut self, out: &mut Out) {
        self.pool = PoolPhase::Aborted;
        for index in 0..self.seats.len() {
            let seat = &mut self.seats[index];
            match seat.phase {
                SeatPhase::Vacant | SeatPhase::Resting | SeatPhase::Dormant => {
                    self.free(index, SeatPhase::Gone, out);
                }
                SeatPhase::Starting | SeatPhase::Up | SeatPhase::Retiring => {
                    seat.phase = SeatPhase::Ending;
                    seat.insistence = Insistence::Told;
                    out.extend([Action::Timer(index, Wait::Grace), Action::Dismiss(index)]);
                }
                SeatPhase::Ending if seat.insistence == Insistence::Told => {
                    out.push(Action::Timer(index, Wait::Grace));
                }
                SeatPhase::Ending | SeatPhase::Gone => {}
            }
        }
    }

    fn due(&mut self, index: usize, out: &mut Out) {
        let seat = &mut self.seats[index];
        match seat.phase {
            SeatPhase::Starting => {
                seat.is_doomed = true;
                out.push(if seat.is_born {
                    Action::Kill(index)
                } else {
                    Action::KillStarter
                });
            }
            SeatPhase::Resting => self.free(index, SeatPhase::Vacant, out),
            SeatPhase::Ending => {
                seat.insistence = match seat.insistence {
                    Insistence::Told => Insistence::Termed,
                    Insistence::Termed | Insistence::Killed => Insistence::Killed,
                };
                match (seat.insistence, seat.is_born) {
                    (Insistence::Killed, true) => out.push(Action::Kill(index)),
                    (Insistence::Killed, false) => out.push(Action::KillStarter),
                    (_, true) => out.push(Action::Term(index)),
                    (_, false) => {}
                }
                out.push(Action::Timer(index, Wait::Signalled));
            }
            SeatPhase::Vacant
            | SeatPhase::Dormant
            | SeatPhase::Up
            | SeatPhase::Retiring
            | SeatPhase::Gone => {}
        }
    }

    fn starter_lost(&mut self, another: bool, out: &mut Out) {
        let spent = self.budget.starter_lost();
        self.is_barren |= spent || !another;
        for index in 0..self.seats.len() {
            let seat = &self.seats[index];
            let unborn = seat.phase.is_occupied() && !seat.is_born;
            match seat.phase {
                // Nobody has answered for it in time, which is its own failure as well.
                SeatPhase::Starting if unborn && seat.is_doomed => {
                    self.start_failed(index, true, false, out);
                }
                SeatPhase::Starting if unborn => self.refill(index, true, out),
                SeatPhase::Ending if unborn => self.free(index, SeatPhase::Gone, out),
                SeatPhase::Vacant | SeatPhase::Resting | SeatPhase::Dormant if self.is_barren => {
                    self.free(index, SeatPhase::Gone, out);
                }
                _ => {}
            }
        }
    }

    fn can_start(&self) -> bool {
        self.pool != PoolPhase::Aborted && !self.is_barren
    }

    /// A process was not to be had, or ended before it was ready.
    fn start_failed(&mut self, index: usize, waiting: bool, getting_on: bool, out: &mut Out) {
        if self.budget.start_failed() {
            self.give_up(index, getting_on, out);
        } else {
            self.refill(index, waiting, out);
        }
    }

    /// What becomes of a seat whose process is gone, within the budget.
    fn refill(&mut self, index: usize, waiting: bool, out: &mut Out) {
        let phase = match self.pool {
            _ if !self.can_start() => SeatPhase::Gone,
            PoolPhase::Closing if !waiting => SeatPhase::Dormant,
            _ => SeatPhase::Vacant,
        };
        self.free(index, phase, out);
    }

    /// A seat's budget is used up. If the pool has finished messages since that was last so, it is
    /// no crash loop, or not one that is anybody else's: the seat rests, and is tried again with a
    /// new budget. Who kills workers from outside, or a machine short of memory, cannot end a
    /// pool that works.
    fn give_up(&mut self, index: usize, getting_on: bool, out: &mut Out) {
        if getting_on && self.can_start() {
            self.budget.rested();
            self.seats[index].fruitless = 0;
            self.free(index, SeatPhase::Resting, out);
        } else {
            self.free(index, SeatPhase::Gone, out);
        }
    }

    /// The seat has no process.
    fn free(&mut self, index: usize, phase: SeatPhase, out: &mut Out) {
        self.seats[index] = Seat {
            phase,
            fruitless: self.seats[index].fruitless,
            ..NOBODY
        };
        out.push(match phase {
            SeatPhase::Resting => Action::Timer(index, Wait::Rest),
            _ => Action::NoTimer(index),
        });
        out.push(match phase {
            SeatPhase::Vacant => Action::WakeStarter,
            _ => Action::TakeBack(index),
        });
    }
}
