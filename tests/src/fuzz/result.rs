//! The result slot, the stop flag and the lock of a search, with others writing over them.

use arbitrary::{Arbitrary, Unstructured};
use forkyard_shm::control::{Control, Identity};
use forkyard_shm::first::{Offer, RESULT_BYTES, offer, settle};
use forkyard_shm::layout::{RESULT_AT, Shape};
use forkyard_shm::{OwnerIndex, Protocol, ResultSlot, Round};

use super::memory::{PeerMemory, Scribble};
use super::park::Reaped;

#[derive(Debug, Arbitrary)]
enum Step {
    Open { round: u32 },
    Offer { owner: u8, len: u16, how: u8 },
    Read { round: u32 },
    Settle { dead: u8 },
    Raise { round: u32 },
    RaiseForEver,
    Counts,
    OverSlot(Scribble),
    OverHeader(Scribble),
}

const STOP_AT: usize = 0x40;

pub(super) fn run(bytes: &[u8]) {
    let mut input = Unstructured::new(bytes);
    let shape = Shape {
        workers: 1,
        slots: 1,
    };
    let identity = Identity {
        supervisor_pid: 1,
        supervisor_start: 1,
        exe_hash: 1,
        clock: 0,
    };
    let memory = PeerMemory::new(shape.bytes());
    // SAFETY: zero, page-aligned, as long as the shape says, and outlives the control.
    let control = unsafe { Control::create(memory.base(), shape, identity) };
    let (slot, header) = (control.result(), control.header());
    let (flag, lock) = (&header.stop.0, &header.lock.0);
    let mut round = Round::from_number(1);
    while !input.is_empty() {
        let Ok(step) = input.arbitrary() else { return };
        match step {
            Step::Open { round: number } => {
                round = Round::from_number(number);
                slot.open(round);
            }
            Step::Offer { owner, len, how } => {
                let protocol = [Protocol::Claim, Protocol::Lock, Protocol::Unchecked];
                let bytes = vec![owner; usize::from(len) % (RESULT_BYTES + 1)];
                let offered = offer(
                    protocol[usize::from(how) % protocol.len()],
                    slot,
                    lock,
                    flag,
                    round,
                    OwnerIndex::new(owner),
                    (&bytes, how > 127),
                    || 1,
                    &Reaped,
                );
                assert!(matches!(offered, Offer::Won | Offer::Lost));
            }
            Step::Read { round } => {
                if let Ok(Some((_, bytes, _))) = slot.read(Round::from_number(round)) {
                    assert!(bytes.len() <= RESULT_BYTES);
                }
            }
            Step::Settle { dead } => {
                let dead = OwnerIndex::new(dead);
                settle(slot, lock, flag, dead, || 1, &Reaped);
            }
            Step::Raise { round } => {
                let _ = flag.raise(Round::from_number(round));
            }
            Step::RaiseForEver => flag.raise_for_ever(),
            Step::Counts => {
                let _ = (slot.raised_ns(), slot.claimant(), slot.believers());
                let _ = (slot.believe(), flag.is_raised(round));
            }
            Step::OverSlot(scribble) => {
                scribble.within(&memory, RESULT_AT, size_of::<ResultSlot>());
            }
            Step::OverHeader(scribble) => scribble.within(&memory, STOP_AT, 0x100),
        }
        if let Ok(Some((_, bytes, _))) = slot.read(round) {
            assert!(bytes.len() <= RESULT_BYTES);
        }
    }
}
