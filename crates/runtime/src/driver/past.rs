//! What is kept of processes that are gone. A pool that replaces its workers for months has any
//! number of them: those at both ends are listed, the others are summed up.

use std::collections::VecDeque;

use crate::error::WorkerDeath;
use crate::report::Unlisted;
use crate::timings::ProcessTimings;

/// Processes that are listed: of the first ones that ended, and of the last.
const MOST_ROWS: Ends = Ends {
    first: 256,
    last: 768,
};

/// Deaths that are told in full, each with up to 2 KiB of standard error. The first ones, since
/// the cause is seen there.
const MOST_DEATHS: Ends = Ends {
    first: 16,
    last: 240,
};

/// How much of both ends of a list is kept.
#[derive(Debug, Clone, Copy)]
struct Ends {
    first: usize,
    last: usize,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Past {
    rows: Kept<ProcessTimings>,
    deaths: Kept<WorkerDeath>,
    /// What is in neither list.
    unlisted: Unlisted,
    /// Items that processes had finished by their end.
    tasks: u64,
    died: u64,
}

impl Past {
    /// A process was reaped.
    pub(super) fn add(&mut self, row: ProcessTimings) {
        // A worker's words: whatever they say, nothing overflows.
        self.tasks = self.tasks.saturating_add(row.tasks);
        if let Some(row) = self.rows.push(row, MOST_ROWS) {
            self.unlisted.add(&row);
        }
    }

    /// It had not been asked to end.
    pub(super) fn add_death(&mut self, death: WorkerDeath) {
        self.died += 1;
        if self.deaths.push(death, MOST_DEATHS).is_some() {
            self.unlisted.deaths += 1;
        }
    }

    /// Items that processes had finished by their end.
    pub(crate) fn tasks(&self) -> u64 {
        self.tasks
    }

    /// How many processes have ended without being asked to.
    pub(crate) fn died(&self) -> u64 {
        self.died
    }

    /// The first of them.
    pub(super) fn first_death(&self) -> Option<&WorkerDeath> {
        self.deaths.iter().next()
    }

    /// The processes that are listed, in the order in which they ended.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &ProcessTimings> {
        self.rows.iter()
    }

    /// The deaths that are listed, in the order in which they came.
    pub(crate) fn deaths(&self) -> impl Iterator<Item = &WorkerDeath> {
        self.deaths.iter()
    }

    /// The sums of what is not.
    pub(crate) fn unlisted(&self) -> Unlisted {
        self.unlisted
    }
}

/// Both ends of a list.
#[derive(Debug)]
struct Kept<T> {
    first: Vec<T>,
    last: VecDeque<T>,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self {
            first: Vec::new(),
            last: VecDeque::new(),
        }
    }
}

impl<T> Kept<T> {
    /// Adds one; returns the one for which there is no place any more.
    fn push(&mut self, item: T, most: Ends) -> Option<T> {
        if self.first.len() < most.first {
            self.first.push(item);
            return None;
        }
        let is_full = self.last.len() >= most.last;
        let out = is_full.then(|| self.last.pop_front()).flatten();
        self.last.push_back(item);
        out
    }

    fn iter(&self) -> impl Iterator<Item = &T> {
        self.first.iter().chain(&self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_are_kept_and_nothing_is_lost_between() {
        let most = Ends { first: 2, last: 3 };
        let mut kept = Kept::default();
        let out: Vec<u32> = (0..10).filter_map(|n| kept.push(n, most)).collect();
        assert_eq!(out, [2, 3, 4, 5, 6]);
        assert_eq!(kept.iter().copied().collect::<Vec<_>>(), [0, 1, 7, 8, 9]);
    }
}
