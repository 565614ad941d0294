//! The same work without processes: one task after another, or on threads.

use std::sync::atomic::{AtomicU64, Ordering};

use forkyard::StopFlag;

/// Runs tasks `0..tasks` on `threads` threads (one thread: on the caller's own) and returns the
/// results in order of the tasks. Ends early once `stop` is raised for ever.
pub(crate) fn each<R: Send>(
    tasks: u64,
    threads: usize,
    stop: &StopFlag,
    task: impl Fn(u64) -> R + Sync,
) -> Vec<(u64, R)> {
    let next = AtomicU64::new(0);
    let work = || {
        let mut done = Vec::new();
        while !stop.is_raised_for_ever() {
            // Relaxed: the counter hands out numbers and publishes nothing.
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= tasks {
                break;
            }
            done.push((index, task(index)));
        }
        done
    };
    if threads <= 1 {
        return work();
    }
    let mut all: Vec<(u64, R)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let results = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
        results
            .flat_map(|result| result.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    all.sort_unstable_by_key(|(index, _)| *index);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_runs_once_and_in_order_of_results() {
        for threads in [1, 3] {
            let done = each(100, threads, &StopFlag::new(), |index| index * 2);
            let expected: Vec<_> = (0..100).map(|index| (index, index * 2)).collect();
            assert_eq!(done, expected);
        }
    }

    #[test]
    fn a_raised_flag_ends_it() {
        let stop = StopFlag::new();
        let done = each(100, 1, &stop, |index| {
            if index == 4 {
                stop.raise_for_ever();
            }
        });
        assert_eq!(done.len(), 5);
    }
}
