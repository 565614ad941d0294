//! What the benches share: floors to hold figures against, and the table that does.
//!
//! A figure alone says more about the machine and its neighbours than about the code. So
//! every figure here stands beside a floor measured in the same run, in turn with it, and
//! what counts is the ratio of the two medians.

pub mod arena;
pub mod floors;
pub mod idle;
pub mod samples;

/// How often all are measured: what stands behind `--rounds`, else seven times.
#[must_use]
pub fn rounds() -> usize {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--rounds");
    arguments
        .nth(1)
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(7)
}
