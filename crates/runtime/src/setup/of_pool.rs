//! What a pool tells of its workers' settings, and of how far their tasks are.

use std::sync::atomic::Ordering;

use crate::Pool;

/// How far the task is that a worker runs, as the task itself
/// [says](crate::Context::progress).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerProgress {
    /// Index of the worker.
    pub worker: usize,
    /// Which incarnation of it.
    pub generation: u32,
    /// What is done, in whatever the task counts.
    pub done: u64,
    /// What there is to do, in the same; 0 when the task does not know.
    pub total: u64,
}

impl Pool {
    /// The name that the pool was [given](crate::PoolBuilder::name).
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.core().setup().name.as_deref()
    }

    /// The value of that type that was [provided](crate::PoolBuilder::provide) to the workers, as
    /// this process has it.
    #[must_use]
    pub fn provided<T: 'static>(&self) -> Option<&T> {
        let mut provided = self.core().setup().provided.iter();
        provided.find_map(|value| value.downcast_ref::<T>())
    }

    /// How far the tasks are that run now and have said something about it. Reads the workers'
    /// pages and disturbs none of them: a number may be a moment old, and `done` older than its
    /// `total`.
    #[must_use]
    pub fn progress(&self) -> Vec<WorkerProgress> {
        let core = self.core();
        let driver = core.lock();
        let occupied = driver.seats.iter().filter(|seat| seat.is_occupied());
        occupied
            .filter_map(|seat| {
                let page = core.control.page(seat.index);
                let begun = page.counters.begun.load(Ordering::Relaxed);
                let said_now = page.progress.message.load(Ordering::Relaxed) == begun;
                // A result that was taken is of a task that runs no more.
                (begun > seat.taken && said_now).then(|| WorkerProgress {
                    worker: seat.index,
                    generation: seat.generation,
                    done: page.progress.done.load(Ordering::Relaxed),
                    total: page.progress.total.load(Ordering::Relaxed),
                })
            })
            .collect()
    }
}
