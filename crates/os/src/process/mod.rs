//! Processes: started, signalled, reaped, told apart.
//!
//! It starts and ends processes and does not watch them: that is [`crate::death`]. Start at [`spawn_self`] and
//! [`fork`] for births, at [`reap`] and [`Exit`] for deaths.

mod birth;
mod environment;
mod exit;
mod fork;
mod job;
mod pid;
mod reap;
mod signal;
mod spawn;
mod worker;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(target_os = "linux")]
use linux as platform;
#[cfg(target_os = "linux")]
pub(crate) use linux::{stat, stat_field};
#[cfg(target_os = "macos")]
use macos as platform;
pub(crate) use platform::own_start_time;

pub use birth::Birth;
#[cfg(target_os = "linux")]
pub(crate) use birth::is_forked;
pub use environment::{BadVariable, Environment};
pub use exit::{EXIT_BYTES, Exit, ExitCause};
pub use fork::{ForkError, Forked, fork};
pub use job::{kill_group, stop_self};
pub use pid::{Pid, is_alive, user_id};
pub use platform::{set_name, start_time, thread_count};
pub use reap::{reap, reap_any, reap_blocking};
pub use signal::{Signal, kill, kill_self};
pub use spawn::{
    SpawnError, WORKER_ARG, spawn_self, spawn_self_with_control, spawn_self_with_stderr,
};
pub use worker::{become_worker, become_worker_again, discard_stdin, exit_now};
