//! Who owns a claim, a lock or a block: a small number, the same in every process.

use core::fmt;

use serde::{Deserialize, Serialize};

/// The supervisor is owner 0; worker `i` of the pool is owner `i + 1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(transparent)]
pub struct OwnerIndex(u8);

/// The most workers that one pool can have: owners 1 to 255.
pub const MAX_WORKERS: usize = 255;

impl OwnerIndex {
    /// The supervisor.
    pub const SUPERVISOR: Self = Self(0);

    /// The owner with this number.
    #[must_use]
    pub const fn new(number: u8) -> Self {
        Self(number)
    }

    /// The owner that worker `index` is; `None` beyond [`MAX_WORKERS`].
    #[must_use]
    pub fn of_worker(index: usize) -> Option<Self> {
        u8::try_from(index + 1).ok().map(Self)
    }

    /// Its number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// The worker that this owner is; `None` for the supervisor.
    #[must_use]
    pub fn worker(self) -> Option<usize> {
        usize::from(self.0).checked_sub(1)
    }
}

impl fmt::Display for OwnerIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.worker() {
            None => f.write_str("the supervisor"),
            Some(worker) => write!(f, "worker {worker}"),
        }
    }
}
