//! Threads inside processes: each worker may use rayon, and the pool sees to it that all of them
//! together use the machine once, and not once each. `inner_threads` sets the variables that rayon,
//! OpenMP and the usual linear algebra libraries look at. Here the words of texts are counted, a text
//! in each worker, by all threads of that worker.
//!
//! `cargo run --release --example rayon_inside -- FILE...` (default: a text is made)

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use forkyard::{Pool, available_cpus};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// What a text is made of, and how many threads have found that out.
#[derive(Debug, Serialize, Deserialize)]
struct Words {
    all: usize,
    different: usize,
    most_often: String,
    times: usize,
    threads: usize,
}

/// The numbers to 10,000 as children count them in a circle.
fn made() -> String {
    let word = |n: u32| match (n.is_multiple_of(3), n.is_multiple_of(5)) {
        (true, true) => "fizzbuzz ".to_owned(),
        (true, false) => "fizz ".to_owned(),
        (false, true) => "buzz ".to_owned(),
        (false, false) => format!("{n} "),
    };
    (1..=10_000).map(word).collect()
}

/// Counts the words of a file, or of the text that is made, by this worker's threads.
fn count(file: Option<PathBuf>) -> Result<Words, String> {
    let text = match file {
        Some(file) => std::fs::read_to_string(file).map_err(|error| error.to_string())?,
        None => made(),
    };
    let counts = text
        .par_split_whitespace()
        .fold(HashMap::new, |mut counts, word| {
            *counts.entry(word).or_insert(0) += 1;
            counts
        })
        .reduce(HashMap::new, |mut counts, others| {
            for (word, times) in others {
                *counts.entry(word).or_insert(0) += times;
            }
            counts
        });
    let most = counts.iter().max_by_key(|(word, times)| (**times, **word));
    let (most_often, times) = most.ok_or("there is no word in it")?;
    Ok(Words {
        all: counts.values().sum(),
        different: counts.len(),
        most_often: (*most_often).to_owned(),
        times: *times,
        threads: rayon::current_num_threads(),
    })
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    forkyard::init();
    let mut files: Vec<_> = std::env::args_os()
        .skip(1)
        .map(|file| Some(PathBuf::from(file)))
        .collect();
    if files.is_empty() {
        files = vec![None];
    }
    let workers = files.len().min(available_cpus().get());
    let pool = Pool::builder()
        .workers(workers)
        .inner_threads((available_cpus().get() / workers).max(1))
        .build()?;
    let mut failed = 0;
    let mut out = std::io::stdout().lock();
    for (file, words) in files.iter().zip(pool.imap(count, files.clone())) {
        let name = file.as_deref().unwrap_or(Path::new("made")).display();
        match words? {
            Ok(words) => writeln!(
                out,
                "{name}: {} words, {} different ones, most often {} ({} times); by {} thread(s)",
                words.all, words.different, words.most_often, words.times, words.threads
            )?,
            Err(why) => {
                failed += 1;
                eprintln!("{name}: {why}");
            }
        }
    }
    match failed {
        0 => Ok(()),
        n => Err(format!("{n} of {} texts could not be counted", files.len()).into()),
    }
}
