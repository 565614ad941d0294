//! The lane: a ring of slots between one supervisor and one worker.
//!
//! A slot has a half that carries a task there, and one that carries its result back, so that
//! a tiny task moves one cache line each way and neither side spins on a line that the other
//! works on. Start reading in [`state`], which holds the protocol; `slot` holds the bytes,
//! `supervisor` and `worker` the two ends, `inline` a payload on its way.

mod inline;
mod ring;
mod slot;
pub mod state;
mod supervisor;
#[cfg(all(test, not(loom)))]
mod tests;
mod worker;

pub use inline::{Inline, SHORT_BYTES, Short};
pub use slot::{Half, INLINE_BYTES, Message, MessageFault, Slot, Where};
pub use state::LaneHead;
pub use supervisor::SupervisorLane;
pub use worker::WorkerLane;
