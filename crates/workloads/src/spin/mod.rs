//! A synthetic task of any length, payload and result, every byte of which is really used.

mod bytes;
mod send;
mod steps;
mod task;
mod work;

pub use work::Spin;
