//! Running a workload: pool, progress, interrupts, and the baselines beside it.

mod baseline;
mod interrupt;
mod once;
mod options;
mod orchestrate;
mod progress;

pub use interrupt::{Interrupts, Listener, NoListener, Reaction};
pub use options::{Against, AgainstError, RunOptions};
pub use orchestrate::{RunError, run};
pub use progress::beside_progress;
