//! Sleeping on a word of memory that several processes map, and waking who sleeps there.
//!
//! It is no lock and no condition: the word's meaning and the protocol around it are the caller's. Start at [`wait`].

mod outcome;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(target_os = "linux")]
pub use linux::{wait, wake};
#[cfg(target_os = "macos")]
pub use macos::{wait, wake};

pub use outcome::Wake;

#[cfg(test)]
mod tests;
