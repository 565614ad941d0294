//! How often in a row something may fail: the one budget against crash loops.
//!
//! It is counted in three places, since three things can be what is broken, and each count
//! begins anew when that thing is seen to work:
//!
//! | what fails | counted over | begins anew when |
//! |---|---|---|
//! | a process is not to be had, or ends before it is ready | the pool | any worker is ready, or one that has finished messages is gone |
//! | a process is ready, and ends without having done anything | its seat | one here finishes a message |
//! | whoever starts processes (the zygote) dies | the pool | any worker is ready |

/// The counts that the seats share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Budget {
    most: u32,
    failed_starts: u32,
    lost_starters: u32,
}

impl Budget {
    pub(super) fn new(most: u32) -> Self {
        Self {
            most: most.max(1),
            failed_starts: 0,
            lost_starters: 0,
        }
    }

    /// How many are too many.
    pub(super) fn most(&self) -> u32 {
        self.most
    }

    /// A process was not to be had, or ended before it was ready. Whether that was one too many.
    pub(super) fn start_failed(&mut self) -> bool {
        self.failed_starts = self.most.min(self.failed_starts + 1);
        self.is_spent()
    }

    /// Whether there may be no more starts.
    pub(super) fn is_spent(&self) -> bool {
        self.failed_starts >= self.most
    }

    /// Whoever starts processes has died. Whether that was one too many.
    pub(super) fn starter_lost(&mut self) -> bool {
        self.lost_starters = self.most.min(self.lost_starters + 1);
        self.lost_starters >= self.most
    }

    /// A worker is ready: starting works.
    pub(super) fn start_succeeded(&mut self) {
        self.failed_starts = 0;
        self.lost_starters = 0;
    }

    /// A seat rests, or had a process that was of use, and is tried with a new budget.
    pub(super) fn rested(&mut self) {
        self.failed_starts = 0;
    }
}
