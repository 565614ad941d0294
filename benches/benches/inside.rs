//! The inside of a message: codec, clock, stop flag and arena, without a second process's share;
//! and of shared state: what each operation costs when nobody is in the way.
//!
//! `cargo bench -p benches --bench inside`

use std::hint::black_box;

use criterion::{Criterion, criterion_group};
use forkyard::{CheckEvery, Pool, Search, StateError, StopFlag};
use forkyard_wire::codec;

fn codec_round_trip(c: &mut Criterion) {
    let mut buffer = [0u8; 96];
    c.bench_function("codec: a u64 into a slot and back", |b| {
        b.iter(|| {
            let len = codec::encode_to_slice(&black_box(7u64), &mut buffer).expect("fits");
            codec::decode::<u64>(black_box(&buffer[..len])).expect("decodes")
        });
    });
    c.bench_function("codec: a (u64, String, Vec<u32>) and back", |b| {
        let value = (7u64, "forkyard".to_owned(), vec![1u32, 2, 3]);
        b.iter(|| {
            let len = codec::encode_to_slice(black_box(&value), &mut buffer).expect("fits");
            codec::decode::<(u64, String, Vec<u32>)>(black_box(&buffer[..len])).expect("decodes")
        });
    });
}

fn clock(c: &mut Criterion) {
    c.bench_function("clock: ticks", |b| b.iter(forkyard_os::clock::ticks));
    c.bench_function("clock: now_ns", |b| b.iter(forkyard_os::clock::now_ns));
}

/// A loop of a thousand iterations without and with a check; divide by 1,000.
fn stop_flag(c: &mut Criterion) {
    let flag = StopFlag::new();
    let round = flag.arm();
    let work = |n: u64| black_box(n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    c.bench_function("loop: 1,000 iterations, no check", |b| {
        b.iter(|| (0..1_000u64).fold(0u64, |sum, n| sum ^ work(n)));
    });
    for every in [1, 100, 10_000] {
        c.bench_function(
            &format!("loop: 1,000 iterations, check every {every}"),
            |b| {
                let search = Search::new(&flag, round, CheckEvery::every(every));
                let mut check = search.checker();
                b.iter(|| {
                    let mut sum = 0u64;
                    for n in 0..1_000u64 {
                        if check.should_stop() {
                            break;
                        }
                        sum ^= work(n);
                    }
                    sum
                });
            },
        );
    }
}

/// What a warm block costs: nobody else is about, and the bytes are not touched.
fn arena(c: &mut Criterion) {
    let pool = Pool::builder().workers(1).build().expect("a pool");
    let arena = pool.arena();
    for (name, bytes) in [("64 B", 64), ("4 KiB", 4 << 10), ("1 MiB", 1 << 20)] {
        c.bench_function(&format!("arena: alloc and free {name}, warm"), |b| {
            b.iter(|| arena.alloc::<u8>(black_box(bytes)).expect("room"));
        });
    }
    c.bench_function("arena: alloc, freeze and free 4 KiB, warm", |b| {
        b.iter(|| {
            arena
                .alloc::<u8>(black_box(4 << 10))
                .expect("room")
                .into_shared()
        });
    });
    let shared = arena.copy_from(&[1u8; 4 << 10]).expect("room");
    c.bench_function("arena: slice and drop", |b| {
        b.iter(|| shared.slice(black_box(100)..200));
    });
    c.bench_function("arena: clone and drop", |b| b.iter(|| shared.clone()));
    drop(shared);
    pool.close();
}

/// What the receiver's side of a descriptor costs, on an arena of its own.
fn descriptors(c: &mut Criterion) {
    let arena = benches::arena::private();
    let block = arena.alloc(4 << 10).expect("room").freeze();
    let named = block.descriptor();
    c.bench_function("arena: resolve and drop", |b| {
        b.iter(|| arena.resolve(black_box(&named)).expect("held"));
    });
    c.bench_function("arena: alloc, offer, take and free 4 KiB, warm", |b| {
        b.iter(|| {
            let offer = arena.alloc(black_box(4 << 10)).expect("room").offer();
            arena.take(&offer.descriptor()).expect("on offer")
        });
    });
}

/// One operation of each primitive of shared state, uncontended, in a pool whose worker is
/// asleep.
fn state(c: &mut Criterion) {
    let pool = Pool::builder().workers(1).build().expect("a pool");
    state_of(c, &pool).expect("memory for shared state");
    pool.close();
}

fn state_of(c: &mut Criterion, pool: &Pool) -> Result<(), StateError> {
    let cell = pool.cell(0_u64)?;
    c.bench_function("state: cell, fetch_add", |b| b.iter(|| cell.fetch_add(1)));
    let array = pool.array::<u64>(64)?;
    c.bench_function("state: array, fetch_add in one of 64", |b| {
        b.iter(|| array[black_box(7)].fetch_add(1));
    });
    let mutex = pool.mutex(0_u64)?;
    c.bench_function("state: mutex, lock and unlock", |b| {
        b.iter(|| *mutex.lock().expect("nobody dies") += 1);
    });
    let event = pool.event()?;
    c.bench_function("state: event, set and clear", |b| {
        b.iter(|| (event.set(), event.clear()));
    });
    event.set();
    c.bench_function("state: event, wait for what is set", |b| {
        b.iter(|| event.wait().is_ok());
    });
    let semaphore = pool.semaphore(4)?;
    c.bench_function("state: semaphore of 4, acquire and release", |b| {
        b.iter(|| semaphore.acquire().release());
    });
    let barrier = pool.barrier(1)?;
    c.bench_function("state: barrier of 1, pass", |b| {
        b.iter(|| barrier.wait().is_ok());
    });
    let queue = pool.queue::<u64>(64)?;
    c.bench_function("state: queue, push and pop", |b| {
        b.iter(|| (queue.push(1).is_ok(), queue.pop()));
    });
    c.bench_function("state: make a mutex and give it back", |b| {
        b.iter(|| pool.mutex(0_u64).is_ok());
    });
    Ok(())
}

criterion_group!(
    benches,
    codec_round_trip,
    clock,
    stop_flag,
    arena,
    descriptors,
    state
);

fn main() {
    forkyard::init(); // in a worker of a pool that is built here, this never returns
    benches();
    Criterion::default().configure_from_args().final_summary();
}
