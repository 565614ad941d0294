//! The lane: a ring of slots between one supervisor and one worker.
//!
//! A slot carries a task there and its result back, in the same place, so that a tiny task
//! moves one cache line twice. Start reading in [`state`], which holds the protocol; `slot`
//! holds the bytes, `ends` the two sides.

mod ends;
mod slot;
pub mod state;
#[cfg(all(test, not(loom)))]
mod tests;

pub use ends::{Arrival, SupervisorLane, WorkerLane};
pub use slot::{INLINE_BYTES, Message, MessageFault, Slot, Where};
