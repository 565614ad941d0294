//! A pool that is looked at while its processes write whatever they like: there is always a picture.

use arbitrary::{Arbitrary, Unstructured};
use forkyard_shm::layout::Shape;
use forkyard_shm::look::Onlooker;

use super::control::make;
use super::memory::{PeerMemory, Scribble};

#[derive(Debug, Arbitrary)]
struct Input {
    workers: u8,
    /// A page that is full of numbers, not only a few of them.
    noise: [u8; 512],
    header: Vec<Scribble>,
    pages: Vec<Scribble>,
}

pub(super) fn run(bytes: &[u8]) {
    let Ok(input) = Unstructured::new(bytes).arbitrary::<Input>() else {
        return;
    };
    let shape = Shape {
        workers: 1 + u32::from(input.workers % 3),
        slots: 2,
    };
    let memory = PeerMemory::new(shape.bytes());
    make(&memory, shape);
    // Behind what is checked when somebody attaches.
    for scribble in &input.header {
        scribble.within(&memory, 0x38, HEADER_BYTES - 0x38);
    }
    // SAFETY: the memory is as long as said, page-aligned, and outlives what is attached.
    let attached = unsafe { Onlooker::attach(memory.base(), memory.len()) };
    let Ok(onlooker) = attached else {
        panic!("what is checked was not written over: {attached:?}");
    };
    let stride = (shape.bytes() - pages_at(shape)) / shape.workers as usize;
    for worker in 0..shape.workers as usize {
        memory.scribble(pages_at(shape) + worker * stride, &input.noise);
    }
    let _ = forkyard::fuzzing::picture(&onlooker);
    for scribble in &input.pages {
        scribble.over(&memory);
    }
    // Whatever was written over meanwhile: the shape is what it was when it was checked.
    assert_eq!(onlooker.shape(), shape);
    let _ = forkyard::fuzzing::picture(&onlooker);
}

/// What lies before the result slot.
const HEADER_BYTES: usize = 0x1000;

/// Where the first worker's page lies.
fn pages_at(shape: Shape) -> usize {
    let one_more = Shape {
        workers: shape.workers + 1,
        ..shape
    };
    let stride = one_more.bytes() - shape.bytes();
    shape.bytes() - shape.workers as usize * stride
}
