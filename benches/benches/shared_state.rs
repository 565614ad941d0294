//! State that processes share, from cheap to costly, beside the floors of the same run; and what
//! a manager reaches when several call it at once.
//!
//! `cargo bench -p benches --bench shared_state`; `-- --rounds N` for more samples (default 7).

use std::time::{Duration, Instant};

use benches::floors::{self, serde_bytes_vec::Bytes};
use benches::samples::{Samples, human, median_batch, table};
use forkyard::{Dict, Manager, Pool};
use forkyard_os::usage::rusage_self;

const LARGE: usize = 1 << 20;
const SOCKET: &str = "floor: Unix-socket ping-pong";
const LANE: &str = "pool: round trip by lane, awake";

fn pool(workers: usize) -> Pool {
    Pool::builder().workers(workers).build().expect("a pool")
}

fn measured(operations: u64, mut body: impl FnMut()) -> (Duration, u64) {
    median_batch(operations / 10, &mut body);
    median_batch(operations, &mut body)
}

fn cell(operations: u64) -> (Duration, u64) {
    let pool = pool(1);
    let cell = pool.cell(0_u64).expect("a cell");
    measured(operations, || {
        cell.fetch_add(1);
    })
}

fn mutex(operations: u64) -> (Duration, u64) {
    let pool = pool(1);
    let mutex = pool.mutex(0_u64).expect("a mutex");
    measured(operations, || {
        *mutex.lock().expect("nobody dies") += 1;
    })
}

/// What a call would take by way of a lane: the least that shared memory could make of it.
fn lane(operations: u64) -> (Duration, u64) {
    let pool = pool(1);
    measured(operations, || {
        assert_eq!(pool.submit(|n: u64| n + 1, 1).join(), Ok(2));
    })
}

fn add(total: &mut u64, n: u64) -> u64 {
    *total += n;
    *total
}

fn call(operations: u64) -> (Duration, u64) {
    let total = Manager::start(|| 0_u64).expect("a manager");
    measured(operations, || {
        assert!(total.call(add, 1).is_ok());
    })
}

fn merge(operations: u64) -> (Duration, u64) {
    let counts = Dict::<String, u64>::start().expect("a manager");
    measured(operations, || {
        let merged = counts.merge("word".to_owned(), 1, |count, more| *count += more);
        assert!(merged.is_ok());
    })
}

fn large(operations: u64) -> (Duration, u64) {
    let bytes = Manager::start(|| 0_usize).expect("a manager");
    let data = Bytes(vec![1; LARGE]);
    measured(operations, || {
        let taken = bytes.call(|sum, data: Bytes| *sum += data.0.len(), data.clone());
        assert!(taken.is_ok());
    })
}

/// Time for a call with so many callers, and which part of a core the manager uses meanwhile.
fn saturated(callers: usize, calls_each: u64) -> ((Duration, u64), f64) {
    let total = Manager::start(|| 0_u64).expect("a manager");
    let pool = pool(callers);
    let cpu = || {
        let used = total.call(
            |_, ()| {
                let usage = rusage_self();
                usage.cpu_user + usage.cpu_system
            },
            (),
        );
        used.expect("the manager lives")
    };
    let task = |(total, calls): (Manager<u64>, u64)| (0..calls).all(|_| total.call(add, 1).is_ok());
    let run = |calls: u64| {
        let tasks: Vec<_> = (0..callers)
            .map(|_| pool.submit(task, (total.clone(), calls)))
            .collect();
        assert!(tasks.into_iter().all(|task| task.join() == Ok(true)));
    };
    run(calls_each / 10);
    let (before, start) = (cpu(), Instant::now());
    run(calls_each);
    let (spent, used) = (start.elapsed(), cpu() - before);
    let share = used.as_secs_f64() / spent.as_secs_f64();
    ((spent, calls_each * callers as u64), share)
}

fn main() {
    forkyard::init();
    let rounds = benches::rounds();
    let mut all = [
        Samples::new(SOCKET),
        Samples::new("floor: two futex wakes"),
        Samples::new(LANE).against(SOCKET),
        Samples::new("SharedCell: fetch_add"),
        Samples::new("SharedMutex: lock, add, unlock"),
        Samples::new("Manager: call").against(SOCKET),
        Samples::new("Dict: merge").against(SOCKET),
        Samples::new("Manager: call with 1 MiB").against(SOCKET),
        Samples::new("Manager: call, 1 caller"),
        Samples::new("Manager: call, 2 callers"),
        Samples::new("Manager: call, 4 callers"),
    ];
    let mut shares = [1, 2, 4].map(|callers| (callers, Vec::new()));
    for round in 1..=rounds {
        eprintln!("round {round} of {rounds}");
        let single = [
            floors::socket_pair(20_000),
            floors::futex_pair(5_000),
            lane(100_000),
            cell(1_000_000),
            mutex(1_000_000),
            call(20_000),
            merge(20_000),
            large(200),
        ];
        for (samples, (spent, operations)) in all.iter_mut().zip(single) {
            samples.add(spent, operations);
        }
        let busy = all.iter_mut().skip(single.len()).zip(&mut shares);
        for (samples, (callers, shares)) in busy {
            let ((spent, calls), share) = saturated(*callers, 20_000);
            samples.add(spent, calls);
            shares.push(share);
        }
    }
    println!("{}", table(&all));
    for ((callers, mut shares), samples) in shares.into_iter().zip(all.iter().skip(8)) {
        shares.sort_by(f64::total_cmp);
        let median = shares.get(shares.len() / 2).copied().unwrap_or_default();
        println!(
            "{callers} callers: one call in {}; the manager's process uses {:.0} % of one core",
            human(samples.median()),
            100.0 * median
        );
    }
}
