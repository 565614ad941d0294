//! What the calling process has used: processor time, memory, switches and faults; and how much memory another has.

mod rusage;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(target_os = "linux")]
pub(crate) use linux::maxrss_bytes;
#[cfg(target_os = "linux")]
pub use linux::{peak_rss_bytes, private_bytes, rss_bytes};
#[cfg(target_os = "macos")]
pub(crate) use macos::maxrss_bytes;
#[cfg(target_os = "macos")]
pub use macos::{peak_rss_bytes, private_bytes, rss_bytes};

pub use rusage::{Usage, rusage_self};
pub(crate) use rusage::{duration, get};
