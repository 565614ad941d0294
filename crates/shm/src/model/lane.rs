//! Both ends of a lane, with the doorbell, as the supervisor and a worker drive them.

use core::ptr::NonNull;

use loom::sync::Arc;
use loom::thread;

use super::explore;
use super::futex::Futex;
use crate::lane::state::{Finished, Published, Seen, Sleep, Watch};
use crate::lane::{Arrival, INLINE_BYTES, Message, Slot, SupervisorLane, WorkerLane};
use crate::steps::armed::die_at;
use crate::sync::{AtomicU32, Ordering};
use crate::{Doorbell, Park};

/// The task that asks the worker to end.
const PILL: u64 = 0;

/// What the two share.
struct Shared {
    slots: Box<[Slot]>,
    bell: Doorbell,
    reaped: AtomicU32,
    futex: Futex,
}

impl Shared {
    fn new(slots: usize) -> Arc<Self> {
        Arc::new(Self {
            slots: (0..slots).map(|_| Slot::new()).collect(),
            bell: Doorbell::new(),
            reaped: AtomicU32::new(0),
            futex: Futex::default(),
        })
    }

    fn slots(&self) -> NonNull<Slot> {
        NonNull::from(&*self.slots).cast()
    }

    fn supervisor(&self) -> Supervisor<'_> {
        // SAFETY: each model has one of each end, and neither outlives the slots.
        let lane = unsafe { SupervisorLane::new(self.slots(), self.slots.len()) };
        Supervisor { shared: self, lane }
    }

    fn worker(&self) -> Worker<'_> {
        // SAFETY: as above.
        let lane = unsafe { WorkerLane::new(self.slots(), self.slots.len()) };
        Worker { shared: self, lane }
    }
}

struct Supervisor<'a> {
    shared: &'a Shared,
    lane: SupervisorLane,
}

impl Supervisor<'_> {
    /// Publishes a task and wakes the worker if it is owed a wake.
    fn send(&mut self, task: u64) {
        let position = self.lane.head();
        let published = self.lane.push(|bytes| {
            bytes[0] = task as u8;
            Ok::<_, ()>(message(task))
        });
        if published.expect("nothing fails to be filled in") == Published::WakeIt {
            self.shared.futex.unpark(self.lane.state(position).0);
        }
    }

    /// Listens, looks, watches, and sleeps at the bell, until a result is there.
    fn receive(&mut self) -> u64 {
        loop {
            let heard = self.shared.bell.listen();
            if let Some(task) = self.take() {
                return task;
            }
            match self.lane.watch(self.lane.tail()) {
                Watch::Watching => self.shared.bell.sleep(&self.shared.futex, heard, None),
                Watch::Done => {}
                Watch::Corrupt(raw) => panic!("corrupt: {raw:#x}"),
            }
        }
    }

    fn take(&mut self) -> Option<u64> {
        let mut bytes = [0; INLINE_BYTES];
        match self.lane.take(&mut bytes) {
            Arrival::Result(message) => {
                assert_eq!(message.items, 2, "a result, not its task");
                assert_eq!(u64::from(bytes[0]), message.entry + 100, "seen whole");
                Some(message.entry)
            }
            Arrival::Nothing => None,
            other => panic!("{other:?}"),
        }
    }

    fn retract(&mut self) -> Option<u64> {
        let mut bytes = [0; INLINE_BYTES];
        let message = self.lane.retract(&mut bytes)?;
        assert_eq!(u64::from(bytes[0]), message.entry, "as it was published");
        Some(message.entry)
    }
}

struct Worker<'a> {
    shared: &'a Shared,
    lane: WorkerLane,
}

impl Worker<'_> {
    /// Works until the pill; returns the tasks done.
    fn serve(&mut self) -> Vec<u64> {
        let mut done = Vec::new();
        loop {
            while let Sleep::Park(seen) = self.lane.sleep() {
                self.shared.futex.park(self.lane.word(), seen, None);
            }
            let Some((task, bytes)) = self.lane.start() else {
                continue;
            };
            assert_eq!(u64::from(bytes[0]), task.entry, "seen whole");
            if task.entry == PILL {
                return done;
            }
            bytes[0] += 100;
            let result = Message { items: 2, ..task };
            if self.lane.finish(result) == Finished::Ring {
                self.shared.bell.ring(&self.shared.futex);
            }
            done.push(task.entry);
        }
    }
}

fn message(entry: u64) -> Message {
    Message {
        entry,
        items: 1,
        len: 1,
        ..Message::default()
    }
}

