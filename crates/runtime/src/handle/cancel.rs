//! Cancelling a task, by its handle or without it.

use std::fmt;
use std::sync::{Arc, Weak};

use super::{Handle, State};
use crate::driver::{Cancelled, Core};

/// Cancels one task, whoever has its [`Handle`] and whatever is done with it: while another thread
/// joins it or a future awaits it, in [`as_completed`](crate::as_completed), with a callback, and
/// also after the handle was dropped. From [`Handle::cancel_handle`].
///
/// It does not keep the pool alive, and does nothing once the task has ended, nor in a forked child.
///
/// ```no_run
/// # forkyard::init();
/// let pool = forkyard::Pool::builder().build()?;
/// let handle = pool.submit(|()| while !forkyard::context().is_stopped() {}, ());
/// let cancel = handle.cancel_handle();
/// let joining = std::thread::spawn(move || handle.join());
/// cancel.cancel();
/// assert_eq!(joining.join().unwrap(), Err(forkyard::TaskError::Cancelled));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct CancelHandle {
    core: Weak<Core>,
    /// The task's batch and its serial number, since keys are used again; `None` when the result was
    /// there already.
    batch: Option<(u32, u64)>,
}

impl fmt::Debug for CancelHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelHandle").finish_non_exhaustive()
    }
}

impl CancelHandle {
    /// [`Handle::cancel`].
    pub fn cancel(&self) -> bool {
        let core = self.core.upgrade().filter(|core| core.is_ours());
        match (core, self.batch) {
            (Some(core), Some((batch, serial))) => cancel(&core, batch, Some(serial)),
            _ => false,
        }
    }
}

/// How a single task is ended.
impl<Out> Handle<Out> {
    /// Ends the task, if it has not ended: one that waits never runs, one that runs is asked to
    /// stop ([`Context::is_stopped`](crate::Context::is_stopped)), and its process is ended when
    /// it does not within its [grace](crate::PoolBuilder::task_grace). Then the result is
    /// [`TaskError::Cancelled`](crate::TaskError::Cancelled). Returns `false` when there was a
    /// result already, which stays.
    ///
    /// Does not wait. A task that runs may come to its end before it is asked; its result is then
    /// dropped all the same.
    pub fn cancel(&self) -> bool {
        match self.state {
            State::Sent(batch) => cancel(&self.core, batch, None),
            State::Failed(_) | State::Taken => false,
        }
    }

    /// What cancels the task from elsewhere, when this handle is being joined, awaited, or gone.
    #[must_use]
    pub fn cancel_handle(&self) -> CancelHandle {
        let batch = match self.state {
            State::Sent(batch) => {
                let driver = self.core.lock();
                driver.serial_of(batch).map(|serial| (batch, serial))
            }
            State::Failed(_) | State::Taken => None,
        };
        CancelHandle {
            core: Arc::downgrade(&self.core),
            batch,
        }
    }

    /// Has the task [cancelled](Self::cancel) when this handle is dropped before the result was
    /// taken: for a future that is given up, in a `select!` or a timeout. A handle with a
    /// [callback](Self::on_done) waits no more, and is not dropped.
    ///
    /// ```no_run
    /// # async fn run(pool: &forkyard::Pool) {
    /// # async fn sleep(time: std::time::Duration) {}
    /// # use std::{future::Future, pin::pin, task::Poll};
    /// let slow = |n: u64| (0..n).take_while(|_| !forkyard::context().is_stopped()).count();
    /// let counting = pool.submit(slow, u64::MAX).cancel_on_drop();
    /// // tokio::time::timeout(Duration::from_secs(1), counting).await: over time, it is cancelled.
    /// # drop(counting);
    /// # }
    /// ```
    pub fn cancel_on_drop(mut self) -> Self {
        self.cancels = true;
        self
    }
}

/// Cancels what is left of a batch, if it still is the one with that number.
fn cancel(core: &Arc<Core>, batch: u32, serial: Option<u64>) -> bool {
    let mut driver = core.lock();
    if serial.is_some() && driver.serial_of(batch) != serial {
        return false;
    }
    let met = driver.cancel(core, batch);
    Core::go_on(core, driver);
    met != Cancelled::Done
}
