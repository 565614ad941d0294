//! First found wins: a number that, behind a text, gives a SHA-256 beginning with so many zero bits.
//! Whoever finds one stops the others.
//!
//! `cargo run --release --example proof_of_work -- TEXT BITS` (default: forkyard 16)

use forkyard::{Pool, Search};
use sha2::{Digest, Sha256};

/// Numbers that one task tries.
const SHARE: u64 = 1 << 20;
/// More would take years.
const MOST_BITS: u32 = 48;
const USAGE: &str = "usage: proof_of_work [TEXT [BITS]]";

fn zero_bits(text: &str, number: u64) -> u32 {
    let mut hasher = Sha256::new();
    hasher.update(text.as_bytes());
    hasher.update(number.to_string().as_bytes());
    let hash: [u8; 32] = hasher.finalize().into();
    let zeroes = hash.iter().take_while(|byte| **byte == 0).count();
    let rest = hash.get(zeroes).map_or(0, |byte| byte.leading_zeros());
    zeroes as u32 * 8 + rest
}

/// Tries a share of the numbers, and looks now and then whether another has found one.
fn search(search: &Search<'_>, (text, bits, share): (String, u32, u64)) -> Option<u64> {
    let mut check = search.with_iterations(1 << bits);
    (share * SHARE..(share + 1) * SHARE)
        .take_while(|_| !check.should_stop())
        .find(|number| zero_bits(&text, *number) >= bits)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    forkyard::init();
    let mut arguments = std::env::args().skip(1);
    let text = arguments.next().unwrap_or_else(|| "forkyard".to_owned());
    let bits = arguments.next().unwrap_or_else(|| "16".to_owned());
    let Some(bits) = bits.parse().ok().filter(|bits| *bits <= MOST_BITS) else {
        return Err(format!("{bits:?} is no number of bits, 0 to {MOST_BITS}; {USAGE}").into());
    };
    if text.starts_with("--") {
        return Err(USAGE.into());
    }

    let pool = Pool::builder().build()?;
    // There is no end of shares; as many as the workers take are ever made.
    let first = pool.first(search, (0..).map(|share| (text.clone(), bits, share)))?;
    let found = first
        .found
        .ok_or("there is no end of numbers, and no find")?;
    assert!(zero_bits(&text, found.value) >= bits);
    println!(
        "{text}{} has {} zero bits",
        found.value,
        zero_bits(&text, found.value)
    );
    println!("found by worker {}", found.worker);
    if let Some(last) = first.stop_latencies.iter().max() {
        println!("the last of the others had stopped {last:?} later");
    }
    Ok(())
}
