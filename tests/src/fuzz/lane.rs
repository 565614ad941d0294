//! A lane of which each end is read while the other writes what it likes.

use arbitrary::{Arbitrary, Unstructured};
use forkyard_shm::lane::state::Seen;
use forkyard_shm::lane::{Arrival, INLINE_BYTES, Message, Slot, SupervisorLane, Where, WorkerLane};

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
    Retract,
    Remains {
        nth: u8,
    },
    Reset,
    /// The other side, as it should be.
    Serve,
    Sleep,
    Scribble(Scribble),
}

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
        let memory = PeerMemory::new(count * size_of::<Slot>());
        let slots = memory.base().cast::<Slot>();
        // SAFETY: `count` zero slots, page-aligned, which live as long as the ends beside them;
        // one end of each kind.
        let (supervisor, worker) = unsafe {
            (
                SupervisorLane::new(slots, count),
                WorkerLane::new(slots, count),
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
        let filled = self.supervisor.push(|bytes| {
            bytes.fill(len);
            Ok::<_, ()>(message.at(place))
        });
        assert!(filled.is_ok());
    }

    fn serve(&mut self) {
        if let Some((message, payload)) = self.worker.start() {
            payload.reverse();
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
    let mut into = [0; INLINE_BYTES];
    while !input.is_empty() {
        let Ok(step) = input.arbitrary() else { return };
        let lane = &mut ends.supervisor;
        match step {
            Step::Push { len, in_block } => ends.push(len, in_block),
            Step::Take => match lane.take(&mut into) {
                Arrival::Result(message) => is_sound(message),
                // The worker is killed for it, and the lane made anew.
                Arrival::Corrupt(_) | Arrival::Fault(_) => lane.reset(),
                Arrival::Nothing => {}
            },
            Step::Watch { nth } => {
                let _ = lane.watch(lane.tail() + u64::from(nth));
            }
            Step::Retract => {
                if let Ok(Some(message)) = lane.retract(&mut into) {
                    is_sound(message);
                }
            }
            Step::Remains { nth } => {
                let position = lane.tail() + u64::from(nth);
                if lane.see(position) == Seen::Ready
                    && let Some(message) = lane.copy_task(position, &mut into)
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
                if let Some((message, payload)) = lane.start() {
                    let len = (message.len as usize).min(INLINE_BYTES);
                    payload[..len].fill(0);
                    lane.payload().reverse();
                    let _ = lane.finish(message);
                }
            }
            Step::Watch { .. } => {
                let _ = lane.looks_ready();
            }
            Step::Sleep => {
                let _ = lane.sleep();
            }
            Step::Retract | Step::Remains { .. } => assert!(lane.finished() < u64::MAX),
            Step::Scribble(scribble) => scribble.over(&ends.memory),
        }
    }
}
