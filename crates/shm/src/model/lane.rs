//! Both ends of a lane, with the doorbell, as the supervisor and a worker drive them.

use core::ptr::NonNull;

use loom::sync::Arc;
use loom::thread;

use super::explore;
use super::futex::Futex;
use crate::lane::state::{Finished, Published, Seen, Sleep, Watch};
use crate::lane::{INLINE_BYTES, Inline, LaneHead, Message, Slot, SupervisorLane, WorkerLane};
use crate::steps::armed::die_at;
use crate::sync::{AtomicU32, Ordering};
use crate::{Doorbell, Park};

/// The task that asks the worker to end.
const PILL: u64 = 0;

/// What the two share.
struct Shared {
    heads: [LaneHead; 2],
    slots: Box<[Slot]>,
    bell: Doorbell,
    reaped: AtomicU32,
    futex: Futex,
}

impl Shared {
    fn new(slots: usize) -> Arc<Self> {
        Arc::new(Self {
            heads: [LaneHead::new(), LaneHead::new()],
            slots: (0..slots).map(|_| Slot::new()).collect(),
            bell: Doorbell::new(),
            reaped: AtomicU32::new(0),
            futex: Futex::default(),
        })
    }

    fn head(&self, index: usize) -> NonNull<LaneHead> {
        NonNull::from(&self.heads[index])
    }

    /// The slots of lane `index`, when each has `count`.
    fn slots(&self, index: usize, count: usize) -> NonNull<Slot> {
        NonNull::from(&self.slots[index * count..][..count]).cast()
    }

