//! Messages cut into packets that go through in one piece, and put together again.
//!
//! ```text
//! first packet    | total u64 LE | payload ...        |   PACKET_BYTES at most, header included
//! each further    | payload ...                       |   PACKET_BYTES, the last one shorter
//! ```
//!
//! ipc-channel would cut long messages itself, and send all but the first piece through a private socket pair whose
//! receiving end the sender holds open as well: a receiver that is killed in between leaves its sender blocked for ever.
//! So nothing longer than a packet is ever handed to it. Nothing here touches a socket: that is [`crate::link`].

mod incoming;
mod outgoing;
mod window;

pub use incoming::{Incoming, PacketError};
pub use outgoing::{HEADER_BYTES, Outgoing};
pub use window::{PACKET_BYTES, WINDOW_BYTES, WINDOW_PACKETS, window_cost};

#[cfg(test)]
mod tests;
