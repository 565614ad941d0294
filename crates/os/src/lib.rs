//! The operating system under forkyard: one signature per service, Linux and macOS behind it.
//!
//! It is the only crate that talks to `nix`, `libc` and `shared_memory`, and it holds no policy: how long to
//! spin, whom to kill and when to give up are decided above it. What two processes *write* into the memory that is
//! mapped here is the business of `forkyard-shm`.
//!
//! Start at [`segment`] for memory, [`process`] for starting, ending and reaping, [`park`] for sleeping on a word of
//! shared memory, and [`death`] for learning that somebody is gone.
#![expect(
    unsafe_code,
    reason = "this crate is the border to the kernel; every block argues its case"
)]

pub mod clock;
pub mod control;
pub mod cpus;
pub mod death;
mod error;
pub mod exe;
pub mod limits;
pub mod memory;
pub mod oom;
pub mod park;
pub mod process;
pub mod segment;
pub mod stderr;
pub mod usage;

pub use error::OsError;