    fn supervisor(&self) -> Supervisor<'_> {
        self.supervisor_at(0, self.slots.len())
    }

    fn supervisor_at(&self, index: usize, count: usize) -> Supervisor<'_> {
        // SAFETY: each model has one of each end, and neither outlives the slots.
        let lane =
            unsafe { SupervisorLane::new(self.head(index), self.slots(index, count), count) };
        Supervisor { shared: self, lane }
    }

    fn worker(&self) -> Worker<'_> {
        self.worker_at(0, self.slots.len())
    }

    fn worker_at(&self, index: usize, count: usize) -> Worker<'_> {
        // SAFETY: as above.
        let lane = unsafe { WorkerLane::new(self.head(index), self.slots(index, count), count) };
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
        self.send_all(&[task]);
    }

    fn send_all(&mut self, tasks: &[u64]) {
        let tasks = tasks.iter().map(|task| {
            let payload = Inline::new(&[*task as u8; INLINE_BYTES], 1);
            (message(*task), payload)
        });
        let tasks: Vec<_> = tasks.collect();
        let tasks = tasks.iter().map(|(message, payload)| (message, payload));
        let published = self.lane.push_all(tasks);
        self.wake(published);
    }

    fn wake(&self, published: Published) {
        if published == Published::WakeIt {
            self.shared.futex.unpark(self.lane.sleeper_word());
        }
    }

    /// Listens, looks, watches, and sleeps at the bell, until a result is there.
    fn receive(&mut self) -> u64 {
        loop {
            let heard = self.shared.bell.listen();
            if let Some(task) = self.take() {
                return task;
            }
            if self.is_watched() {
                self.shared.bell.sleep(&self.shared.futex, heard, None);
            }
        }
    }

    /// Asks for a ring when the oldest task is done, unless it is.
    fn is_watched(&self) -> bool {
        match self.lane.watch(self.lane.tail()).expect("sound") {
            Watch::Done => false,
            Watch::Watching(published) => {
                self.wake(published);
                true
            }
        }
    }

    fn take(&mut self) -> Option<u64> {
        let (mut message, mut payload) = (Message::default(), Inline::default());
        if !self.lane.take(&mut message, &mut payload).expect("sound") {
            return None;
        }
        assert_eq!(message.items, 2, "a result, not its task");
        let value = u64::from(payload.bytes()[0]);
        assert_eq!(value, message.entry + 100, "seen whole");
        Some(message.entry)
    }

    /// After the worker's death: the oldest may have been running, the others wait.
    fn account_for_the_rest(&self) {
        for position in self.lane.tail()..self.lane.head() {
            let (task, payload) = self.lane.copy_task(position).expect("valid");
            match self.lane.see(position) {
                Ok(Seen::Ready) => {
                    assert_eq!(task, message(position + 1), "as it was published");
                    assert_eq!(u64::from(payload.bytes()[0]), task.entry);
                }
                Ok(Seen::Running) => assert_eq!(position, self.lane.tail()),
                other => panic!("{other:?}"),
            }
        }
    }

    fn retract(&mut self) -> Option<u64> {
        let mut taken = None;
        let published = self.lane.retract(1, |message, payload| {
            let value = u64::from(payload.bytes()[0]);
            assert_eq!(value, message.entry, "as it was published");
            taken = Some(message.entry);
        });
        self.wake(published.expect("sound"));
        taken
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
                if self.lane.is_awaited() {
                    self.shared.bell.ring(&self.shared.futex);
                }
                self.shared.futex.park(self.lane.word(), seen, None);
            }
            let Some(task) = self.lane.start() else {
                continue;
            };
            let (argument, result) = self.lane.payloads();
            assert_eq!(u64::from(argument[0]), task.entry, "seen whole");
            if task.entry == PILL {
                return done;
            }
            result[0] = argument[0] + 100;
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
    explore(3, || {
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

/// Tasks published at once: the worker sleeps at the first of them, or is behind them all.
#[test]
fn lane_a_burst_loses_no_wake() {
    explore(2, || {
        let shared = Shared::new(2);
        let at_worker = Arc::clone(&shared);
        let worker = thread::spawn(move || at_worker.worker().serve());
        let mut supervisor = shared.supervisor();
        supervisor.send_all(&[1, 2]);
        assert_eq!(supervisor.receive(), 1);
        assert_eq!(supervisor.receive(), 2);
        supervisor.send_all(&[3, PILL]);
        assert_eq!(supervisor.receive(), 3);
        assert_eq!(worker.join().expect("no panic"), [1, 2, 3]);
    });
}

/// Two workers ring one bell. (Their pills are there already, so that they never sleep.)
#[test]
fn lane_two_workers_ring_one_bell() {
    explore(2, || {
        let shared = Shared::new(4);
        let mut supervisors = [0, 1].map(|index| shared.supervisor_at(index, 2));
        for (task, supervisor) in (1..).zip(&mut supervisors) {
            supervisor.send(task);
            supervisor.send(PILL);
        }
        let workers = [0, 1].map(|index| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.worker_at(index, 2).serve())
        });
        let mut missing = vec![1, 2];
        loop {
            let heard = shared.bell.listen();
            let came = supervisors.each_mut().map(Supervisor::take);
            missing.retain(|task| !came.contains(&Some(*task)));
            if missing.is_empty() {
                break;
            }
            let busy = |supervisor: &&Supervisor<'_>| supervisor.lane.in_flight() == 2;
            if supervisors.iter().filter(busy).all(Supervisor::is_watched) {
                shared.bell.sleep(&shared.futex, heard, None);
            }
        }
        for (task, worker) in (1..).zip(workers) {
            assert_eq!(worker.join().expect("no panic"), [task]);
        }
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
    for at in 0..14 {
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
                if supervisor.is_watched() {
                    shared.bell.sleep(&shared.futex, heard, None);
                }
            }
            supervisor.account_for_the_rest();
            if taken == 2 {
                supervisor.send(PILL);
            }
            let survived = worker.join().expect("no panic");
            assert!(!survived || taken == 2);
        });
    }
}

/// A worker that is about to sleep, or sleeps, hears that its result was taken.
#[test]
fn lane_a_nudge_is_not_slept_through() {
    explore(None, || {
        let shared = Shared::new(2);
        let taken = Arc::new(AtomicU32::new(0));
        let (at_worker, seen) = (Arc::clone(&shared), Arc::clone(&taken));
        let worker = thread::spawn(move || {
            let mut worker = at_worker.worker();
            while let Sleep::Park(word) = worker.lane.sleep() {
                if seen.load(Ordering::Relaxed) == 1 {
                    return;
                }
                at_worker.futex.park(worker.lane.word(), word, None);
            }
        });
        let supervisor = shared.supervisor();
        taken.store(1, Ordering::Relaxed);
        supervisor.wake(supervisor.lane.nudge());
        worker.join().expect("no panic");
    });
}
