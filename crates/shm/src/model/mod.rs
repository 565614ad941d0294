//! Loom models: `RUSTFLAGS="--cfg loom" cargo test -p forkyard-shm --release --lib model`.
//!
//! Each file models one protocol with the code that ships, on the test's own [`futex`]. A
//! wake that is lost leaves a thread asleep for ever, which loom reports as a deadlock; an
//! access that is not ordered after the one before it is reported by the cell it is to.
//!
//! What loom does not try: a weak compare-exchange that fails for nothing, a failed one that
//! sees an old value, and a store that overtakes an earlier one of its own thread on another
//! word, unless a cell shows it. So payloads are cells.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

mod arena;
mod barrier;
mod doorbell;
mod event;
mod futex;
mod lane;
mod lock;
mod mutex;
mod queue;
mod result_slot;
mod semaphore;
mod skips;
mod wanted;

/// Explores every interleaving, with at most `preemptions` forced switches in one run if
/// there is such a bound, and says how many there were. (Switches at a sleep or at the end
/// of a thread are free, so that few forced ones reach any order of a few steps.)
fn explore(preemptions: impl Into<Option<usize>>, model: impl Fn() + Sync + Send + 'static) {
    let runs = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&runs);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions.into();
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        model();
    });
    println!("{} interleavings", runs.load(Ordering::Relaxed));
}
