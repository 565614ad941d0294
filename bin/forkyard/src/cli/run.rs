//! `forkyard run`: what all workloads have in common.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use forkyard::{CheckEvery, ChunkSize, StartMethod, Transport};
use forkyard_measure::{Against, RunOptions};

use super::values::{self, named};
use super::workload::WorkloadArgs;
use crate::exit;

/// `forkyard run WORKLOAD …`
#[derive(Debug, Args)]
#[command(
    after_long_help = exit::help(),
    subcommand_value_name = "WORKLOAD",
    subcommand_help_heading = "Workloads"
)]
pub(crate) struct RunArgs {
    #[command(subcommand)]
    pub(crate) workload: WorkloadArgs,

    #[command(flatten)]
    pub(crate) pool: PoolArgs,

    #[command(flatten)]
    pub(crate) report: ReportArgs,
}

/// How the work is run.
#[derive(Debug, Args)]
#[command(next_help_heading = "How it is run")]
pub(crate) struct PoolArgs {
    /// Worker processes, 1 to 255 [default: the cpus that affinity and cgroup allow]
    #[arg(long, short, global = true, value_name = "N", value_parser = values::workers)]
    workers: Option<NonZeroUsize>,

    /// How workers are started
    ///
    /// spawn executes this program anew for each; fork copies this process; forkserver forks
    /// them from a clean copy of this program.
    #[arg(long, global = true, value_name = "METHOD", default_value_t,
          value_parser = named(["spawn", "fork", "forkserver"]).try_map(|s| s.parse::<StartMethod>()))]
    start: StartMethod,

    /// The path on which tasks travel: shared memory, or encoded through pipes
    #[arg(long, global = true, value_name = "TRANSPORT", default_value_t,
          value_parser = named(["shared", "copy"]).try_map(|s| s.parse::<Transport>()))]
    transport: Transport,

    /// Tasks in one message: a number, or auto to follow their measured length
    #[arg(long, global = true, value_name = "N|auto", default_value_t)]
    chunk_size: ChunkSize,

    /// Iterations between two looks at the stop flag: a number, or auto to weigh their cost
    /// against the delay
    #[arg(long, global = true, value_name = "N|auto", default_value_t)]
    check_every: CheckEvery,

    /// The most shared memory for payloads, such as 64MiB [default: what the pool allows itself]
    #[arg(long, global = true, value_name = "SIZE", value_parser = values::size)]
    arena_limit: Option<u64>,

    /// Run the same work that way too, in turn with the pool, and say whether the pool pays
    #[arg(long, global = true, value_name = "WHAT", default_value = "none",
          value_parser = against())]
    against: MaybeAgainst,

    /// How often each is run for --against [default: 3, fewer where a run takes seconds]
    #[arg(long, global = true, value_name = "N")]
    pairs: Option<NonZeroU32>,
}

/// What is reported, and where.
#[derive(Debug, Args)]
#[command(next_help_heading = "What is reported")]
pub(crate) struct ReportArgs {
    /// Write the report as JSON to this file, or with - to standard output, which then carries
    /// nothing else
    #[arg(long, global = true, value_name = "FILE|-")]
    pub(crate) json: Option<PathBuf>,

    /// Print the answer only: no progress bar, no report
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,

    /// Colours in the report; auto means on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t = Colour::Auto)]
    pub(crate) color: Colour,
}

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    #[value(help = "On a terminal, unless NO_COLOR is set")]
    Auto,
    /// Everywhere
    Always,
    /// Nowhere
    Never,
}

impl Colour {
    /// Whether that is decided already.
    pub(crate) fn forced(self) -> Option<bool> {
        match self {
            Self::Auto => None,
            Self::Always => Some(true),
            Self::Never => Some(false),
        }
    }
}

/// What `--against` may say.
#[derive(Debug, Clone, Copy)]
struct MaybeAgainst(Option<Against>);

fn against() -> impl TypedValueParser<Value = MaybeAgainst> {
    let names = Against::NAMES.into_iter().chain(["none"]);
    PossibleValuesParser::new(names).try_map(|name| {
        if name == "none" {
            return Ok(MaybeAgainst(None));
        }
        name.parse().map(|against| MaybeAgainst(Some(against)))
    })
}

impl RunArgs {
    /// The options of the run. `progress` says whether anyone can see a bar.
    pub(crate) fn options(&self, progress: bool) -> RunOptions {
        let pool = &self.pool;
        RunOptions {
            // No more than a pool can have, however large the machine.
            workers: pool
                .workers
                .unwrap_or_else(forkyard::available_cpus)
                .get()
                .min(forkyard::MAX_WORKERS),
            start_method: pool.start,
            transport: pool.transport,
            chunk_size: pool.chunk_size,
            check_every: pool.check_every,
            arena_limit: pool.arena_limit,
            against: pool.against.0,
            pairs: pool.pairs,
            progress: progress && !self.report.quiet,
        }
    }
}
