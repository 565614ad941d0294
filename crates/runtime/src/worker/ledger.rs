//! A worker's counters: kept in its own memory, copied to its page after each message.

use std::sync::atomic::Ordering;

use forkyard_shm::layout::WorkerPage;

use crate::job::Laps;
use crate::trace;

/// See the module.
#[derive(Debug)]
pub(crate) struct Ledger {
    page: &'static WorkerPage,
    pub(crate) laps: Laps,
    tasks: u64,
    bytes_in: u64,
    bytes_out: u64,
    checks: u64,
    begun: u64,
    finished: u64,
}

impl Ledger {
    pub(crate) fn new(page: &'static WorkerPage, mark: u64) -> Self {
        Self {
            page,
            laps: Laps {
                mark,
                ..Laps::default()
            },
            tasks: 0,
            bytes_in: 0,
            bytes_out: 0,
            checks: 0,
            begun: 0,
            finished: 0,
        }
    }

    /// A message was taken, and its task is about to run. Written at once: after a death it
    /// tells which task ran.
    #[inline]
    pub(crate) fn begin(&mut self) {
        self.begun += 1;
        let counters = &self.page.counters;
        forkyard_shm::step();
        // Before the count: who sees the count, a moment later, sees the time that goes with it.
        counters.started.store(self.laps.mark, Ordering::Relaxed);
        forkyard_shm::step();
        counters.begun.store(self.begun, Ordering::Relaxed);
        if trace::tasks() {
            trace::at_work(self.begun, "task started");
        }
    }

    /// The same on the copy path, where the message may be one that the supervisor wants no more;
    /// whether it is to be run.
    pub(crate) fn begin_unless_skipped(&mut self) -> bool {
        self.begun += 1;
        let counters = &self.page.counters;
        forkyard_shm::step();
        counters.started.store(self.laps.mark, Ordering::Relaxed);
        self.page.stops.skips.begin(self.begun, &counters.begun)
    }

    /// How many messages were begun: the number of the one that runs.
    #[inline]
    pub(crate) fn begun(&self) -> u64 {
        self.begun
    }

    /// A message is done.
    #[inline]
    pub(crate) fn end(&mut self, items: u32, bytes_in: usize, bytes_out: usize) {
        self.finished += 1;
        self.tasks += u64::from(items);
        self.bytes_in += bytes_in as u64;
        self.bytes_out += bytes_out as u64;
        self.checks += crate::search::take_checks();
        self.write();
        if trace::tasks() {
            trace::at_work(self.finished, "task finished");
        }
    }

    /// Copies the counters to the page: plain stores to lines that only we write.
    #[inline]
    fn write(&self) {
        let c = &self.page.counters;
        let pairs = [
            (&c.tasks, self.tasks),
            (&c.bytes_in, self.bytes_in),
            (&c.bytes_out, self.bytes_out),
            (&c.checks, self.checks),
            (&c.wait, self.laps.wait),
            (&c.decode, self.laps.decode),
            (&c.compute, self.laps.compute),
            (&c.encode, self.laps.encode),
            (&c.send, self.laps.send),
            (&c.lock, self.laps.lock),
            (&c.mark, self.laps.mark),
            (&c.finished, self.finished),
        ];
        for (word, value) in pairs {
            word.store(value, Ordering::Relaxed);
        }
    }

    /// The pill was taken: what was waited for it counts.
    pub(crate) fn close(&mut self) {
        self.laps.wait();
        self.write();
    }
}
