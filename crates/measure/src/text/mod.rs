//! The report for people.

mod advice;
mod answer;
mod bars;
mod compose;
mod facts;
mod style;
mod table;

pub(crate) use bars::{STAGES, share_out};
pub use compose::to_text;
pub use style::Style;
pub(crate) use style::wrap;
