//! The state that tasks share, while others write over its words.

use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use forkyard_shm::OwnerIndex;
use forkyard_shm::state::{
    Barrier, Event, GiveBack, MAX_CAPACITY, NotLocked, Permit, PopError, PushError, Queue,
    Semaphore, SharedArray, SharedCell, SharedMutex,
};

use super::memory::{PeerMemory, Scribble};
use super::park::Reaped;

const NOW: Duration = Duration::ZERO;

#[derive(Debug, Arbitrary)]
enum QueueStep {
    Push { owner: u8, item: u64 },
    Pop { owner: u8 },
    PushInTime { owner: u8 },
    PopInTime { owner: u8 },
    GiveBack { dead: u8 },
    Close,
    Scribble(Scribble),
}

/// A queue's head, tail, signals and slots.
pub(super) fn queue(bytes: &[u8]) {
    let mut input = Unstructured::new(bytes);
    let Ok(capacity) = input.int_in_range(1..=5) else {
        return;
    };
    let memory = PeerMemory::new(Queue::<u64>::bytes(capacity));
    let queue = Queue::<u64>::in_place(&mut memory.place(), capacity).expect("room for it");
    assert!(Queue::<u64>::in_place(&mut memory.place(), MAX_CAPACITY).is_err());
    let owner = OwnerIndex::new;
    let popped = |result: Result<u64, PopError>| {
        assert!(result.is_ok() || result.is_err_and(|error| !error.to_string().is_empty()));
    };
    let pushed = |result: Result<(), PushError>| {
        assert!(result.is_ok() || result.is_err_and(|error| !error.to_string().is_empty()));
    };
    while !input.is_empty() {
        let Ok(step) = input.arbitrary() else { return };
        match step {
            QueueStep::Push { owner: of, item } => {
                pushed(queue.try_push(owner(of), item, &Reaped));
            }
            QueueStep::Pop { owner: of } => popped(queue.try_pop(owner(of), &Reaped)),
            QueueStep::PushInTime { owner: of } => {
                pushed(queue.push_timeout(owner(of), 1, NOW, &Reaped));
            }
            QueueStep::PopInTime { owner: of } => {
                popped(queue.pop_timeout(owner(of), NOW, &Reaped));
            }
            QueueStep::GiveBack { dead } => {
                let recovered = queue.give_back(owner(dead), &Reaped);
                assert!(recovered.voided + recovered.returned <= capacity);
            }
            QueueStep::Close => queue.close(&Reaped),
            QueueStep::Scribble(scribble) => scribble.over(&memory),
        }
        assert!(queue.len() <= capacity);
        let _ = (queue.is_closed(), queue.is_empty());
    }
}

#[derive(Debug, Arbitrary)]
enum WordStep {
    Set,
    Clear,
    Promise { owner: u8 },
    WaitForIt,
    Lock { owner: u8, repair: bool },
    Acquire { owner: u8 },
    Release,
    Meet { owner: u8 },
    Join { owner: u8 },
    Leave { owner: u8 },
    Abort,
    Reset,
    GiveBack { dead: u8 },
    Count { by: u64 },
    Scribble(Scribble),
}

/// Everything else that tasks share, side by side in one piece of memory.
struct Words<'m> {
    event: &'m Event,
    mutex: &'m SharedMutex<[u64; 3]>,
    semaphore: Semaphore<'m>,
    barrier: Barrier<'m>,
    flags: SharedArray<'m, bool>,
    sum: &'m SharedCell<u64>,
    mean: &'m SharedCell<f64>,
}

const PERMITS: usize = 5;
const PARTIES: usize = 3;

impl<'m> Words<'m> {
    fn over(memory: &'m PeerMemory) -> Self {
        let mut place = memory.place();
        let room = "room for it";
        Self {
            event: place.take().expect(room),
            mutex: place.take().expect(room),
            semaphore: Semaphore::in_place(&mut place, PERMITS).expect(room),
            barrier: Barrier::in_place(&mut place, PARTIES).expect(room),
            flags: SharedArray::in_place(&mut place, 9).expect(room),
            sum: place.take().expect(room),
            mean: place.take().expect(room),
        }
    }

    /// One step; permits that are held stay held until a later one.
    fn step(&self, step: &WordStep, held: &mut Vec<Permit<'m, 'static, Reaped>>) {
        let owner = OwnerIndex::new;
        match *step {
            WordStep::Set => self.event.set(&Reaped),
            WordStep::Clear => self.event.clear(),
            WordStep::Promise { owner: of } => drop(self.event.promise(owner(of))),
            WordStep::WaitForIt => drop(self.event.wait_timeout(NOW, &Reaped)),
            WordStep::Lock { owner: of, repair } => self.lock(owner(of), repair),
            WordStep::Acquire { owner: of } => {
                let permit = self.semaphore.try_acquire(owner(of), &Reaped);
                held.extend(permit.ok());
                drop(self.semaphore.acquire_timeout(owner(of), NOW, &Reaped));
            }
            WordStep::Release => drop(held.pop()),
            WordStep::Meet { owner: of } => {
                let met = self.barrier.wait_timeout(owner(of), NOW, &Reaped);
                assert!(met.is_ok() || met.is_err_and(|error| !error.to_string().is_empty()));
            }
            WordStep::Join { owner: of } => self.barrier.join(owner(of)),
            WordStep::Leave { owner: of } => self.barrier.leave(owner(of)),
            WordStep::Abort => self.barrier.abort(&Reaped),
            WordStep::Reset => self.barrier.reset(&Reaped),
            WordStep::GiveBack { dead } => {
                let dead = owner(dead);
                assert!(self.semaphore.give_back(dead, &Reaped) <= PERMITS);
                let _ = self.event.give_back(dead, &Reaped);
                let _ = self.mutex.give_back(dead, &Reaped);
                let _ = self.barrier.give_back(dead, &Reaped);
            }
            WordStep::Count { by } => {
                let _ = (self.sum.fetch_add(by), self.sum.fetch_max(by));
                let _ = self.mean.fetch_add(f64::from_bits(by));
                let _ = self.flags[(by % 9) as usize].swap(by > 9);
            }
            WordStep::Scribble(_) => {}
        }
        let _ = (self.flags.values().count(), self.barrier.broken());
        assert!(self.semaphore.free() <= PERMITS);
    }

    fn lock(&self, owner: OwnerIndex, repair: bool) {
        let mut guard = match self.mutex.lock_timeout(owner, NOW, &Reaped) {
            Ok(guard) => guard,
            Err(NotLocked::OwnerDied(died)) => died.guard,
            Err(NotLocked::Held { .. }) => return,
        };
        guard[0] = guard[1].wrapping_add(guard[2]);
        if repair {
            guard.repair();
        }
    }
}

/// Events, locks, permits, barriers and cells.
pub(super) fn words(bytes: &[u8]) {
    let mut input = Unstructured::new(bytes);
    let memory = PeerMemory::new(256);
    let words = Words::over(&memory);
    let mut held = Vec::new();
    while !input.is_empty() {
        let Ok(step) = input.arbitrary() else { return };
        if let WordStep::Scribble(scribble) = &step {
            scribble.over(&memory);
        }
        words.step(&step, &mut held);
    }
}
