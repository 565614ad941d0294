//! Loom models: `RUSTFLAGS="--cfg loom" cargo test -p forkyard-shm --release --lib model`.

mod arena;
mod lane;
mod lock;
mod result_slot;
