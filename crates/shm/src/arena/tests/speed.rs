//! Prints what the warm paths cost; asserts nothing. Run with `--release -- --ignored --nocapture`.

use std::hint::black_box;
use std::time::Instant;

use super::double::Machine;

/// Few enough to fit into one time slice of a busy machine; the best of many counts.
const ROUNDS: u32 = 10_000;
const TRIES: u32 = 500;

fn time(what: &str, mut body: impl FnMut()) {
    let mut best = f64::MAX;
    for _ in 0..TRIES {
        let start = Instant::now();
        for _ in 0..ROUNDS {
            body();
        }
        best = best.min(start.elapsed().as_secs_f64() * 1e9 / f64::from(ROUNDS));
    }
    println!("{what:<40} {best:7.1} ns");
}

#[test]
#[ignore = "prints times"]
fn arena_speed() {
    let machine = Machine::new();
    let (supervisor, worker) = (machine.supervisor(), machine.start(200));
    let alloc = |bytes| supervisor.alloc(bytes).unwrap();
    time("alloc + free, 1 KiB", || drop(black_box(alloc(1024))));
    time("alloc + free, 100 MiB", || {
        drop(black_box(alloc(100 << 20)));
    });
    time("alloc + freeze + free", || {
        drop(black_box(alloc(1024).freeze()));
    });
    let block = alloc(1024).freeze();
    let named = block.descriptor();
    time("clone + drop", || drop(black_box(block.clone())));
    time("resolve + drop, first handle", || {
        drop(black_box(worker.resolve(&named).unwrap()));
    });
    let _held = worker.resolve(&named).unwrap();
    time("resolve + drop, further handle", || {
        drop(black_box(worker.resolve(&named).unwrap()));
    });
    time("alloc + offer + take + free", || {
        let offer = alloc(1024).offer();
        drop(black_box(worker.take(&offer.descriptor()).unwrap()));
    });
}
