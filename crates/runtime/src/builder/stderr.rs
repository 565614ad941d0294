//! What workers' standard error is.

use super::PoolBuilder;
use crate::WorkerStderr;

impl PoolBuilder {
    /// Where workers' standard error goes, and whether the report of a death quotes the end of it
    /// ([`WorkerDeath::stderr_tail`](crate::WorkerDeath::stderr_tail)). Default: [`WorkerStderr::Auto`].
    ///
    /// With [`WorkerStderr::Tail`] each worker writes into a pipe, and a thread of the pool passes it on
    /// to the supervisor's standard error as it comes. It is worth knowing that then
    ///
    /// * for workers standard error is no terminal;
    /// * when the supervisor's is not read, or the supervisor is stopped, a worker waits once it has
    ///   written more than a pipe holds (64 KiB on Linux), as it would without the pipe;
    /// * a process that a task has started and left behind can write to it until the pool ends;
    /// * a pool takes two descriptors for it and each worker one. Where so many are not to be had with
    ///   some to spare (`ulimit -n`), its workers inherit.
    ///
    /// ```no_run
    /// use forkyard::{Pool, TaskError, WorkerStderr};
    ///
    /// forkyard::init();
    /// let pool = Pool::builder().stderr(WorkerStderr::Tail).build()?;
    /// let crash = |()| -> u64 { std::process::abort() };
    /// if let Err(TaskError::WorkerDied(death)) = pool.submit(crash, ()).join() {
    ///     eprintln!("worker {} said: {}", death.worker, death.stderr_tail);
    /// }
    /// # Ok::<(), forkyard::BuildError>(())
    /// ```
    pub fn stderr(mut self, stderr: WorkerStderr) -> Self {
        self.stderr = stderr;
        self
    }
}
