//! A histogram that crashing workers fill together: a queue of work, an array of counts, a
//! mutex that outlives its holder, and an event.
//!
//! `cargo run --example shared_state`

use forkyard::state::OwnerDied;
use forkyard::{Event, Pool, Queue, SharedArray, SharedMutex};

/// What a worker is given.
type Share = (Queue<u64>, SharedArray<u64>, SharedMutex<[u64; 2]>, Event);

/// Numbers and their sum, which belong together.
fn add(totals: &SharedMutex<[u64; 2]>, number: u64) {
    let mut totals = totals
        .lock()
        .unwrap_or_else(|OwnerDied { mut guard, owner }| {
            println!("{owner} has died with the totals half changed: {guard:?}; put right");
            // The count goes first, so it is the count that may be one too many.
            guard[0] -= 1;
            guard.repair();
            guard
        });
    totals[0] += 1;
    if number == 666 {
        std::process::abort(); // with the lock held
    }
    totals[1] += number;
}

/// Takes numbers until there are no more.
fn work((numbers, histogram, totals, started): Share) -> u64 {
    started.set();
    let mut done = 0;
    for number in &numbers {
        add(&totals, number);
        histogram[(number % 10) as usize].fetch_add(1);
        done += 1;
    }
    done
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    forkyard::init();
    let pool = Pool::builder().workers(3).build()?;
    let numbers = pool.queue::<u64>(16)?;
    let histogram = pool.array::<u64>(10)?;
    let totals = pool.mutex([0, 0])?;
    let started = pool.event()?;
    let share = || {
        let (numbers, histogram) = (numbers.clone(), histogram.clone());
        (numbers, histogram, totals.clone(), started.clone())
    };
    let workers: Vec<_> = (0..3).map(|_| pool.submit(work, share())).collect();
    started.wait()?;
    for number in 0..1000 {
        numbers.push(number)?;
    }
    numbers.close();
    for worker in workers {
        match worker.join() {
            Ok(done) => println!("{done} numbers done"),
            Err(died) => println!("{died}"),
        }
    }
    // The last to look may be the one who learns of the death.
    let totals = totals.lock().unwrap_or_else(|died| died.guard);
    println!("{} numbers, their sum {}", totals[0], totals[1]);
    println!("last digits: {histogram:?}");
    drop(totals);
    pool.close();
    Ok(())
}
