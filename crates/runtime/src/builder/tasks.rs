//! Settings of a pool to be that are about single tasks.

use std::time::Duration;

use super::PoolBuilder;
use crate::OnCrash;

impl PoolBuilder {
    /// How long a task may run. Default: as long as it likes.
    ///
    /// The time counts from when a worker takes the task, not while it waits for one. A task that
    /// takes longer is asked to stop ([`Context::is_stopped`](crate::Context::is_stopped) and
    /// [`Context::search`](crate::Context::search) tell it), and has
    /// [`task_grace`](Self::task_grace) for that; then its process gets SIGTERM, and SIGKILL half
    /// a second later, and another takes its place. Either way the task's error is
    /// [`TaskError::TimedOut`](crate::TaskError::TimedOut), also when it returns something after
    /// it was asked. All other tasks go on. A task of [`Pool::first`](crate::Pool::first) is not
    /// asked: what it looks at belongs to the whole search.
    ///
    /// With a limit, each item of a `map` travels in a message of its own, so that exactly one is
    /// lost: [`chunk_size`](Self::chunk_size) has no effect.
    ///
    /// The arguments of a task are decoded, and its result is encoded, in its time, which is kept
    /// to about a tenth of a millisecond. A worker that is up and does not even begin a task,
    /// neither within the limit nor within the [`start_timeout`](Self::start_timeout) after it, is
    /// killed, and the task is run by another.
    pub fn task_timeout(mut self, limit: Duration) -> Self {
        self.terms.timeout = Some(limit);
        self
    }

    /// How long a task that is over its limit, or cancelled, has to stop by itself before its
    /// process is told to end. Default: 1 second.
    pub fn task_grace(mut self, grace: Duration) -> Self {
        self.terms.grace = grace;
        self
    }

    /// How many messages (tasks, or chunks of a `map`) a worker is sent ahead at most, at least 1.
    /// Default: as many as keep it busy for some 0.4 ms, by their measured time, but two at least;
    /// 16 while nothing is known of their time.
    ///
    /// With 1 a worker is sent the next one when it has returned the last: for tasks that take long
    /// and differ much. What was sent ahead is given to others when they have nothing to do.
    pub fn queue_depth(mut self, messages: usize) -> Self {
        self.queue_depth = messages.max(1);
        self
    }

    /// What becomes of a task whose worker dies while it runs it. Default: [`OnCrash::Fail`].
    ///
    /// With [`OnCrash::Retry`] each item of a `map` travels in a message of its own:
    /// [`chunk_size`](Self::chunk_size) has no effect.
    pub fn on_crash(mut self, what: OnCrash) -> Self {
        self.terms.on_crash = what;
        self
    }
}
