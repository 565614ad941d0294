//! Payloads and results whose sum is known without reading them.

use crate::units;

/// The byte that fills the payload of a task. Never zero, so that memory nobody wrote shows.
pub(crate) fn filler(seed: u64) -> u8 {
    u8::try_from(seed % 255).unwrap_or(0) + 1
}

/// `len` bytes that all are `byte`, or why there is no memory for them.
pub(crate) fn filled(byte: u8, len: usize) -> Result<Vec<u8>, String> {
    let mut bytes = reserved(len)?;
    bytes.resize(len, byte);
    Ok(bytes)
}

/// Room for `len` bytes that are not touched yet.
pub(crate) fn reserved(len: usize) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let refused = |_| {
        format!(
            "this system gives no {} of memory",
            units::bytes(len as u64)
        )
    };
    bytes.try_reserve_exact(len).map_err(refused)?;
    Ok(bytes)
}

/// Reads every byte: the sum of the words, and of the bytes behind the last whole word.
pub(crate) fn checksum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let sum = words.iter().map(|word| u64::from_le_bytes(*word));
    let sum = sum.fold(0_u64, u64::wrapping_add);
    let rest = rest.iter().map(|byte| u64::from(*byte));
    rest.fold(sum, u64::wrapping_add)
}

/// [`checksum`] of `len` bytes that all are `byte`.
pub(crate) fn checksum_of_fill(byte: u8, len: usize) -> u64 {
    let word = u64::from_le_bytes([byte; 8]);
    let words = word.wrapping_mul((len / 8) as u64);
    words.wrapping_add(u64::from(byte) * (len % 8) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_system_has_is_an_error() {
        assert_eq!(filled(7, 3), Ok(vec![7; 3]));
        for len in [usize::MAX, usize::MAX / 2] {
            let why = filled(7, len).expect_err("no room");
            assert!(why.contains("of memory"), "{why}");
        }
    }

    #[test]
    fn the_known_sum_is_the_sum() {
        for len in [0, 1, 7, 8, 9, 4_096, 100_003] {
            for seed in [0, 1, 254, 255, u64::MAX] {
                let byte = filler(seed);
                assert_ne!(byte, 0);
                let bytes = vec![byte; len];
                assert_eq!(
                    checksum(&bytes),
                    checksum_of_fill(byte, len),
                    "{len} × {byte}"
                );
            }
        }
    }

    #[test]
    fn one_wrong_byte_is_seen_wherever_it_is() {
        let right = vec![filler(3); 1_003];
        for place in [0, 511, 1_000, 1_002] {
            let mut wrong = right.clone();
            wrong[place] ^= 1;
            assert_ne!(checksum(&wrong), checksum(&right), "byte {place}");
        }
    }
}
