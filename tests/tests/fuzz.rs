//! Promise: whatever a peer writes is an answer or a fault by name. The fuzz targets, each on some
//! thousand random inputs; `fuzz/` runs the same ones for as long as one likes.
//!
//! `FY_FUZZ=SEED` takes another seed, `FY_FUZZ=SEED:INPUT` runs a single input of it.
#![forbid(unsafe_code)]

use tests::fuzz::{self, TARGETS};

const SEED: u64 = 1;

/// One test for each target.
macro_rules! bounded {
    ($($name:ident)+) => {
        $(
            #[test]
            fn $name() {
                run(stringify!($name));
            }
        )+

        const TESTED: &[&str] = &[$(stringify!($name)),+];
    };
}

mod case_45_any_bytes_from_a_peer {
    use super::*;

    bounded! {
        lane_supervisor lane_worker arena descriptor control onlooker result_slot queue state_words
        packets codec names replies chunks zygote
    }

    #[test]
    fn every_target_is_run_here_and_by_the_fuzzer() {
        let mut names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
        assert_eq!(TESTED, names);
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/fuzz_targets");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .expect("the folder of targets")
            .filter_map(|file| file.ok()?.path().file_stem()?.to_str().map(str::to_owned))
            .collect();
        files.sort();
        names.sort_unstable();
        assert_eq!(files, names);
    }
}

fn run(name: &str) {
    let (seed, only) = match std::env::var("FY_FUZZ") {
        Ok(text) => {
            let (seed, only) = match text.split_once(':') {
                Some((seed, only)) => (seed, Some(only)),
                None => (text.as_str(), None),
            };
            let number = "FY_FUZZ=SEED or FY_FUZZ=SEED:INPUT";
            (
                seed.parse().expect(number),
                only.map(|only| only.parse().expect(number)),
            )
        }
        Err(_) => (SEED, None),
    };
    fuzz::random::run(fuzz::target(name), seed, only);
}
