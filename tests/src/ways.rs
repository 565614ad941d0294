//! The ways in which a pool can be had: transport and start method, by their names.

use std::fmt;

/// A transport and a start method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    /// `shared` or `copy`.
    pub transport: &'static str,
    /// `spawn`, `fork` or `forkserver`.
    pub method: &'static str,
}

impl Way {
    /// The way of these names.
    #[must_use]
    pub const fn named(transport: &'static str, method: &'static str) -> Self {
        Self { transport, method }
    }

    /// Whether payloads lie in shared memory.
    #[must_use]
    pub fn is_shared(self) -> bool {
        self.transport == "shared"
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.transport, self.method)
    }
}
