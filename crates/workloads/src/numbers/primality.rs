//! Two tests for primes, both exact for every `u64`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How a number is tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum PrimeTest {
    /// Miller–Rabin with bases proven to suffice up to 2⁶⁴: some hundred nanoseconds a number.
    #[default]
    MillerRabin,
    /// Trial division by every number up to the square root, the kernel of the course: cheap
    /// for small numbers, dear for large ones.
    Trial,
}

/// A name that is none of the tests.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no test for primes; take miller-rabin or trial")]
pub struct PrimeTestError(String);

impl PrimeTest {
    /// The names of all tests.
    pub const NAMES: [&'static str; 2] = ["miller-rabin", "trial"];

    /// Whether `n` is prime.
    pub fn is_prime(self, n: u64) -> bool {
        match self {
            Self::MillerRabin => primal_check::miller_rabin(n),
            Self::Trial => n >= 2 && !(2..=n.isqrt()).any(|divisor| n.is_multiple_of(divisor)),
        }
    }
}

impl fmt::Display for PrimeTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::MillerRabin => "miller-rabin",
            Self::Trial => "trial",
        })
    }
}

impl FromStr for PrimeTest {
    type Err = PrimeTestError;

    fn from_str(name: &str) -> Result<Self, PrimeTestError> {
        match name {
            "miller-rabin" => Ok(Self::MillerRabin),
            "trial" => Ok(Self::Trial),
            _ => Err(PrimeTestError(name.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_tests_agree_on_small_numbers() {
        let count = (0..20_000_u64)
            .filter(|&n| {
                let prime = PrimeTest::Trial.is_prime(n);
                assert_eq!(prime, PrimeTest::MillerRabin.is_prime(n), "{n}");
                prime
            })
            .count();
        assert_eq!(count, 2_262, "primes below 20,000");
    }

    #[test]
    fn strong_pseudoprimes_do_not_fool_it() {
        // Composites that pass for prime to the bases 2; 2–7; 2–11; 2–17; 2–23; 2–31 (OEIS
        // A014233), and products of two primes near 2^32.
        for n in [
            2_047,
            3_215_031_751,
            2_152_302_898_747,
            341_550_071_728_321,
            3_825_123_056_546_413_051,
            4_294_967_291 * 4_294_967_279,
            u64::MAX,
        ] {
            assert!(!PrimeTest::MillerRabin.is_prime(n), "{n}");
        }
        assert!(PrimeTest::MillerRabin.is_prime(18_446_744_073_709_551_557));
        assert!(PrimeTest::MillerRabin.is_prime(1_000_000_000_039));
    }
}
