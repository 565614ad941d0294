//! The copy path: values as bytes, bytes as packets, packets between a supervisor and a worker.
//!
//! It holds no clocks, no policy and no shared memory; who waits for whom, and how much may be under way, the runtime
//! decides with the help of [`packets::WINDOW_BYTES`]. Start at [`codec`] for values and at [`link`] for the line.
#![forbid(unsafe_code)]

pub mod codec;
pub mod link;
pub mod packets;
