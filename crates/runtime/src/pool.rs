//! The pool: what users call.

use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use forkyard_os::death::DeathWaker;
use forkyard_os::usage::{peak_rss_bytes, rusage_self};
use std::sync::atomic::Ordering;

use crate::driver::{Core, Patience, PoolPhase, SeatPhase, is_reaper};
use crate::time::after;
use crate::timings::{self, ProcessTimings};
use crate::{AbortHandle, Arena, PoolBuilder, PoolWatcher, Report, SupervisorTimings, trace};

/// A pool of worker processes.
///
/// Every method can be called from any thread. Dropping a pool aborts it and waits for its
/// processes to be gone, which is bounded: tasks are asked to stop, and workers that are not gone
/// after a tenth of a second get SIGTERM, and SIGKILL half a second later. To finish what was
/// submitted, [`close`](Self::close) it.
///
/// It belongs to the process that built it. In a child that this forks by itself, the copy can be
/// dropped, which does nothing; everything else of it, and of its handles, panics there.
#[derive(Debug)]
pub struct Pool {
    core: Arc<Core>,
    waker: DeathWaker,
    reaper: Option<JoinHandle<()>>,
    arena: Arena,
    /// One search at a time: a pool has one result slot.
    pub(crate) searching: Mutex<u32>,
}

/// How a dropped pool's workers are given time to end.
const DROP_GRACE: Duration = Duration::from_millis(100);

impl Pool {
    /// Settings for a new pool.
    pub fn builder() -> PoolBuilder {
        PoolBuilder::default()
    }

    pub(crate) fn new(core: Arc<Core>, waker: DeathWaker, reaper: JoinHandle<()>) -> Self {
        let arena = Arena::of_pool(&core);
        Self {
            core,
            waker,
            reaper: Some(reaper),
            arena,
            searching: Mutex::new(0),
        }
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// How many workers the pool was built with.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.core.control.shape().workers as usize
    }

    /// The pool's shared memory for large data.
    #[must_use]
    pub fn arena(&self) -> &Arena {
        &self.arena
    }

    /// Where each process has spent its time so far: those that live, and those that are gone as
    /// [`Report::processes`] has them. Reads the workers' pages, asks the system what those that live
    /// have used, and disturbs none of them. Most of its time goes into asking: some 40 µs for each.
    #[must_use]
    pub fn timings(&self) -> Vec<ProcessTimings> {
        let driver = self.core.lock();
        let occupied = driver.seats.iter().filter(|seat| seat.is_occupied());
        let live: Vec<_> = occupied
            .map(|seat| timings::of_live(&self.core, seat))
            .collect();
        let gone: Vec<_> = driver.past.rows().cloned().collect();
        drop(driver);
        let live = live.into_iter().map(ProcessTimings::with_live_usage);
        sorted(gone.into_iter().chain(live).collect())
    }

    /// What the pool and its workers are doing now. Reads shared memory and disturbs none of the
    /// workers. Most of its time goes into asking the system how much memory each of them has.
    ///
    /// ```no_run
    /// use forkyard::{Pool, WorkerState};
    ///
    /// fn report(pool: &Pool) {
    ///     let stats = pool.stats();
    ///     let running = |state| state == WorkerState::Running;
    ///     let busy = stats.workers.iter().filter(|worker| running(worker.state)).count();
    ///     println!("{busy} at work, {} tasks done\n{stats}", stats.tasks);
    /// }
    /// ```
    #[must_use]
    pub fn stats(&self) -> crate::PoolStats {
        crate::stats::now(&self.core)
    }

    /// How many tasks (items) are done, for a progress bar.
    #[must_use]
    pub fn tasks_done(&self) -> u64 {
        let driver = self.core.lock();
        let live = driver
            .seats
            .iter()
            .filter(|seat| seat.is_occupied())
            .map(|seat| {
                let counters = &self.core.control.page(seat.index).counters;
                counters.tasks.load(Ordering::Relaxed)
            });
        // Workers' words: whatever they say, the sum does not overflow.
        live.fold(driver.past.tasks(), u64::saturating_add)
    }

    /// A handle that can end the pool from another thread while this one waits.
    #[must_use]
    pub fn abort_handle(&self) -> AbortHandle {
        AbortHandle::new(&self.core, self.waker.clone())
    }

    /// What sees the pool from elsewhere, also while it ends.
    #[must_use]
    pub fn watcher(&self) -> PoolWatcher {
        PoolWatcher::new(&self.core)
    }

    /// Whether the pool was aborted.
    #[must_use]
    pub fn is_aborted(&self) -> bool {
        self.core.lock().phase == PoolPhase::Aborted
    }

