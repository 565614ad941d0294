//! Tests of the arena on ordinary memory: several `Arena`s on one directory are several
//! processes.

mod common;
#[cfg(debug_assertions)]
mod crash;
mod double;
mod faults;
mod handles;
mod limits;
mod random;
mod speed;
mod threads;
