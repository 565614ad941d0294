//! SHA-256 of many files, with three ways to hand a file to a worker.

mod digest;
mod feed;
mod listing;
mod payload;
mod walk;
mod work;

pub use payload::{Payload, PayloadError};
pub use work::HashFiles;
