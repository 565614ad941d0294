//! What a batch's tasks are run under: how long each may take, and what becomes of it when its
//! worker dies.

use std::time::Duration;

use crate::OnCrash;

/// See the module.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// How long a task may run once a worker has taken it.
    pub(crate) timeout: Option<Duration>,
    /// From asking a task to stop until its process is told to end.
    pub(crate) grace: Duration,
    pub(crate) on_crash: OnCrash,
    /// A task changes its argument where it lies, so that it cannot be run again.
    pub(crate) in_place: bool,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            timeout: None,
            grace: Duration::from_secs(1),
            on_crash: OnCrash::Fail,
            in_place: false,
        }
    }
}

impl Terms {
    /// How often a task may be run again.
    pub(crate) fn retries(&self) -> u32 {
        match self.on_crash {
            OnCrash::Fail => 0,
            OnCrash::Retry { max } => max,
        }
    }

    /// The same for tasks that change their arguments where they lie.
    pub(crate) fn writing_in_place(self) -> Self {
        Self {
            in_place: true,
            ..self
        }
    }

    /// Whether the fate of one item must not be that of others, so that each travels in a
    /// message of its own.
    pub(crate) fn one_by_one(&self) -> bool {
        self.timeout.is_some() || self.retries() > 0
    }
}
