//! Which program file the calling process runs, so that two processes can tell whether they are of one build; and what
//! of it runs before `main`.

mod identity;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(target_os = "linux")]
use linux as platform;
#[cfg(target_os = "macos")]
use macos as platform;

pub use identity::{ExeIdentity, identity, open};
