//! The line between a supervisor and one worker: two one-way channels of ipc-channel, one for tasks, one for results.
//!
//! ```text
//! supervisor: Listener::bind ── name ──► worker: connect (makes both channels, sends the two far ends)
//!             Listener::accept ◄── told over shared memory that the worker has connected
//!             SupervisorEnd  ── tasks ──►  WorkerEnd
//!             SupervisorEnd  ◄─ results ─  WorkerEnd
//! ```
//!
//! The supervisor's end never blocks; the worker's end does, and its process dies with the supervisor. How many packets
//! are under way is counted by the caller (see [`crate::packets::WINDOW_BYTES`]), who learns of received packets
//! by other means than this line.

mod error;
mod greeting;
mod place;
mod supervisor;
mod worker;

pub use error::LinkError;
pub use greeting::{Listener, connect};
pub use supervisor::{Received, SupervisorEnd};
pub use worker::WorkerEnd;

/// The longest message that an end takes unless it is told otherwise: 4 GiB.
pub const MESSAGE_LIMIT_BYTES: u64 = 4 << 30;

#[cfg(test)]
mod tests;
