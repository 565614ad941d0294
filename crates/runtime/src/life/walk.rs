//! Walks through every order of events, for small pools, with processes and a zygote that may
//! do at any moment whatever such can do, and checks after each step what must hold always;
//! and from every state, that the pool comes to its end, and gets back to work.

use std::collections::{HashSet, VecDeque};

use super::*;

mod ends;

/// The budget in the walk.
const MOST: u32 = 2;
/// A process as the world has it, beside what the machine believes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Process {
    None,
    /// Asked for; it may exist by now, and even be ready, but its zygote has not said so.
    Unborn {
        is_ready: bool,
        is_told: bool,
    },
    Alive {
        is_ready: bool,
        is_told: bool,
        is_killed: bool,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    life: Life,
    processes: Vec<Process>,
    timers: Vec<Option<Wait>>,
    /// The zygote was sent SIGKILL.
    starter_killed: bool,
    /// There is no zygote, and none will be.
    is_barren: bool,
    /// What the budget is about, counted once more.
    failed: u32,
    fruitless: Vec<u32>,
}

impl World {
    fn new(seats: usize, least_workers: usize) -> Self {
        let rules = Rules {
            most_failures: MOST,
            least_workers,
        };
        Self {
            life: Life::new(seats, rules),
            processes: vec![Process::None; seats],
            timers: vec![None; seats],
            starter_killed: false,
            is_barren: false,
            failed: 0,
            fruitless: vec![0; seats],
        }
    }

    fn seats(&self) -> std::ops::Range<usize> {
        0..self.processes.len()
    }

    fn all_gone(&self) -> bool {
        self.seats()
            .all(|seat| self.life.phase(seat) == SeatPhase::Gone)
    }

    /// Everything that may happen next.
    fn events(&self) -> Vec<Event> {
        let mut events = vec![Event::Ask, Event::Close, Event::Drained, Event::Abort];
        events.extend((0..=self.processes.len()).map(Event::Wanted));
        let is_unheard =
            |process: &Process| matches!(process, Process::Unborn { is_ready: true, .. });
        if !self.processes.iter().any(is_unheard) {
            // What the zygote has said before its end is heard before.
            events.extend([true, false].map(|another| Event::StarterLost { another }));
        }
        for seat in self.seats() {
            events.extend([Event::Doom(seat), Event::Idle(seat), Event::Emptied(seat)]);
            events.extend([true, false].map(|busy| Event::Recycle { seat, busy }));
            if self.timers[seat].is_some() {
                events.push(Event::Due(seat));
            }
            match self.processes[seat] {
                Process::None => {}
                // It is ready only after its zygote has said that it exists, heard or not.
                Process::Unborn { is_ready: true, .. } => {
                    events.extend([Event::Born(seat), Event::Ready(seat)]);
                }
                Process::Unborn { .. } => {
                    events.extend([Event::Born(seat), Event::Ready(seat)]);
                    events.extend(
                        [true, false].map(|getting_on| Event::NotStarted { seat, getting_on }),
                    );
                }
                // It may die at any time; a signal may come late, and be overtaken by its word.
                Process::Alive { .. } => {
                    events.push(Event::Ready(seat));
                    events.extend(Self::ends(seat));
                }
            }
        }
        events
    }

    fn ends(seat: usize) -> impl Iterator<Item = Event> {
        let yields = [Yield::Nothing, Yield::Begun, Yield::Results];
        yields.into_iter().flat_map(move |had| {
            [(true, true), (true, false), (false, true), (false, false)].map(
                |(waiting, getting_on)| Event::Exited {
                    seat,
                    had,
                    waiting,
                    getting_on,
                },
            )
        })
    }

    /// The world after an event, with all actions done.
    fn step(&mut self, event: Event) {
        let before = self.clone();
        let was: Vec<_> = self.seats().map(|seat| self.life.phase(seat)).collect();
        self.happen(event);
        let actions = self.life.on(event);
        self.count(event, &was, &actions);
        for action in &actions {
            self.perform(*action, &before, event);
        }
        self.check(&before, event, &was);
    }

    /// What the event says of the world.
    fn happen(&mut self, event: Event) {
        match event {
            Event::Born(seat) => {
                let Process::Unborn { is_ready, is_told } = self.processes[seat] else {
                    unreachable!("born twice");
                };
                self.processes[seat] = Process::Alive {
                    is_ready,
                    is_told,
                    is_killed: false,
                };
            }
            Event::Ready(seat) => match &mut self.processes[seat] {
                Process::Alive { is_ready, .. } | Process::Unborn { is_ready, .. } => {
                    *is_ready = true;
                }
                Process::None => unreachable!("nobody to say so"),
            },
            Event::NotStarted { seat, .. } | Event::Exited { seat, .. } => {
                self.processes[seat] = Process::None;
            }
            Event::Due(seat) => self.timers[seat] = None,
            Event::StarterLost { another } => {
                self.starter_killed = false;
                self.is_barren |= !another;
                for process in &mut self.processes {
                    if matches!(process, Process::Unborn { .. }) {
                        *process = Process::None;
                    }
                }
            }
            _ => {}
        }
    }

    /// Counts what the budget is about.
    fn count(&mut self, event: Event, was: &[SeatPhase], actions: &[Action]) {
        match event {
            Event::Ready(seat)
                if was[seat] == SeatPhase::Starting && self.life.phase(seat) == SeatPhase::Up =>
            {
                self.failed = 0;
            }
            Event::NotStarted { seat, .. } | Event::Exited { seat, .. }
                if was[seat] == SeatPhase::Starting =>
            {
                self.failed += 1;
            }
            Event::Exited { seat, had, .. } => match had {
                Yield::Nothing if was[seat].is_at_work() => self.fruitless[seat] += 1,
                Yield::Results if was[seat].is_occupied() => {
                    self.failed = 0;
                    self.fruitless[seat] = 0;
                }
                _ => {}
            },
            _ => {}
        }
        for action in actions {
            if let Action::Timer(seat, Wait::Rest) = action {
                self.failed = 0;
                self.fruitless[*seat] = 0;
            }
        }
    }

