//! From every state, the pool comes to its end, and gets back to work.

use super::*;

/// More turns than any way to an end takes here.
const MANY: usize = 60;

/// How processes behave on the way to an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// They do what they are told.
    Polite,
    /// They do nothing, and end only when they are killed.
    Deaf,
    /// Each dies as soon as it can.
    Frail,
}

impl World {
    /// One turn of what a driver and processes of that manner do by themselves.
    fn turn(&mut self, manner: Manner) {
        self.step(Event::Ask);
        for seat in self.seats() {
            let exit = Event::Exited {
                seat,
                had: Yield::Begun,
                waiting: false,
                getting_on: true,
            };
            match (self.processes[seat], manner) {
                (Process::None, _) => {}
                (Process::Unborn { is_ready: true, .. }, _) => self.step(Event::Born(seat)),
                (Process::Unborn { .. }, Manner::Deaf) if self.starter_killed => {
                    let is_unheard = |process: &Process| {
                        matches!(process, Process::Unborn { is_ready: true, .. })
                    };
                    for other in self.seats() {
                        if is_unheard(&self.processes[other]) {
                            self.step(Event::Born(other));
                        }
                    }
                    self.step(Event::StarterLost { another: true });
                }
                (Process::Unborn { .. }, Manner::Deaf) => {}
                (Process::Unborn { .. }, _) => self.step(Event::Born(seat)),
                (
                    Process::Alive {
                        is_killed: true, ..
                    },
                    _,
                ) => self.step(exit),
                (Process::Alive { is_told: true, .. }, Manner::Polite) => self.step(exit),
                (
                    Process::Alive {
                        is_ready: false, ..
                    },
                    Manner::Polite,
                ) => {
                    self.step(Event::Ready(seat));
                }
                (Process::Alive { .. }, Manner::Frail) => self.step(exit),
                (Process::Alive { .. }, _) => {}
            }
            let is_deaf = manner == Manner::Deaf || self.life.phase(seat) == SeatPhase::Resting;
            if is_deaf && self.timers[seat].is_some() {
                self.step(Event::Due(seat));
            }
        }
    }

    /// From here an abort ends the pool, and so does closing it when there is no work.
    pub(super) fn comes_to_an_end(&self) {
        for manner in [Manner::Polite, Manner::Deaf, Manner::Frail] {
            for order in [Event::Abort, Event::Close] {
                let mut world = self.clone();
                world.step(order);
                for _ in 0..MANY {
                    world.turn(manner);
                    world.step(Event::Drained);
                    if world.all_gone() {
                        break;
                    }
                }
                assert!(
                    world.all_gone(),
                    "{manner:?}, {order:?}: from {self:#?}\nonly to {world:#?}"
                );
            }
        }
    }

    /// From here, when there is work for all and processes behave, every seat that is not given
    /// up comes to have a worker.
    pub(super) fn comes_to_work(&self) {
        if self.life.pool() == PoolPhase::Aborted {
            return;
        }
        let is_settled = |world: &Self| {
            world
                .seats()
                .all(|seat| matches!(world.life.phase(seat), SeatPhase::Up | SeatPhase::Gone))
        };
        let mut world = self.clone();
        for _ in 0..MANY {
            world.step(Event::Wanted(world.processes.len()));
            world.turn(Manner::Polite);
            for seat in world.seats() {
                world.step(Event::Emptied(seat));
            }
            if is_settled(&world) {
                break;
            }
        }
        assert!(
            is_settled(&world),
            "no work is done: from {self:#?}\nonly to {world:#?}"
        );
    }
}
