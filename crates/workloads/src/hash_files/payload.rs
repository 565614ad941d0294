//! The three ways to hand a file to a worker.

use std::fmt;
use std::str::FromStr;

/// How a file reaches a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Payload {
    /// Its path is sent and the worker reads it: nothing is copied between processes, and a
    /// file of any size is streamed.
    #[default]
    Path,
    /// The supervisor reads it and sends its bytes over the pool's transport.
    Copy,
    /// The supervisor reads it into a block of shared memory and hands the block over.
    Shared,
}

/// A name that is none of the ways.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no way to hand over a file; take path, copy or shared")]
pub struct PayloadError(String);

impl Payload {
    /// The names of all ways.
    pub const NAMES: [&'static str; 3] = ["path", "copy", "shared"];
}

impl fmt::Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Path => "path",
            Self::Copy => "copy",
            Self::Shared => "shared",
        })
    }
}

impl FromStr for Payload {
    type Err = PayloadError;

    fn from_str(name: &str) -> Result<Self, PayloadError> {
        match name {
            "path" => Ok(Self::Path),
            "copy" => Ok(Self::Copy),
            "shared" => Ok(Self::Shared),
            _ => Err(PayloadError(name.to_owned())),
        }
    }
}