    fn perform(&mut self, action: Action, before: &Self, event: Event) {
        let told = |what: &str| format!("{what}: {event:?} in {before:#?}");
        match action {
            Action::Start(seat) => {
                assert_eq!(
                    self.processes[seat],
                    Process::None,
                    "{}",
                    told("two in a seat")
                );
                assert_ne!(
                    self.life.pool(),
                    PoolPhase::Aborted,
                    "{}",
                    told("start after abort")
                );
                assert!(!self.is_barren, "{}", told("start by nobody"));
                assert!(self.failed < MOST, "{}", told("beyond the budget"));
                assert!(
                    self.fruitless[seat] < MOST,
                    "{}",
                    told("beyond the seat's budget")
                );
                self.processes[seat] = Process::Unborn {
                    is_ready: false,
                    is_told: false,
                };
            }
            Action::Pill(seat) => match &mut self.processes[seat] {
                Process::Alive {
                    is_told, is_ready, ..
                }
                | Process::Unborn { is_told, is_ready } => {
                    assert!(!*is_told, "{}", told("two pills"));
                    assert!(*is_ready, "{}", told("a pill too early"));
                    *is_told = true;
                }
                Process::None => panic!("{}", told("a pill for nobody")),
            },
            Action::Dismiss(seat) => match &mut self.processes[seat] {
                Process::Alive { is_told, .. } | Process::Unborn { is_told, .. } => *is_told = true,
                Process::None => panic!("{}", told("nobody to dismiss")),
            },
            Action::Term(seat) | Action::Kill(seat) => match &mut self.processes[seat] {
                Process::Alive { is_killed, .. } => *is_killed |= action == Action::Kill(seat),
                Process::None | Process::Unborn { .. } => panic!("{}", told("a signal to nobody")),
            },
            Action::KillStarter => {
                let is_owed = |process: &Process| matches!(process, Process::Unborn { .. });
                assert!(
                    self.processes.iter().any(is_owed),
                    "{}",
                    told("a zygote killed that owes nothing")
                );
                self.starter_killed = true;
            }
            Action::Timer(seat, wait) => self.timers[seat] = Some(wait),
            Action::NoTimer(seat) => self.timers[seat] = None,
            Action::WakeStarter | Action::TakeBack(_) => {}
        }
    }

    /// What holds in every state.
    fn check(&self, before: &Self, event: Event, was: &[SeatPhase]) {
        let told = |what: &str| format!("{what}: {event:?} in {before:#?}\nled to {self:#?}");
        for seat in self.seats() {
            let (phase, process) = (self.life.phase(seat), self.processes[seat]);
            assert_eq!(
                phase.is_occupied(),
                process != Process::None,
                "{}",
                told("the machine is wrong about a process")
            );
            if was[seat] == SeatPhase::Gone {
                assert_eq!(phase, SeatPhase::Gone, "{}", told("back from nowhere"));
            }
            if self.life.pool() == PoolPhase::Aborted {
                let ends = matches!(phase, SeatPhase::Ending | SeatPhase::Gone);
                assert!(ends, "{}", told("it goes on after an abort"));
            }
            let killed = matches!(
                process,
                Process::Alive {
                    is_killed: true,
                    ..
                }
            );
            let wait = self.timers[seat];
            let has_way_out = match phase {
                SeatPhase::Starting => wait == Some(Wait::Start) || killed || self.starter_killed,
                SeatPhase::Ending => wait.is_some() && wait != Some(Wait::Start),
                SeatPhase::Resting => wait == Some(Wait::Rest),
                SeatPhase::Vacant
                | SeatPhase::Dormant
                | SeatPhase::Up
                | SeatPhase::Retiring
                | SeatPhase::Gone => wait.is_none(),
            };
            assert!(
                has_way_out,
                "{}",
                told("a timer is missing, or one too many")
            );
        }
    }
}

/// Visits all states of a pool that are at most `depth` events away; returns how many, and
/// whether there were no more.
fn walk(seats: usize, least_workers: usize, depth: usize) -> (usize, bool) {
    let start = World::new(seats, least_workers);
    let mut seen = HashSet::from([start.clone()]);
    let mut next = VecDeque::from([(start, 0)]);
    let mut is_whole = true;
    while let Some((world, distance)) = next.pop_front() {
        world.comes_to_an_end();
        world.comes_to_work();
        if distance == depth {
            is_whole = false;
            continue;
        }
        for event in world.events() {
            let mut after = world.clone();
            after.step(event);
            if !seen.contains(&after) {
                seen.insert(after.clone());
                next.push_back((after, distance + 1));
            }
        }
    }
    (seen.len(), is_whole)
}

#[test]
fn every_order_of_events_with_one_seat() {
    for least_workers in [0, 1] {
        let (states, is_whole) = walk(1, least_workers, usize::MAX);
        println!("{states} states");
        assert!(is_whole);
    }
}

#[test]
fn many_orders_of_events_with_two_seats() {
    let (states, _) = walk(2, 1, 7);
    println!("{states} states");
}

#[test]
#[ignore = "takes half a minute of CPU; run it alone, with --ignored"]
fn every_order_of_events_with_two_seats() {
    let (states, is_whole) = walk(2, 1, usize::MAX);
    println!("{states} states");
    assert!(is_whole);
}

#[test]
fn many_orders_of_events_with_three_seats() {
    let (states, _) = walk(3, 0, 5);
    println!("{states} states");
}