/// The worker sleeps on a slot whose result the supervisor is still taking.
#[test]
fn lane_of_one_slot_loses_no_wake() {
    explore(4, || {
        let shared = Shared::new(1);
        let at_worker = Arc::clone(&shared);
        let worker = thread::spawn(move || at_worker.worker().serve());
        let mut supervisor = shared.supervisor();
        for task in 1..=2 {
            supervisor.send(task);
            assert_eq!(supervisor.receive(), task);
        }
        supervisor.send(PILL);
        assert_eq!(worker.join().expect("no panic"), [1, 2]);
    });
}

#[test]
fn lane_of_two_slots_loses_no_wake() {
    explore(2, || {
        let shared = Shared::new(2);
        let at_worker = Arc::clone(&shared);
        let worker = thread::spawn(move || at_worker.worker().serve());
        let mut supervisor = shared.supervisor();
        supervisor.send(1);
        supervisor.send(2);
        assert_eq!(supervisor.receive(), 1);
        supervisor.send(3);
        assert_eq!(supervisor.receive(), 2);
        assert_eq!(supervisor.receive(), 3);
        supervisor.send(PILL);
        assert_eq!(worker.join().expect("no panic"), [1, 2, 3]);
    });
}

/// A task taken back is not begun, one begun is not taken back, and the slot goes on.
#[test]
fn lane_a_task_is_taken_back_or_begun() {
    explore(4, || {
        let shared = Shared::new(1);
        let at_worker = Arc::clone(&shared);
        let worker = thread::spawn(move || at_worker.worker().serve());
        let mut supervisor = shared.supervisor();
        supervisor.send(1);
        let done: &[u64] = match supervisor.retract() {
            Some(task) => {
                assert_eq!(task, 1);
                &[]
            }
            None => {
                assert_eq!(supervisor.receive(), 1);
                &[1]
            }
        };
        supervisor.send(PILL);
        assert_eq!(worker.join().expect("no panic"), done);
    });
}

/// The same with a task before it, which is watched, and another in its place after it.
#[test]
fn lane_the_youngest_is_taken_back_and_replaced() {
    explore(3, || {
        let shared = Shared::new(2);
        let at_worker = Arc::clone(&shared);
        let worker = thread::spawn(move || at_worker.worker().serve());
        let mut supervisor = shared.supervisor();
        supervisor.send(1);
        supervisor.send(2);
        let second = match supervisor.retract() {
            Some(_) => {
                supervisor.send(3);
                3
            }
            None => 2,
        };
        assert_eq!(supervisor.receive(), 1);
        assert_eq!(supervisor.receive(), second);
        supervisor.send(PILL);
        assert_eq!(worker.join().expect("no panic"), [1, second]);
    });
}

/// The worker dies at a step. The supervisor learns of it although it sleeps, and every
/// task is accounted for: its result is there, or it was running, or it was not begun.
#[test]
fn lane_of_a_dead_worker_tells_what_was_running() {
    for at in 0..10 {
        explore(3, move || {
            let shared = Shared::new(2);
            let at_worker = Arc::clone(&shared);
            let worker = thread::spawn(move || {
                let survived = die_at(at, || at_worker.worker().serve()).is_some();
                // Here the kernel tells the reaper.
                at_worker.reaped.store(1, Ordering::Release);
                at_worker.bell.ring(&at_worker.futex);
                survived
            });
            let mut supervisor = shared.supervisor();
            supervisor.send(1);
            supervisor.send(2);
            let mut taken = 0;
            loop {
                let heard = shared.bell.listen();
                let reaped = shared.reaped.load(Ordering::Acquire) == 1;
                while let Some(task) = supervisor.take() {
                    taken += 1;
                    assert_eq!(task, taken);
                }
                if reaped || taken == 2 {
                    break;
                }
                let oldest = supervisor.lane.tail();
                if supervisor.lane.watch(oldest) == Watch::Watching {
                    shared.bell.sleep(&shared.futex, heard, None);
                }
            }
            let lane = &supervisor.lane;
            let rest: Vec<_> = (lane.tail()..lane.head()).map(|at| lane.see(at)).collect();
            match rest[..] {
                [] => supervisor.send(PILL),
                [Seen::Running | Seen::Ready] | [Seen::Running | Seen::Ready, Seen::Ready] => {
                    for position in lane.tail()..lane.head() {
                        let mut bytes = [0; INLINE_BYTES];
                        let unbegun = lane.see(position) == Seen::Ready;
                        let task = lane.copy_task(position, &mut bytes).expect("valid");
                        assert!(
                            !unbegun
                                || (task, bytes[0]) == (message(position + 1), task.entry as u8)
                        );
                    }
                }
                _ => panic!("{rest:?}"),
            }
            let survived = worker.join().expect("no panic");
            assert!(!survived || taken == 2);
        });
    }
}
