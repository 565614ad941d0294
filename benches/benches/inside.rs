//! The inside of a message: codec and lane, without a second process.
//!
//! `cargo bench -p benches --bench inside`

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use forkyard::{CheckEvery, Search, StopFlag};
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

criterion_group!(benches, codec_round_trip, clock, stop_flag);
criterion_main!(benches);
