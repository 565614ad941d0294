//! The pool: what users call.

use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use forkyard_os::death::DeathWaker;
use forkyard_os::usage::{peak_rss_bytes, rusage_self};
use std::sync::atomic::Ordering;

use crate::driver::{Core, Patience, PoolPhase, SeatPhase};
use crate::error::WorkerDeath;
use crate::timings::{self, ProcessTimings};
use crate::{AbortHandle, Arena, PoolBuilder, trace};

/// A pool of worker processes.
///
/// Every method can be called from any thread. Dropping a pool aborts it with a short grace
/// and waits for its processes to be gone, which is bounded: after the grace come SIGTERM and
/// SIGKILL. To finish what was submitted, [`close`](Self::close) it.
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

/// What is known when a pool has ended.
#[derive(Debug, Clone)]
pub struct Report {
    /// From the pool's creation to its end.
    pub wall: Duration,
    /// Every worker process there was, replacements included, by worker and generation.
    pub processes: Vec<ProcessTimings>,
    /// The supervisor's own use of the machine, since its process began.
    pub supervisor: SupervisorTimings,
    /// Workers that died without being asked to.
    pub deaths: Vec<WorkerDeath>,
}

/// The supervisor's own use of the machine.
#[derive(Debug, Clone, Copy)]
pub struct SupervisorTimings {
    /// CPU time in user mode.
    pub cpu_user: Duration,
    /// CPU time in the kernel.
    pub cpu_system: Duration,
    /// Peak resident memory in bytes.
    pub peak_rss_bytes: u64,
}

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

    /// Where each process has spent its time so far. Reads the workers' pages, asks the system what
    /// those that live have used, and disturbs none of them. Most of its time goes into asking: some
    /// 40 µs for each.
    #[must_use]
    pub fn timings(&self) -> Vec<ProcessTimings> {
        let driver = self.core.lock();
        let occupied = driver.seats.iter().filter(|seat| seat.is_occupied());
        let live: Vec<_> = occupied
            .map(|seat| timings::of_live(&self.core, seat))
            .collect();
        let gone = driver.rows.clone();
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
        let mut stats = crate::stats::of_core(&self.core);
        stats.correct(&self.core);
        stats
    }

    /// How many tasks (items) are done, for a progress bar.
    #[must_use]
    pub fn tasks_done(&self) -> u64 {
        let driver = self.core.lock();
        let gone = driver.rows.iter().map(|row| row.tasks);
        let live = driver
            .seats
            .iter()
            .filter(|seat| seat.is_occupied())
            .map(|seat| {
                let counters = &self.core.control.page(seat.index).counters;
                counters.tasks.load(Ordering::Relaxed)
            });
        // Workers' words: whatever they say, the sum does not overflow.
        gone.chain(live).fold(0, u64::saturating_add)
    }

    /// A handle that can end the pool from another thread while this one waits.
    #[must_use]
    pub fn abort_handle(&self) -> AbortHandle {
        AbortHandle::new(&self.core, self.waker.clone())
    }

    /// Whether the pool was aborted.
    #[must_use]
    pub fn is_aborted(&self) -> bool {
        self.core.lock().phase == PoolPhase::Aborted
    }

    /// Finishes everything that was submitted, ends the workers, and waits for them.
    ///
    /// Results of handles that were not joined stay available to them.
    pub fn close(mut self) -> Report {
        self.take_no_more();
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
    /// get [`TaskError::Aborted`](crate::TaskError::Aborted).
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
        let driver = self.core.lock();
        let usage = rusage_self();
        trace::ended(&self.core, driver.deaths.len());
        Report {
            wall: self.core.created.elapsed(),
            processes: sorted(driver.rows.clone()),
            supervisor: SupervisorTimings {
                cpu_user: usage.cpu_user,
                cpu_system: usage.cpu_system,
                peak_rss_bytes: peak_rss_bytes(),
            },
            deaths: driver.deaths.clone(),
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
        self.end();
    }
}

fn sorted(mut rows: Vec<ProcessTimings>) -> Vec<ProcessTimings> {
    rows.sort_by_key(|row| (row.worker, row.generation));
    rows
}
