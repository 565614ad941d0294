//! Settings about the life of workers: how long they stay, and how often they are tried.

use std::num::NonZeroU64;
use std::time::Duration;

use super::PoolBuilder;
use crate::life::Rules;

/// See the setters.
#[derive(Debug, Clone)]
pub(crate) struct Lifecycle {
    pub(crate) most_failed_starts: u32,
    pub(crate) max_tasks_per_child: Option<NonZeroU64>,
    pub(crate) recycle_after_growth: Option<u64>,
    pub(crate) min_workers: usize,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) exit_timeout: Duration,
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self {
            most_failed_starts: 5,
            max_tasks_per_child: None,
            recycle_after_growth: None,
            min_workers: 1,
            idle_timeout: None,
            exit_timeout: Duration::from_secs(30),
        }
    }
}

impl Lifecycle {
    /// What the machine is told.
    pub(crate) fn rules(&self) -> Rules {
        Rules {
            most_failures: self.most_failed_starts.max(1),
            least_workers: self.min_workers,
        }
    }

    /// Items that a new worker may be sent.
    pub(crate) fn allowance(&self) -> u64 {
        self.max_tasks_per_child.map_or(u64::MAX, NonZeroU64::get)
    }

    /// Items that a chunk of automatic size may have.
    pub(crate) fn most_items(&self) -> usize {
        usize::try_from(self.allowance()).unwrap_or(usize::MAX)
    }

    /// Whether workers are replaced that are not dead.
    #[inline]
    pub(crate) fn recycles(&self) -> bool {
        self.max_tasks_per_child.is_some() || self.recycle_after_growth.is_some()
    }
}

/// How long workers stay, and how often they are tried.
impl PoolBuilder {
    /// The budget against crash loops: how many failures in a row are too many. Default: 5, and
    /// at least 1.
    ///
    /// What counts, and when counting begins anew:
    ///
    /// * a process cannot be had, or ends before it is ready: counted over the whole pool, until
    ///   any worker is ready, or one ends that had finished tasks. (While the pool is built, the
    ///   first is one too many: it is the error of [`build`](Self::build).)
    /// * a worker was ready and ends without having done anything: counted for its seat, until
    ///   one there finishes a task. A worker that dies in the middle of a task does not count:
    ///   that is the task's failure.
    /// * the zygote dies, from which workers are forked: counted until any worker is ready.
    ///
    /// When the budget is used up, the seat is given up; when none is left, tasks fail with
    /// [`TaskError::NoWorkers`](crate::TaskError::NoWorkers) and the first cause. But as long as
    /// other workers finish tasks meanwhile, the seat only rests, and is tried again a few times a
    /// second.
    pub fn most_failed_starts(mut self, most: u32) -> Self {
        self.lifecycle.most_failed_starts = most;
        self
    }

    /// Replaces each worker by a new process after so many tasks (items of a `map`, not chunks):
    /// for tasks that leak, or leave something behind. Default: never. Zero means never, too.
    ///
    /// It is sent no more than that, finishes them, and ends in good order. A chunk that would be
    /// too much goes to the next. Chunks of automatic size have no more items than that; one of
    /// your own that has more is all that its worker does.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), forkyard::BuildError> {
    /// forkyard::init();
    /// let pool = forkyard::Pool::builder().workers(1).max_tasks_per_child(10).build()?;
    /// let results = pool.map(|n: u64| n + 1, 0..100);
    /// assert!(results.iter().all(Result::is_ok));
    /// assert!(pool.close().processes.iter().all(|process| process.tasks <= 10));
    /// # Ok(())
    /// # }
    /// ```
    pub fn max_tasks_per_child(mut self, tasks: u64) -> Self {
        self.lifecycle.max_tasks_per_child = NonZeroU64::new(tasks);
        self
    }

    /// Replaces a worker by a new process when, after a task, its private memory has grown by more
    /// than so many bytes since it was ready: for tasks that leak. Default: never. Zero means
    /// never, too.
    ///
    /// Private is what belongs to it alone, the heap above all; not the pool's shared memory, nor
    /// files that are mapped. What it had when its initializer had returned is where counting
    /// begins, whether it has inherited it from the process that forked it or not. So a worker
    /// that has done nothing is never replaced for it, however large the program that it is a copy of.
    /// On macOS it is resident memory of any kind, since the system tells no other at that
    /// price: there, what a worker has touched of shared memory counts as growth.
    ///
    /// The worker looks at its own memory when a task ends, at most once a millisecond, and
    /// only when this is set. It takes no more tasks then, and ends in good order when it has
    /// finished those that it had. A first task makes the heap larger by what any task needs, so that a
    /// limit is some megabytes at least.
    pub fn recycle_after_growth(mut self, bytes: u64) -> Self {
        self.lifecycle.recycle_after_growth = (bytes > 0).then_some(bytes);
        self
    }

    /// How many workers stay when [`idle_timeout`](Self::idle_timeout) is set, however idle.
    /// Default: 1. With 0 all may go; the next task then waits for the start of a worker.
    pub fn min_workers(mut self, workers: usize) -> Self {
        self.lifecycle.min_workers = workers;
        self
    }

    /// Ends workers that have had nothing to do for so long (or up to a quarter longer), down to
    /// [`min_workers`](Self::min_workers). They are started again when there is work for them.
    /// Default: never.
    ///
    /// Work then goes to as few workers as can take it at once, so that others can be idle.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        // A pool that looked for idle workers all the time would not be idle itself.
        self.lifecycle.idle_timeout = Some(timeout.max(Duration::from_millis(1)));
        self
    }

    /// How long a worker that was told to end (because the pool closes, or it is replaced, or not
    /// needed) may take, until it gets SIGTERM, and SIGKILL half a second later. Default: 30
    /// seconds. The time of its last tasks is not counted, that of its finalizer is.
    pub fn exit_timeout(mut self, timeout: Duration) -> Self {
        self.lifecycle.exit_timeout = timeout;
        self
    }
}
