//! A pool in an async program: handles are futures, of any executor. A computation that takes too
//! long is cancelled for a rough answer, and other work goes on meanwhile.
//!
//! `cargo run --release --example with_tokio`

use std::time::Duration;

use forkyard::{Pool, TaskError, context};

/// Digits of pi by a slow series, until told that nobody waits any more.
fn pi(terms: u64) -> f64 {
    let search = context().search();
    let mut check = search.with_iterations(terms);
    let sum: f64 = (0..terms)
        .take_while(|_| !check.should_stop())
        .map(|n| if n % 2 == 0 { 1.0 } else { -1.0 } / (2 * n + 1) as f64)
        .sum();
    4.0 * sum
}

/// Pi as good as it gets in that time.
async fn pi_within(pool: &Pool, terms: u64, time: Duration) -> Result<f64, TaskError> {
    let mut exact = pool.submit(pi, terms);
    tokio::select! {
        exact = &mut exact => return exact,
        () = tokio::time::sleep(time) => {}
    }
    println!("{terms} terms take longer than {time:?}");
    // A handle that is only dropped lets its task run: this one would keep its worker for ever, and
    // where it is the only one, the rough answer would never come.
    exact.cancel();
    pool.submit(pi, 10_000).await
}

// Workers become workers before there is a runtime.
fn main() -> Result<(), Box<dyn std::error::Error>> {
    forkyard::init();
    let pool = Pool::builder().build()?;
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?
        .block_on(async {
            let quick = pi_within(&pool, 100_000, Duration::from_secs(60));
            let slow = pi_within(&pool, u64::MAX, Duration::from_millis(50));
            let (quick, slow) = tokio::join!(quick, slow);
            println!("{:.4} and {:.3}", quick?, slow?);
            // Many at once, as they come.
            let mut squares = tokio::task::JoinSet::new();
            for n in 0..100_u64 {
                squares.spawn(pool.submit(|n: u64| n * n, n));
            }
            let mut sum = 0;
            while let Some(square) = squares.join_next().await {
                sum += square??;
            }
            println!("the squares below 100 add up to {sum}");
            Ok::<(), Box<dyn std::error::Error>>(())
        })?;
    pool.close();
    Ok(())
}
