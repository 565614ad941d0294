//! The line between a supervisor and its zygote: messages of one fixed length, and the news of ended children.
//!
//! It carries bytes and knows no commands. It is not for payloads: those go through `forkyard-wire` or shared memory.
//! Start at [`ControlSocket::pair`]; a zygote's loop is [`wait_either`].

mod children;
mod either;
mod handing;
mod socket;

pub use children::ChildEvents;
pub use either::{Either, wait_either};
pub use socket::{ControlError, ControlSocket, MESSAGE_BYTES};
