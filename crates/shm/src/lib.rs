//! The data structures that several processes see at once.
//!
//! Everything here works on memory it is handed and knows no operating system: it waits
//! through [`Park`], which `forkyard-os` implements and `forkyard` joins to it. All atomics
//! come from [`sync`], so that the same source runs under loom.
//!
//! Start reading in [`layout`], which draws the control segment; then [`lane::state`], the
//! protocol of a task; [`stop`] and [`first`], cooperative stop; [`arena`], large payloads;
//! [`state`], what tasks share: cells, locks, events, queues.
//!
//! What a peer wrote is an allegation until it was checked: every value read from shared
//! memory that is used as an index, a length or a tag is validated first, and a value that
//! cannot be is a fault by name, not a panic.
#![expect(
    unsafe_code,
    reason = "memory shared between processes is reached through raw pointers; each use is argued"
)]

pub mod arena;
pub mod check;
#[cfg(not(loom))]
pub mod control;
mod count;
#[cfg(all(debug_assertions, not(loom)))]
#[doc(hidden)]
pub mod crash;
pub mod first;
pub mod lane;
#[cfg(not(loom))]
pub mod layout;
#[cfg(not(loom))]
mod link_name;
#[cfg(not(loom))]
pub mod look;
#[cfg(all(test, loom))]
mod model;
mod owner;
#[cfg(not(loom))]
mod packed;
mod skips;
pub mod state;
mod steps;
pub mod stop;
pub mod sync;
mod wait;

pub use check::{CheckEvery, Checker};
pub use count::WatchedCount;
pub use first::{Protocol, ResultSlot};
pub use owner::{MAX_WORKERS, OwnerIndex};
pub use skips::{SKIPS, Skips};
#[doc(hidden)]
pub use steps::step;
pub use stop::{Round, StopFlag};
pub use wait::{Doorbell, Park, SpinBudget};
