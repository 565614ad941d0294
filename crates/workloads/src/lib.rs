//! What the `forkyard` command runs by name, each workload also an example of the public API.
//!
//! A workload describes work that can be run three ways: in a pool of processes, in this
//! process one task after another, and on threads of this process. The last two are what a
//! pool has to beat. Nothing here prints, reads options or measures time: the command does the
//! first two and `forkyard-measure` the third.
//!
//! Start reading at [`Workload`], then at [`Primes`] (first-wins) or [`HashFiles`] (three ways
//! to hand over a payload).

#![forbid(unsafe_code)]

mod baseline;
mod catalog;
mod count_primes;
mod hash_files;
mod numbers;
mod outcome;
mod primes;
mod spin;
mod tally;
pub mod units;
mod workload;

pub use catalog::{CATALOG, Entry};
pub use count_primes::CountPrimes;
pub use hash_files::{HashFiles, Payload, PayloadError};
pub use numbers::{
    NumberRange, Pattern, PatternError, PrimeTest, PrimeTestError, RangeError, parse_number,
};
pub use outcome::{Findings, Outcome, Status};
pub use primes::Primes;
pub use spin::Spin;
pub use workload::{Setting, Workload};
