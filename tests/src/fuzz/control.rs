//! A control segment that was not made as it should be: attached to, or refused by name.

use arbitrary::{Arbitrary, Unstructured};
use forkyard_shm::control::{Control, Identity};
use forkyard_shm::layout::{LINK_NAME_BYTES, Shape, WorkerPage};

use super::memory::{PeerMemory, Scribble};

#[derive(Debug, Arbitrary)]
struct Input {
    workers: u8,
    doublings: u8,
    cut_bytes: u16,
    header: Vec<Scribble>,
    pages: Vec<Scribble>,
}

const HEADER_BYTES: usize = 0x280;

pub(super) fn run(bytes: &[u8]) {
    let Ok(input) = Unstructured::new(bytes).arbitrary::<Input>() else {
        return;
    };
    let shape = Shape {
        workers: 1 + u32::from(input.workers % 3),
        slots: 1 << (input.doublings % 6),
    };
    let bytes = shape.bytes() - usize::from(input.cut_bytes) % shape.bytes();
    // As long as a peer has left it: with all that `create` writes, which is at the front.
    let memory = PeerMemory::new(bytes.max(HEADER_BYTES));
    make(&memory, shape);
    for scribble in &input.header {
        scribble.within(&memory, 0, HEADER_BYTES);
    }
    // SAFETY: the memory is as long as said, page-aligned, and outlives what is attached.
    let attached = unsafe { Control::attach(memory.base(), memory.len()) };
    let Ok(control) = attached else {
        assert!(attached.is_err_and(|error| !error.to_string().is_empty()));
        return;
    };
    let workers = control.shape().workers as usize;
    assert!(control.shape().bytes() <= memory.len());
    for scribble in &input.pages {
        scribble.over(&memory);
        let _ = (control.identity(), control.result().claimant());
        for worker in 0..workers {
            page(control.page(worker));
            for position in [0, 1, u64::MAX] {
                let word = control.result_word(worker, position);
                let _ = word.load(std::sync::atomic::Ordering::Relaxed);
            }
        }
        // SAFETY: inside of the segment, which was checked to be long enough; all atomics.
        let directory = unsafe { control.directory().as_ref() };
        assert!(directory.extents().count() <= forkyard_shm::arena::MAX_EXTENTS);
        let _ = (directory.reserved_bytes(), format!("{directory:?}"));
    }
    control.page(workers - 1).reset();
}

/// Gives `memory`, which may be cut short, the header of a sound segment.
pub(super) fn make(memory: &PeerMemory, shape: Shape) {
    let identity = Identity {
        supervisor_pid: 1,
        supervisor_start: 2,
        exe_hash: 3,
        clock: 1,
    };
    let sound = PeerMemory::new(shape.bytes());
    // SAFETY: zero, page-aligned, as long as the shape says, and outlives the value, which is
    // dropped here.
    let _ = unsafe { Control::create(sound.base(), shape, identity) };
    memory.scribble(0, &sound.read(0, HEADER_BYTES));
}

/// Everything that the supervisor reads of a worker's page.
fn page(page: &WorkerPage) {
    let _ = page.vitals.phase();
    if let Some(name) = page.link.get() {
        assert!(!name.is_empty() && name.len() <= LINK_NAME_BYTES);
    }
    for count in [&page.pipes.received, &page.pipes.sent] {
        let seen = count.get();
        let _ = (count.watch(seen), count.bump());
    }
}
