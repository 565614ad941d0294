//! How a worker is set up before its first task: what the pool's builder says of its workers
//! crosses to every one of them, replacements included, whatever started them.
//!
//! ```text
//!   supervisor, at build                     worker, before it is ready
//!   ProcessSettings ──> a block of the       page.setup ──> the block ──> head ──> its hash
//!                       arena, kept to         ─> name, nice, limits, processor
//!                       the pool's end         ─> the values provided, decoded
//!   page.setup, for each process anew:         ─> the initializer
//!     the block, the head's length and hash    ─> Ready
//! ```
//!
//! The head says what code runs and what is set; the values behind it are data. Any worker can
//! write over the block, so each copies the head and compares its hash with the supervisor's
//! before it believes it. The environment does not cross here: it is the process's from its
//! first instruction (`start`, `zygote`).
//!
//! `hook` is how functions cross, `settings` what the block holds, `provide` what values are made
//! of, `receive` the worker's side, `nesting` how deep pools may be inside each other, `preload`
//! what a zygote does first, `of_pool` what a `Pool` tells of all this.

mod global;
mod hook;
mod nesting;
mod of_pool;
mod preload;
mod provide;
mod receive;
mod settings;

pub use hook::Outcome;
pub use of_pool::WorkerProgress;
pub use provide::Maker;

pub(crate) use hook::{Call, entry_of_finalizer, entry_of_initializer, entry_of_preload};
pub(crate) use nesting::{enter_level, levels_below};
pub(crate) use preload::{Preparation, failed as preload_failed, prepare};
pub(crate) use provide::Provide;
pub(crate) use receive::Received;
pub(crate) use settings::{Head, Kept, Limits, Sent};
