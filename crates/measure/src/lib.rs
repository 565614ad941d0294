//! Runs workloads under measurement and reports where the time went.
//!
//! It does not decide what to run or how to speak to the shell: that is the command's part.
//! It reads no options and writes to no stream but a progress bar.
//!
//! Start reading at [`run()`], which turns a workload and [`RunOptions`] into a [`RunReport`];
//! the report becomes JSON in [`to_json`] and text in [`to_text`]. Pools that others run are shown
//! by [`pools_to_text`], and by [`Live`] while they work. The sentence that names what
//! limited a run comes from a table of rules in `text/advice.rs`.

#![forbid(unsafe_code)]

mod inspect;
mod report;
mod run;
mod text;

pub use forkyard_workloads::units;
pub use inspect::{Live, pools_to_json, pools_to_list, pools_to_text};
pub use report::{Comparison, RunReport, Verdict, to_json};
pub use run::{
    Against, AgainstError, Interrupts, Listener, NoListener, Reaction, RunError, RunOptions,
    beside_progress, run,
};
pub use text::{Style, to_text};
