//! What the runners in Rust share: their arguments, how they take samples, and how they answer.
//!
//! Included by each runner as a module, since one of them lives in a workspace of its own. What
//! `tasks.py` and `measure.py` do for the peers in Python is the same, line by line.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::json;

/// Samples of a run at least, however long one takes.
const FEWEST_SAMPLES: usize = 3;
/// Samples of a run at most.
const MOST_SAMPLES: usize = 40;

/// What a runner is asked to do.
#[derive(Debug)]
pub(crate) struct Arguments {
    words: BTreeMap<String, String>,
}

impl Arguments {
    /// From the command line: `--name value` pairs.
    pub(crate) fn read() -> Self {
        let all: Vec<String> = std::env::args().skip(1).collect();
        let pairs = all.chunks_exact(2);
        assert!(pairs.remainder().is_empty(), "{all:?} are no pairs");
        let words = pairs.map(|pair| {
            let name = pair[0].strip_prefix("--").expect("--name value");
            (name.to_owned(), pair[1].clone())
        });
        Self {
            words: words.collect(),
        }
    }

    /// The word that follows `--name`.
    pub(crate) fn word(&self, name: &str) -> &str {
        self.words
            .get(name)
            .unwrap_or_else(|| panic!("--{name} is missing"))
    }

    fn number(&self, name: &str) -> f64 {
        self.word(name).parse().expect("a number")
    }

    /// For how long samples are taken.
    pub(crate) fn seconds(&self) -> f64 {
        self.number("seconds")
    }

    /// How long a task may be without an answer.
    pub(crate) fn deadline(&self) -> Duration {
        Duration::from_secs_f64(self.number("deadline"))
    }
}

/// Bytes that are sent as one run, and sent twice without being copied by who sends them.
#[derive(Debug, Clone)]
pub(crate) struct Bytes(pub(crate) Arc<Vec<u8>>);

impl Bytes {
    pub(crate) fn new(len: usize) -> Self {
        Self(Arc::new(vec![1; len]))
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

struct TakeBytes;

impl<'de> Visitor<'de> for TakeBytes {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("bytes")
    }

    fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
        Ok(bytes)
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<u8>, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = items.next_element()? {
            bytes.push(byte);
        }
        Ok(bytes)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = deserializer.deserialize_byte_buf(TakeBytes)?;
        Ok(Self(Arc::new(bytes)))
    }
}

/// What a runner answers.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    series: BTreeMap<&'static str, Vec<f64>>,
    words: BTreeMap<&'static str, String>,
}

impl Answer {
    /// Samples of one kind, the usual case.
    pub(crate) fn of(name: &'static str, samples: Vec<f64>) -> Self {
        let mut answer = Self::default();
        answer.series.insert(name, samples);
        answer
    }

    /// One more sample of that kind.
    pub(crate) fn add(&mut self, name: &'static str, sample: f64) {
        self.series.entry(name).or_default().push(sample);
    }

    /// What was seen, in words.
    pub(crate) fn say(&mut self, name: &'static str, words: String) {
        self.words.insert(name, words);
    }

    /// Prints it, as the one line that is read.
    pub(crate) fn print(&self) {
        println!("{}", json!({ "series": self.series, "words": self.words }));
    }
}

/// Says that this peer has no such thing.
pub(crate) fn print_absent(why: &str) {
    println!("{}", json!({ "absent": why }));
}

fn ns(spent: Duration) -> f64 {
    spent.as_secs_f64() * 1e9
}

/// Nanoseconds of each run of `body`, which says itself how long what counts took; the first run
/// is the warm-up and does not count.
pub(crate) fn each(seconds: f64, mut body: impl FnMut() -> Duration) -> Vec<f64> {
    body();
    let start = Instant::now();
    let mut samples = Vec::new();
    while samples.len() < FEWEST_SAMPLES
        || samples.len() < MOST_SAMPLES && start.elapsed().as_secs_f64() < seconds
    {
        samples.push(ns(body()));
    }
    samples
}

/// Nanoseconds of one run of `body`, in batches: as many runs in each as take a fortieth of the
/// time. Half the time again is the warm-up, which finds out how many that are.
pub(crate) fn batches(seconds: f64, mut body: impl FnMut()) -> Vec<f64> {
    let start = Instant::now();
    let mut runs = 0_u32;
    while runs == 0 || start.elapsed().as_secs_f64() < seconds / 2.0 {
        body();
        runs += 1;
    }
    let one = start.elapsed().as_secs_f64() / f64::from(runs);
    let batch = ((seconds / MOST_SAMPLES as f64 / one) as u32).max(1);
    let samples = each(seconds, || {
        let start = Instant::now();
        (0..batch).for_each(|_| body());
        start.elapsed()
    });
    samples.iter().map(|ns| ns / f64::from(batch)).collect()
}

/// Nanoseconds per item of `body(items)`, of so many items that it takes a third of the time.
/// Finding that out is the warm-up.
pub(crate) fn bulk(seconds: f64, mut body: impl FnMut(u64)) -> Vec<f64> {
    let mut items = 1000;
    loop {
        let start = Instant::now();
        body(items);
        if start.elapsed().as_secs_f64() >= seconds / 3.0 {
            break;
        }
        items *= 2;
    }
    let samples = each(seconds, || {
        let start = Instant::now();
        body(items);
        start.elapsed()
    });
    samples.iter().map(|ns| ns / items as f64).collect()
}

/// The memory of these processes, a sample each: proportional, resident and private bytes.
pub(crate) fn memory(pids: &[u32]) -> Answer {
    let mut answer = Answer::default();
    for pid in pids {
        let path = format!("/proc/{pid}/smaps_rollup");
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
        let bytes = |field: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(field));
            let kib = line.and_then(|rest| rest.trim().strip_suffix(" kB"));
            kib.and_then(|kib| kib.parse::<f64>().ok())
                .unwrap_or_default()
                * 1024.0
        };
        answer.add("pss", bytes("Pss:"));
        answer.add("rss", bytes("Rss:"));
        let private = bytes("Private_Clean:") + bytes("Private_Dirty:");
        answer.add("private", private);
    }
    answer
}

/// Nanoseconds since then.
pub(crate) fn since(start: Instant) -> f64 {
    ns(start.elapsed())
}

/// 100 MB, 1 MiB: the sizes that the works are named after.
pub(crate) const MEGABYTES_100: usize = 100_000_000;
pub(crate) const MEBIBYTE: usize = 1 << 20;
/// How long idle workers are left alone before their memory is looked at.
pub(crate) const SETTLE: Duration = Duration::from_millis(300);
