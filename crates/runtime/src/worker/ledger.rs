//! A worker's counters: kept in its own memory, copied to its page after each message.

use std::sync::atomic::Ordering;

use forkyard_os::clock::now_ns;
use forkyard_os::usage::private_bytes;
use forkyard_shm::Doorbell;
use forkyard_shm::layout::WorkerPage;

use crate::job::Laps;
use crate::start::OsPark;
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
    /// When this process's memory is to be told next, CLOCK_MONOTONIC ns; never, unless asked for.
    tells_memory_at: u64,
    /// What it was when this worker was ready, and beyond what growth it is to be told at once.
    memory_bytes: u64,
    most_growth_bytes: u64,
    finished: u64,
}

/// Between two looks at this process's memory: one takes some microseconds.
const MEMORY_NS: u64 = 1_000_000;

impl Ledger {
    pub(crate) fn new(page: &'static WorkerPage, mark: u64) -> Self {
        let most_kib = page.orders.most_growth_kib.load(Ordering::Relaxed);
        let tells_memory = most_kib > 0;
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
            tells_memory_at: if tells_memory { 0 } else { u64::MAX },
            memory_bytes: if tells_memory { private_bytes() } else { 0 },
            most_growth_bytes: u64::from(most_kib) << 10,
        }
    }

    /// A task has ended, and its result is not handed over yet: the supervisor, when it takes it,
    /// is to see what memory was left behind. With too much of it, it is to look now.
    #[inline]
    pub(crate) fn tell_memory(&mut self, doorbell: &Doorbell) {
        if self.tells_memory_at != u64::MAX {
            self.tell_memory_now_and_then(doorbell);
        }
    }

    #[cold]
    fn tell_memory_now_and_then(&mut self, doorbell: &Doorbell) {
        let now = now_ns();
        if now >= self.tells_memory_at {
            self.tells_memory_at = now.saturating_add(MEMORY_NS);
            let grown = private_bytes().saturating_sub(self.memory_bytes);
            self.page.vitals.grown_bytes.store(grown, Ordering::Relaxed);
            if grown > self.most_growth_bytes {
                doorbell.ring(&OsPark);
            }
        }
    }

    /// A message was taken, and its task is about to run. Written at once: after a death it
    /// tells which task ran.
    #[inline]
    pub(crate) fn begin(&mut self, entry: u64) {
        self.begun += 1;
        let counters = &self.page.counters;
        forkyard_shm::step();
        // Before the count: who sees the count, a moment later, sees what goes with it.
        counters.started.store(self.laps.mark, Ordering::Relaxed);
        forkyard_shm::step();
        counters.entry.store(entry, Ordering::Relaxed);
        forkyard_shm::step();
        counters.begun.store(self.begun, Ordering::Relaxed);
        if trace::tasks() {
            trace::at_work(self.begun, "task started");
        }
    }

    /// The same on the copy path, where the message may be one that the supervisor wants no more;
    /// whether it is to be run.
    pub(crate) fn begin_unless_skipped(&mut self, entry: u64) -> bool {
        self.begun += 1;
        let counters = &self.page.counters;
        forkyard_shm::step();
        counters.started.store(self.laps.mark, Ordering::Relaxed);
        forkyard_shm::step();
        counters.entry.store(entry, Ordering::Relaxed);
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
