//! Learning from the kernel that a process is gone, without polling and without being its parent.
//!
//! It tells that somebody died, not how: that is [`crate::process::reap`]. Start at [`DeathWatch`]; a worker that
//! only cares for its supervisor takes [`wait_for_exit`].

mod events;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(target_os = "linux")]
pub use linux::{DeathWaker, DeathWatch, wait_for_exit};
#[cfg(target_os = "macos")]
pub use macos::{DeathWaker, DeathWatch, wait_for_exit};

pub use events::DeathEvents;

#[cfg(test)]
mod tests;
