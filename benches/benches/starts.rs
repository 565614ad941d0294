//! The start of workers beside the start of bare processes, and the memory of an idle worker beside
//! that of a bare forked child.
//!
//! `cargo bench -p benches --bench starts`; `-- --rounds N` for more samples (default 7).
//!
//! A pool's life is build, one task, close. What one worker more costs is what five workers cost
//! beyond one, divided by four: on a machine with more cores than that they start side by side,
//! so with few cores this is closer to what a start takes of the machine.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use benches::floors::{self, Measured};
use benches::idle::{self, Idle};
use benches::samples::{Samples, table};
use forkyard::{Pool, StartMethod, TaskError, Transport};
use forkyard_os::process::exit_now;

const FORK: &str = "floor: fork and wait";
const SPAWN: &str = "floor: posix_spawn of `true` and wait";
const METHODS: [StartMethod; 3] = [
    StartMethod::Fork,
    StartMethod::ForkServer,
    StartMethod::Spawn,
];
/// Runs of which a sample is the median.
const RUNS: usize = 21;
const MORE_WORKERS: usize = 5;

fn median(mut body: impl FnMut() -> Duration) -> Duration {
    body();
    let mut all: Vec<Duration> = (0..RUNS).map(|_| body()).collect();
    all.sort_unstable();
    all[RUNS / 2]
}

fn timed(body: impl FnOnce()) -> Duration {
    let start = Instant::now();
    body();
    start.elapsed()
}

fn true_and_wait() -> Measured {
    let spent = median(|| {
        timed(|| {
            let mut command = Command::new("/bin/true");
            let status = command.stdin(Stdio::null()).status();
            assert!(status.is_ok_and(|status| status.success()));
        })
    });
    (spent, 1)
}

fn pool(method: StartMethod, workers: usize) -> Pool {
    Pool::builder()
        .workers(workers)
        .start_method(method)
        .transport(Transport::Shared)
        .build()
        .expect("a pool")
}

fn life(method: StartMethod, workers: usize) -> Duration {
    timed(|| {
        let pool = pool(method, workers);
        assert_eq!(pool.submit(|n: u64| n + 1, 1).join(), Ok(2));
        pool.close();
    })
}

/// The life of a pool of one; and what one worker more costs. The two take turns, so that what the
/// machine does meanwhile hits both.
fn lives(method: StartMethod) -> [Measured; 2] {
    let mut ones = Vec::new();
    let more = median(|| {
        let one = life(method, 1);
        ones.push(one);
        life(method, MORE_WORKERS).saturating_sub(one)
    });
    ones.sort_unstable();
    [(ones[ones.len() / 2], 1), (more, (MORE_WORKERS - 1) as u64)]
}

/// From the task that ends its worker to the result of the next one: a death that is noticed and
/// told, and a start.
fn replaced(method: StartMethod) -> Measured {
    let pool = pool(method, 1);
    let spent = median(|| {
        assert_eq!(pool.submit(|n: u64| n + 1, 1).join(), Ok(2));
        timed(|| {
            let died: Result<(), TaskError> = pool.submit(|()| exit_now(1), ()).join();
            assert!(died.is_err());
            assert_eq!(pool.submit(|n: u64| n + 1, 1).join(), Ok(2));
        })
    });
    pool.close();
    (spent, 1)
}

fn goal(method: StartMethod) -> (&'static str, &'static str) {
    match method {
        StartMethod::Spawn => (SPAWN, "≤ 2 ×"),
        _ => (FORK, "≤ 3 ×"),
    }
}

fn starts(rounds: usize) -> Vec<Samples> {
    let mut all = vec![Samples::new(FORK), Samples::new(SPAWN)];
    for method in METHODS {
        let (floor, mark) = goal(method);
        let samples = |what: &str| Samples::new(&format!("{method}: {what}")).against(floor);
        all.push(samples("life of a pool of one"));
        all.push(samples("one worker more").mark(mark));
        all.push(samples("a death and a replacement"));
    }
    for round in 1..=rounds {
        eprintln!("round {round} of {rounds}");
        let mut measured = vec![floors::fork_and_wait(RUNS), true_and_wait()];
        for method in METHODS {
            measured.extend(lives(method));
            measured.push(replaced(method));
        }
        for (samples, (spent, operations)) in all.iter_mut().zip(measured) {
            samples.add(spent, operations);
        }
    }
    all
}

/// The memory of one worker of two that have nothing to do.
fn idle_worker(method: StartMethod) -> Idle {
    let pool = pool(method, 2);
    let pids = idle::pids_of(&pool);
    let first = idle::of(pids[0]);
    pool.close();
    first
}

fn main() {
    forkyard::init();
    let rounds = benches::rounds();
    println!("{}", table(&starts(rounds)));
    println!("memory of an idle process, of two; mark: PSS ≤ 1 MiB");
    println!("  floor: bare forked child: {}", floors::idle_child());
    for method in METHODS {
        println!("  {method}: {}", idle_worker(method));
    }
}