    /// Ends every task that no worker has begun with
    /// [`TaskError::Cancelled`](crate::TaskError::Cancelled), and returns how many there were. What runs
    /// goes on, and a chunk is begun as a whole. Calls that send items as they go, such as `map` and
    /// `imap`, go on with what they had not sent yet. Does not wait.
    ///
    /// Together with [`close`](Self::close) it finishes what runs, and nothing else:
    ///
    /// ```no_run
    /// # forkyard::init();
    /// let pool = forkyard::Pool::builder().workers(2).build()?;
    /// let handles: Vec<_> = (0..100_u64).map(|n| pool.submit(|n: u64| n * n, n)).collect();
    /// let cancelled = pool.cancel_queued();
    /// let report = pool.close();
    /// assert_eq!(report.tasks() + cancelled, 100);
    /// let done = handles.into_iter().filter_map(|handle| handle.join().ok());
    /// println!("{cancelled} tasks never ran, {} did", done.count());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cancel_queued(&self) -> u64 {
        Core::cancel_unbegun(&self.core, self.core.lock(), None)
    }

    /// Finishes everything that was submitted, ends the workers, and waits for them.
    ///
    /// Results of handles that were not joined stay available to them. A task that ends never is
    /// waited for without an end: where there can be one, take
    /// [`close_timeout`](Self::close_timeout). What is being waited for is seen through a
    /// [`watcher`](Self::watcher).
    pub fn close(mut self) -> Report {
        self.take_no_more();
        self.end()
    }

    /// [`close`](Self::close) for at most `timeout`: whoever is not done by then, be it with tasks or
    /// with ending, is cut short as by [`abort`](Self::abort). Workers have the pool's
    /// [`task_grace`](PoolBuilder::task_grace) to stop by themselves then, before they get SIGTERM
    /// and, half a second later, SIGKILL. [`Report::cut_short`] says whether it came to that, and
    /// how much was left undone.
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// # forkyard::init();
    /// let pool = forkyard::Pool::builder().build()?;
    /// let endless = pool.submit(|()| loop { std::thread::park() }, ());
    /// let report = pool.close_timeout(Duration::from_secs(5));
    /// if let Some(cut) = report.cut_short {
    ///     eprintln!("{} tasks were stopped, {} never ran", cut.running, cut.waiting);
    /// }
    /// assert_eq!(endless.join(), Err::<(), _>(forkyard::TaskError::Aborted));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close_timeout(mut self, timeout: Duration) -> Report {
        let deadline = after(timeout);
        self.take_no_more();
        let ended = self.core.drive(Patience::Empty, Some(deadline), |driver| {
            driver.all_gone().then_some(())
        });
        if ended.is_none() {
            self.abort_handle().abort(self.core.options.terms.grace);
        }
        self.end()
    }

    /// What was submitted is the last: workers end behind it, and are not replaced.
    pub(crate) fn take_no_more(&self) {
        let mut driver = self.core.lock();
        driver.close(&self.core);
        drop(driver);
        self.waker.wake();
    }

    /// Ends the pool without finishing: raises the stop flag, and sends SIGTERM to workers
    /// that are not gone after `grace`, SIGKILL half a second later. Tasks without a result
    /// get [`TaskError::Aborted`](crate::TaskError::Aborted); [`Report::cut_short`] counts them.
    pub fn abort(mut self, grace: Duration) -> Report {
        self.abort_handle().abort(grace);
        self.end()
    }

    /// Waits until every process is gone.
    fn end(&mut self) -> Report {
        self.core.drive(Patience::Empty, None, |driver| {
            driver.all_gone().then_some(())
        });
        self.waker.wake();
        let panicked = self.reaper.take().is_some_and(|r| r.join().is_err());
        if panicked {
            trace::panicked(&self.core);
        }
        // It ends by itself; joining it leaves no thread behind that `fork` would refuse.
        let mut driver = self.core.lock();
        let mut threads = std::mem::take(&mut driver.tellers);
        threads.extend(driver.feeder_thread.take());
        drop(driver);
        self.core.feeder.notify_all();
        // One of them may be here, in a callback that ends the pool.
        let here = std::thread::current().id();
        for thread in threads.into_iter().filter(|t| t.thread().id() != here) {
            let _ = thread.join();
        }
        self.core.memory.unlink();
        let mut driver = self.core.lock();
        driver.has_ended = true;
        let usage = rusage_self();
        trace::ended(&self.core, driver.past.died());
        Report {
            wall: self.core.created.elapsed(),
            processes: sorted(driver.past.rows().cloned().collect()),
            supervisor: SupervisorTimings {
                cpu_user: usage.cpu_user,
                cpu_system: usage.cpu_system,
                peak_rss_bytes: peak_rss_bytes(),
            },
            deaths: driver.past.deaths().cloned().collect(),
            unlisted: driver.past.unlisted(),
            cut_short: driver.cut_short,
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // After `close` or `abort` nothing is left to do; in a forked child the pool is the
        // parent's.
        if self.reaper.is_none() || !self.core.is_ours() {
            return;
        }
        let started = self
            .core
            .lock()
            .seats
            .iter()
            .any(|seat| seat.phase != SeatPhase::Gone);
        if started {
            self.abort_handle().abort(DROP_GRACE);
        }
        if is_reaper() {
            return; // by a callback, for want of a thread; it sees to the rest when that returns
        }
        self.end();
    }
}

fn sorted(mut rows: Vec<ProcessTimings>) -> Vec<ProcessTimings> {
    rows.sort_by_key(|row| (row.worker, row.generation));
    rows
}
