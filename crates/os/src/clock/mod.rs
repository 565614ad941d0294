//! Two clocks that mean the same in every process of the machine: nanoseconds, and a cheaper tick counter.
//!
//! Start at [`ticks`] for what to call in a hot loop and at [`TickScale`] for how to read it afterwards.

mod counter;
mod monotonic;
mod scale;
mod ticks;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(target_os = "linux")]
use linux as platform;
#[cfg(target_os = "macos")]
use macos as platform;

pub use monotonic::now_ns;
pub use scale::{Anchor, TickScale};
pub use ticks::{TickSource, adopt_tick_source, tick_source, ticks};
