//! Two ways to send many tasks without holding them all in memory.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use forkyard::{Handle, Pool, TaskError};
use serde::{Serialize, de::DeserializeOwned};

/// Results are collected in rounds of at most this many tasks and this many bytes.
const ROUND_TASKS: u64 = 1 << 16;
const ROUND_BYTES: u64 = 16 << 20;

/// Tasks under way for each worker where they go one by one: enough that none waits for the
/// supervisor, few enough that their blocks stay in the cache.
const WINDOW_PER_WORKER: usize = 4;

/// Tasks of one kind: how many, and what each is given. `load` says why where there is no room for
/// it; then answers are taken first, which gives blocks back.
pub(crate) struct Tasks<L> {
    pub(crate) count: u64,
    pub(crate) load: L,
}

impl<In, L> Tasks<L>
where
    In: Serialize + DeserializeOwned,
    L: Fn(u64) -> Result<In, String>,
{
    /// Sends tasks in rounds, many in a message. `bytes` is what a task and its result take.
    ///
    /// # Errors
    /// When there is no room for a task even while no other is under way.
    pub(crate) fn in_rounds<Out>(
        &self,
        pool: &Pool,
        task: impl Fn(In) -> Out + Copy + 'static,
        bytes: u64,
        mut on_answer: impl FnMut(Result<Out, TaskError>),
    ) -> Result<(), String>
    where
        Out: Serialize + DeserializeOwned,
    {
        let round = (ROUND_BYTES / bytes.max(1)).clamp(1, ROUND_TASKS);
        let sent = Cell::new(0);
        let refused = RefCell::new(None);
        while sent.get() < self.count && !pool.is_aborted() {
            let begin = sent.get();
            let end = self.count.min(begin + round);
            let loads = std::iter::from_fn(|| {
                let load = (sent.get() < end).then(|| (self.load)(sent.get()))?;
                sent.set(sent.get() + u64::from(load.is_ok()));
                load.map_err(|error| refused.replace(Some(error))).ok()
            });
            for answer in pool.map(task, loads.fuse()) {
                on_answer(answer);
            }
            if let Some(error) = refused.take().filter(|_| sent.get() == begin) {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Keeps a few tasks under way for each worker and takes the answers in order.
    ///
    /// # Errors
    /// As [`in_rounds`](Self::in_rounds).
    pub(crate) fn one_by_one<Out>(
        &self,
        pool: &Pool,
        task: impl Fn(In) -> Out + Copy + 'static,
        mut on_answer: impl FnMut(Result<Out, TaskError>),
    ) -> Result<(), String>
    where
        Out: Serialize + DeserializeOwned,
    {
        let window = WINDOW_PER_WORKER * pool.workers();
        let mut under_way: VecDeque<Handle<Out>> = VecDeque::with_capacity(window);
        let mut sent = 0;
        loop {
            while sent < self.count && under_way.len() < window && !pool.is_aborted() {
                match (self.load)(sent) {
                    Ok(load) => under_way.push_back(pool.submit(task, load)),
                    Err(error) if under_way.is_empty() => return Err(error),
                    Err(_) => break,
                }
                sent += 1;
            }
            let Some(oldest) = under_way.pop_front() else {
                return Ok(());
            };
            on_answer(oldest.join());
        }
    }
}
