//! `forkyard inspect`.

use std::convert::Infallible;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;

use super::run::Colour;
use super::values;
use crate::exit;

/// `forkyard inspect [POOL]`
#[derive(Debug, Args)]
#[command(
    after_help = EXAMPLES,
    after_long_help = after_long_help()
)]
pub(crate) struct InspectArgs {
    /// Process id of the supervisor, or the name of the pool's segment [default: the only pool
    /// there is; where there are several, they are listed]
    #[arg(value_name = "PID")]
    pub(crate) pool: Option<Target>,

    /// Print JSON, of all pools where none is named
    #[arg(long, conflicts_with = "watch")]
    pub(crate) json: bool,

    /// Show it live in the terminal, until the pool ends or q is pressed
    #[arg(long, short)]
    pub(crate) watch: bool,

    /// Seconds between two looks with --watch
    #[arg(long, value_name = "SECONDS", default_value = "1", requires = "watch",
          value_parser = values::interval)]
    pub(crate) interval: Duration,

    /// Colours; auto means on a terminal, unless NO_COLOR is set
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = Colour::Auto)]
    pub(crate) color: Colour,
}

const EXAMPLES: &str = "\
Examples:
  forkyard inspect
  forkyard inspect 4711 --json
  forkyard inspect 4711 --watch --interval 0.5";

fn after_long_help() -> String {
    format!("{EXAMPLES}\n\n{}", exit::help())
}

/// Which pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// That of a process.
    Process(i32),
    /// That of a segment.
    Segment(String),
}

impl FromStr for Target {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text.parse() {
            Ok(pid) => Self::Process(pid),
            Err(_) => Self::Segment(text.to_owned()),
        })
    }
}
