//! The workloads and their own options.

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::TypedValueParser;
use clap::{Args, Subcommand};
use forkyard::Protocol;
use forkyard_workloads::{
    CountPrimes, HashFiles, NumberRange, Pattern, Payload, PrimeTest, Primes, Spin, Workload,
};

use super::values::{self, named};

/// The workloads.
#[derive(Debug, Subcommand)]
pub(crate) enum WorkloadArgs {
    /// Search ranges for a prime; the first worker to find one stops the others
    #[command(after_help = "\
Examples:
  forkyard run primes 1e12..1e13 --workers 2
  forkyard run primes 2^62..2^63 --pattern twin --check-every 100 --json -
  forkyard run primes 0..1e5 1e5..2e5 2e5..3e5 3e5..4e5 --workers 4 --test trial
  forkyard run primes 1e14..1e15 1e14..1e15 --workers 2 --test trial --protocol unchecked")]
    Primes(PrimesArgs),

    /// Count the primes up to a limit, to see what looking at the stop flag costs
    #[command(after_help = "\
Examples:
  forkyard run count-primes 1e6 --check-every 10
  forkyard run count-primes 1e6 --check-every 1000 --against threads")]
    CountPrimes(CountArgs),

    /// SHA-256 of every regular file below the paths, printed as sha256sum does
    ///
    /// The lines come sorted by name and go to standard output, and the report then to standard
    /// error. Files that cannot be read are named there one by one. Links are followed where
    /// they are given, not where they are met.
    #[command(after_help = "\
Examples:
  forkyard run hash-files /usr/share/doc > sums.txt
  forkyard run hash-files src --payload shared --output sums.txt --against sequential")]
    HashFiles(HashArgs),

    /// Tasks of a given length with payloads and results of a given size
    ///
    /// Every byte of a payload is read by the task, and every byte of a result is checked. On
    /// the shared transport both are blocks of shared memory, on the copy transport bytes.
    #[command(after_help = "\
Examples:
  forkyard run spin --task-us 3 --tasks 100000 --chunk-size 64
  forkyard run spin --task-us 50 --payload-bytes 1MiB --tasks 500 --transport copy")]
    Spin(SpinArgs),
}

#[derive(Debug, Args)]
pub(crate) struct PrimesArgs {
    /// Where to search: A..B (without B) or A..=B; numbers such as 10_000, 1e12 and 2^40
    #[arg(required = true, value_name = "RANGE")]
    ranges: Vec<NumberRange>,

    /// Which primes count
    #[arg(long, value_name = "PATTERN", default_value_t,
          value_parser = named(Pattern::NAMES).try_map(|s| s.parse::<Pattern>()))]
    pattern: Pattern,

    /// How a number is tested
    #[arg(long, value_name = "TEST", default_value_t,
          value_parser = named(PrimeTest::NAMES).try_map(|s| s.parse::<PrimeTest>()))]
    test: PrimeTest,

    /// How a worker makes sure that it is the only winner
    ///
    /// claim takes one atomic step; lock takes a lock and looks again; unchecked does neither,
    /// and shows how often several workers believe to have won.
    #[arg(long, value_name = "PROTOCOL", default_value_t,
          value_parser = named(["claim", "lock", "unchecked"]).try_map(|s| s.parse::<Protocol>()))]
    protocol: Protocol,

    /// Neighbouring pieces into which each range is cut [default: one for each worker in all]
    #[arg(long, value_name = "N", value_parser = values::pieces)]
    pieces: Option<NonZeroU64>,
}

#[derive(Debug, Args)]
pub(crate) struct CountArgs {
    /// The last number to test, such as 1000000 or 1e6
    #[arg(value_parser = forkyard_workloads::parse_number)]
    limit: u64,

    /// How a number is tested
    #[arg(long, value_name = "TEST", default_value_t = PrimeTest::Trial,
          value_parser = named(PrimeTest::NAMES).try_map(|s| s.parse::<PrimeTest>()))]
    test: PrimeTest,

    /// Tasks into which the numbers are cut [default: 16 for each worker, of 10,000 or more]
    #[arg(long, value_name = "N", value_parser = values::pieces)]
    pieces: Option<NonZeroU64>,
}

#[derive(Debug, Args)]
pub(crate) struct HashArgs {
    /// Files, and directories with all that is below them
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// How a file reaches a worker
    ///
    /// path sends its name, and the worker reads it; copy sends its bytes over the transport;
    /// shared reads it into a block of shared memory and hands that over.
    #[arg(long, value_name = "PAYLOAD", default_value_t,
          value_parser = named(Payload::NAMES).try_map(|s| s.parse::<Payload>()))]
    payload: Payload,

    /// Write the lines to this file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct SpinArgs {
    /// Length of a task in microseconds on an idle core; fractions are allowed
    #[arg(long, value_name = "US", default_value = "50", value_parser = values::microseconds)]
    task_us: Duration,

    /// Bytes that each task reads, such as 4096, 64KiB or 1MiB
    #[arg(long, value_name = "SIZE", default_value = "0", value_parser = values::length)]
    payload_bytes: usize,

    /// Bytes that each task writes
    #[arg(long, value_name = "SIZE", default_value = "0", value_parser = values::length)]
    result_bytes: usize,

    /// How many tasks
    #[arg(long, value_name = "N", default_value = "1000",
          value_parser = forkyard_workloads::parse_number)]
    tasks: u64,
}

impl WorkloadArgs {
    /// The workload. This may take a moment: `hash-files` looks for its files here.
    pub(crate) fn build(&self) -> Box<dyn Workload> {
        match self {
            Self::Primes(args) => Box::new(Primes {
                ranges: args.ranges.clone(),
                pattern: args.pattern,
                test: args.test,
                protocol: args.protocol,
                pieces: args.pieces,
            }),
            Self::CountPrimes(args) => Box::new(CountPrimes {
                limit: args.limit,
                test: args.test,
                pieces: args.pieces,
            }),
            Self::HashFiles(args) => Box::new(HashFiles::new(&args.paths, args.payload)),
            Self::Spin(args) => Box::new(Spin::new(
                args.task_us,
                args.payload_bytes,
                args.result_bytes,
                args.tasks,
            )),
        }
    }

    /// Where its product goes, if it has one and not to standard output.
    pub(crate) fn output(&self) -> Option<&PathBuf> {
        match self {
            Self::HashFiles(args) => args.output.as_ref(),
            _ => None,
        }
    }
}
