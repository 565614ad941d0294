//! A bounded run on random inputs, which can be run again by its seed.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::Target;

/// The most bytes of one input.
const LONGEST_BYTES: usize = 600;

/// A small generator (splitmix64).
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Bytes of any length and two kinds: all alike, or small ones among large ones.
    fn input(&mut self) -> Vec<u8> {
        let len = self.next() as usize % LONGEST_BYTES;
        let small = self.next() % 3;
        let byte = |random: &mut Self| match random.next() {
            any if small == 0 || any % 4 >= small => (any >> 8) as u8,
            few => (few >> 8) as u8 % 8,
        };
        (0..len).map(|_| byte(self)).collect()
    }
}

/// Runs `target` on the inputs of `seed`, all of them, or the one with number `only`.
///
/// # Panics
/// As the target does, after saying on which input.
pub fn run(target: Target, seed: u64, only: Option<u32>) {
    for number in only.map_or(0..target.inputs, |number| number..number + 1) {
        let mut random = Random(seed ^ (u64::from(number) << 32));
        let input = random.input();
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
