//! A bounded run on random inputs, which can be run again by its seed.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::Target;
use crate::random::Random;

/// The most bytes of one input.
const LONGEST_BYTES: usize = 600;

/// Bytes of any length and two kinds: all alike, or small ones among large ones.
fn input(random: &mut Random) -> Vec<u8> {
    let len = random.draw() as usize % LONGEST_BYTES;
    let small = random.draw() % 3;
    let byte = |random: &mut Random| match random.draw() {
        any if small == 0 || any % 4 >= small => (any >> 8) as u8,
        few => (few >> 8) as u8 % 8,
    };
    (0..len).map(|_| byte(random)).collect()
}

/// Runs `target` on the inputs of `seed`, all of them, or the one with number `only`.
///
/// # Panics
/// As the target does, after saying on which input.
pub fn run(target: Target, seed: u64, only: Option<u32>) {
    for number in only.map_or(0..target.inputs, |number| number..number + 1) {
        let mut random = Random(seed ^ (u64::from(number) << 32));
        let input = input(&mut random);
        let ran = catch_unwind(AssertUnwindSafe(|| (target.run)(&input)));
        if let Err(panic) = ran {
            eprintln!(
                "the fuzz target {} fails on input {number} of seed {seed}; to run it again:\n  \
                 FY_FUZZ={seed}:{number} cargo test -p tests --test fuzz {}",
                target.name, target.name
            );
            resume_unwind(panic);
        }
    }
}
