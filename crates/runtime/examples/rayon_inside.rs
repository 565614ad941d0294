//! Threads inside processes: each worker may use rayon, and the pool sees to it that all of them
//! together use the machine once, and not once each. `inner_threads` sets the variables that rayon,
//! OpenMP and the usual linear algebra libraries look at.
//!
//! `cargo run --release --example rayon_inside`

use forkyard::{Pool, available_cpus};
use rayon::prelude::*;

/// How many numbers below `limit` are prime, by this worker's threads; and how many these are.
fn count_primes(limit: u32) -> (usize, usize) {
    let is_prime = |n: &u32| {
        *n > 1
            && (2..)
                .take_while(|d| d * d <= *n)
                .all(|d| !n.is_multiple_of(d))
    };
    let primes = (0..limit).into_par_iter().filter(is_prime).count();
    (primes, rayon::current_num_threads())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    forkyard::init();
    let workers = 2;
    let threads = (available_cpus().get() / workers).max(1);
    let pool = Pool::builder()
        .workers(workers)
        .inner_threads(threads)
        .build()?;
    for (limit, counted) in [10_000, 100_000]
        .iter()
        .zip(pool.map(count_primes, [10_000, 100_000]))
    {
        let (primes, seen) = counted?;
        assert_eq!(seen, threads);
        println!("{primes} primes below {limit}, by {seen} thread(s) in a worker");
    }
    Ok(())
}
