//! Loom models: `RUSTFLAGS="--cfg loom" cargo test -p forkyard-shm --release --lib model`.
//!
//! Each file models one protocol with the code that ships, on the test's own [`futex`]. A
//! wake that is lost leaves a thread asleep for ever, which loom reports as a deadlock; an
//! access that is not ordered after the one before it is reported by the cell it is to.

mod arena;
mod doorbell;
mod futex;
mod lane;
mod lock;
mod result_slot;

/// Explores with at most `preemptions` forced switches in one run. Switches at a sleep or at
/// the end of a thread are free, so few are needed to reach any order of a few steps.
fn bounded(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}
