//! What a peer may write, put to everything that reads it.
//!
//! A target is a function of bytes. It lays our structures over memory of its own, and takes from
//! the bytes what to do with them and what a peer writes over them in between. Whatever the bytes
//! say, a call comes back, with an answer or with a fault by name: a target fails by a panic, by a
//! read or write out of bounds (which the address sanitizer sees), or by never ending.
//!
//! The same functions are run in two ways: `fuzz/` hands them to libFuzzer, and the tests of this
//! package run each on some thousand random inputs ([`random`]).
#![expect(
    unsafe_code,
    reason = "memory that a peer writes is made here, and structures are laid over it"
)]

mod arena;
mod control;
mod framing;
mod lane;
mod machine;
mod memory;
mod onlooker;
mod park;
pub mod random;
mod result;
mod state;
mod wire;

/// A function that must take any bytes.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, and that of its file in `fuzz/fuzz_targets`.
    pub name: &'static str,
    /// Runs it on one input.
    pub run: fn(&[u8]),
    /// Random inputs in the bounded run, so many that they take about a second.
    pub inputs: u32,
}

/// Makes the list of targets.
macro_rules! targets {
    ($($name:ident: $run:path, $inputs:literal;)+) => {
        /// Every target there is.
        pub const TARGETS: &[Target] = &[
            $(Target { name: stringify!($name), run: $run, inputs: $inputs }),+
        ];
    };
}

targets! {
    lane_supervisor: lane::supervisor, 20_000;
    lane_worker: lane::worker, 20_000;
    arena: arena::run, 300;
    descriptor: arena::descriptors, 800;
    control: control::run, 8_000;
    onlooker: onlooker::run, 400;
    result_slot: result::run, 20_000;
    queue: state::queue, 8_000;
    state_words: state::words, 8_000;
    packets: wire::packets, 300;
    codec: wire::codec, 8_000;
    names: wire::names, 20_000;
    replies: framing::replies, 20_000;
    chunks: framing::chunks, 10_000;
    zygote: framing::zygote, 20_000;
}

/// The target of that name.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn target(name: &str) -> Target {
    let found = TARGETS.iter().find(|target| target.name == name);
    *found.unwrap_or_else(|| panic!("there is no fuzz target {name:?}"))
}
