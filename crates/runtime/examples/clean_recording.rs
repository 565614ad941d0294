//! Takes the clicks out of a recording, where it lies: raw samples of 16 bits in the arena, cut into
//! parts that the workers write in parallel. Nothing is copied or sent.
//!
//! `cargo run --release --example clean_recording -- FILE` (default: a tone with clicks is made)

use forkyard::{Owned, Pool};

/// A sample this far from both neighbours is a click.
const CLICK: u16 = 8_000;
/// Samples in a part.
const PART: usize = 1 << 16;

/// Puts a click's neighbours' mean in its place. Returns how many there were. A part's first and
/// last sample are left as they are.
fn clean(samples: &mut [i16]) -> usize {
    let mut clicks = 0;
    for at in 1..samples.len().saturating_sub(1) {
        let (before, after) = (samples[at - 1], samples[at + 1]);
        let is_far = |other: i16| samples[at].abs_diff(other) > CLICK;
        if is_far(before) && is_far(after) {
            samples[at] = i16::midpoint(before, after);
            clicks += 1;
        }
    }
    clicks
}

/// A tone of 440 Hz for ten seconds, with a click in every thousandth sample.
fn tone() -> impl Iterator<Item = i16> {
    (0..441_000_u32).map(|at| {
        let phase = f64::from(at) * 440.0 * std::f64::consts::TAU / 44_100.0;
        let tone = (phase.sin() * 3_000.0) as i16;
        if at % 1000 == 500 { i16::MAX } else { tone }
    })
}

/// The recording, in shared memory.
fn read(
    pool: &Pool,
    file: Option<std::ffi::OsString>,
) -> Result<Owned<[i16]>, Box<dyn std::error::Error>> {
    let Some(file) = file else {
        let made: Vec<i16> = tone().collect();
        let mut samples = pool.arena().alloc(made.len())?;
        samples.copy_from_slice(&made);
        return Ok(samples);
    };
    let bytes = std::fs::read(&file)
        .map_err(|error| format!("{}: {error}; usage: clean_recording [FILE]", file.display()))?;
    let mut samples = pool.arena().alloc::<i16>(bytes.len() / 2)?;
    for (sample, bytes) in samples.iter_mut().zip(bytes.chunks_exact(2)) {
        *sample = i16::from_le_bytes([bytes[0], bytes[1]]);
    }
    Ok(samples)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    forkyard::init();
    let pool = Pool::builder().build()?;
    let mut samples = read(&pool, std::env::args_os().nth(1))?;
    let mut expected = samples.to_vec();

    let cleaned = pool.for_each_chunk_mut(&mut samples, PART, |_, part: &mut [i16]| clean(part));
    let clicks = cleaned.into_iter().sum::<Result<usize, _>>()?;
    println!("{clicks} clicks taken out of {} samples", samples.len());

    let in_order: usize = expected.chunks_mut(PART).map(clean).sum();
    assert_eq!((in_order, &expected[..]), (clicks, &samples[..]));
    println!("the same as one after the other");
    Ok(())
}
