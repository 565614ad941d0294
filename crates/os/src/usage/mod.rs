//! What the calling process has used: processor time, memory, switches and faults; and of another, what it has of
//! memory and has used so far.

mod rusage;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(target_os = "linux")]
pub(crate) use linux::maxrss_bytes;
#[cfg(target_os = "linux")]
pub use linux::{live_usage, peak_rss_bytes, private_bytes, rss_bytes};
#[cfg(target_os = "macos")]
pub(crate) use macos::maxrss_bytes;
#[cfg(target_os = "macos")]
pub use macos::{live_usage, peak_rss_bytes, private_bytes, rss_bytes};

pub use rusage::{LiveUsage, Usage, rusage_self};
pub(crate) use rusage::{duration, get};
