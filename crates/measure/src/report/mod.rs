//! What a run came to, as data and as JSON.

mod compare;
mod json;
mod run_report;

pub(crate) use compare::Sample;
pub use compare::{Comparison, Verdict};
pub use json::to_json;
pub use run_report::RunReport;
