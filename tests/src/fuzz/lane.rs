//! A lane of which each end is read while the other writes what it likes.

use arbitrary::{Arbitrary, Unstructured};
use forkyard_shm::lane::state::Seen;
use forkyard_shm::lane::{
    INLINE_BYTES, Inline, LaneHead, Message, Slot, SupervisorLane, Where, WorkerLane,
};

use super::memory::{PeerMemory, Scribble};

#[derive(Debug, Arbitrary)]
enum Step {
    Push {
        len: u8,
        in_block: bool,
    },
    Take,
    Watch {
        nth: u8,
    },
    Retract {
        most: u8,
    },
    Remains {
        nth: u8,
    },
    Reset,
    /// The other side, as it should be.
    Serve,
    Sleep,
    Scribble(Scribble),
}

/// Behind the head, where slots are aligned.
const SLOTS_AT: usize = size_of::<LaneHead>().next_multiple_of(align_of::<Slot>());

/// A lane over memory of its own. The ends are dropped before the memory is.
struct Ends {
    supervisor: SupervisorLane,
    worker: WorkerLane,
    memory: PeerMemory,
    count: usize,
}

impl Ends {
    fn new(doublings: u8) -> Self {
        let count = 1 << (doublings % 4);
        let memory = PeerMemory::new(SLOTS_AT + count * size_of::<Slot>());
        let head = memory.base().cast::<LaneHead>();
        // SAFETY: a zero head and `count` zero slots, aligned, which live as long as the ends
        // beside them; one end of each kind.
        let (supervisor, worker) = unsafe {
            let slots = memory.base().add(SLOTS_AT).cast::<Slot>();
            (
                SupervisorLane::new(head, slots, count),
                WorkerLane::new(head, slots, count),
            )
        };
        Self {
            supervisor,
            worker,
            memory,
            count,
        }
    }

    fn push(&mut self, len: u8, in_block: bool) {
        if self.supervisor.room() == 0 {
            return;
        }
        let message = Message {
            entry: 7,
            items: 1,
            len: u32::from(len) % (INLINE_BYTES as u32 + 1),
            ..Message::default()
        };
        let place = if in_block {
            Where::Block
        } else {
            Where::Inline
        };
        let payload = Inline::new(&[len; INLINE_BYTES], INLINE_BYTES);
        let _ = self.supervisor.push(&message.at(place), &payload);
    }

    fn serve(&mut self) {
        if let Some(message) = self.worker.start() {
            let (task, result) = self.worker.payloads();
            result.copy_from_slice(task);
            result.reverse();
            let _ = self.worker.finish(message);
        }
    }
}

/// What was read can be used without another look.
fn is_sound(message: Message) {
    assert!(message.len as usize <= INLINE_BYTES);
    assert!(message.place().is_ok());
}

/// The supervisor's view: the worker and whoever else maps the lane write over it.
pub(super) fn supervisor(bytes: &[u8]) {
    let mut input = Unstructured::new(bytes);
    let Ok(mut ends) = input.arbitrary().map(Ends::new) else {
        return;
    };
    let (mut message, mut payload) = (Message::default(), Inline::default());
    while !input.is_empty() {
        let Ok(step) = input.arbitrary() else { return };
        let lane = &mut ends.supervisor;
        match step {
            Step::Push { len, in_block } => ends.push(len, in_block),
            Step::Take => match lane.take(&mut message, &mut payload) {
                Ok(true) => is_sound(message),
                Ok(false) => {}
                // The worker is killed for it, and the lane made anew.
                Err(_) => lane.reset(),
            },
            Step::Watch { nth } => {
                let _ = lane.watch(lane.tail() + u64::from(nth));
            }
            Step::Retract { most } => {
                let _ = lane.retract(usize::from(most), |message, _| is_sound(message));
            }
            Step::Remains { nth } => {
                let position = lane.tail() + u64::from(nth);
                if lane.see(position) == Ok(Seen::Ready)
                    && let Ok((message, _)) = lane.copy_task(position)
                {
                    is_sound(message);
                }
            }
            Step::Reset => lane.reset(),
            Step::Serve => ends.serve(),
            Step::Sleep => {
                let _ = ends.worker.sleep();
            }
            Step::Scribble(scribble) => scribble.over(&ends.memory),
        }
        assert!(ends.supervisor.in_flight() <= ends.count);
    }
}

/// The worker's view: its supervisor's memory went wrong.
pub(super) fn worker(bytes: &[u8]) {
    let mut input = Unstructured::new(bytes);
    let Ok(mut ends) = input.arbitrary().map(Ends::new) else {
        return;
    };
    while !input.is_empty() {
        let Ok(step) = input.arbitrary() else { return };
        let lane = &mut ends.worker;
        match step {
            Step::Push { len, in_block } => ends.push(len, in_block),
            Step::Take | Step::Serve | Step::Reset => {
                if let Some(message) = lane.start() {
                    let len = (message.len as usize).min(INLINE_BYTES);
                    let (task, result) = lane.payloads();
                    result[..len].copy_from_slice(&task[..len]);
                    let _ = lane.finish(message);
                }
            }
            Step::Watch { .. } => {
                let _ = lane.looks_ready();
            }
            Step::Sleep => {
                let _ = lane.sleep();
            }
            Step::Retract { .. } | Step::Remains { .. } => assert!(lane.finished() < u64::MAX),
            Step::Scribble(scribble) => scribble.over(&ends.memory),
        }
    }
}
