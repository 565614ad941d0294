//! First found wins: the result slot, and three ways to claim it.
//!
//! [`ResultSlot`] holds at most one result per round. [`Protocol`] says how a finder gets to
//! write it: by one compare-exchange (the way to do it), under a lock with a second look at
//! the flag (the course's way, as right and dearer), or under a lock *without* the second
//! look, which is wrong and there to show that it is.

mod lock;
mod protocol;
mod slot;

pub use lock::OwnerLock;
pub use protocol::{Offer, ParseProtocolError, Protocol, offer, settle};
pub use slot::{Claim, RESULT_BYTES, ResultFault, ResultSlot};
