//! The one place atomics come from: the real ones, or loom's when a model runs.
//!
//! Everything in this crate that two processes touch at once goes through these names, so
//! that `RUSTFLAGS="--cfg loom"` turns the same source into a model.

#[cfg(not(loom))]
pub use core::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
#[cfg(loom)]
pub use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

/// One turn of a spin loop.
#[inline]
pub fn spin_hint() {
    #[cfg(not(loom))]
    core::hint::spin_loop();
    #[cfg(loom)]
    loom::thread::yield_now();
}
