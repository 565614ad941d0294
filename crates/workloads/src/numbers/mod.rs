//! Whole numbers to 2⁶⁴: ranges of them, which are prime, and which are asked for.

mod pattern;
mod primality;
mod range;

pub use pattern::{Pattern, PatternError};
pub use primality::{PrimeTest, PrimeTestError};
pub use range::{NumberRange, RangeError, parse_number};
