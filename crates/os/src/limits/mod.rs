//! What the system allows: room for shared memory, and open files; and what a process allows itself.

mod set;
mod shared;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(target_os = "linux")]
pub use linux::shm_free;
#[cfg(target_os = "macos")]
pub use macos::shm_free;

pub use set::{Limit, LimitError, set_limit, set_nice};
pub use shared::{ShmSpace, open_files};
