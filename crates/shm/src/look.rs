//! Looking on: the numbers of a pool, read from its control segment by somebody who may have it
//! mapped for reading only.
//!
//! What is handed out are copies. Each number stands for itself: they are read one after the
//! other while others write, so that two of them need not be of the same moment, and any of them
//! may have been written over. Nothing here uses one as an index, a length or a tag.
//!
//! All loads are relaxed. An onlooker's pages are mapped without the right to write, where that is
//! the one kind of atomic access which Rust promises to be a plain load.

use core::ptr::NonNull;

use crate::arena::Directory;
use crate::control::{AttachError, Control, Identity};
use crate::layout::{Phase, Shape, Stage};
use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// What a pool says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolLook {
    /// When the pool was made, CLOCK_MONOTONIC ns.
    pub created_ns: u64,
    /// Messages that no worker has room for.
    pub pending: u64,
    /// Worker processes that were asked for, in all.
    pub starts: u64,
    /// Worker processes that died without being asked to.
    pub deaths: u64,
    /// Tasks (items) that processes had finished which are gone.
    pub tasks_gone: u64,
    /// How workers start; a number that only the runtime understands.
    pub start_method: u32,
    /// Whether tasks travel by the copy path.
    pub copy_path: bool,
    /// Where the pool is in its life.
    pub stage: Stage,
    /// What its makers call it.
    pub name: Option<String>,
    /// What the functions of its tasks are called, by the number that stands for them in messages.
    pub functions: Vec<(u64, String)>,
    /// Bytes of the arena's extents.
    pub arena_bytes: u64,
    /// Most bytes that they ever had.
    pub arena_peak_bytes: u64,
    /// The limit on them; 0 for none.
    pub arena_limit_bytes: u64,
}

/// What the page of a worker says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerLook {
    /// Which incarnation the supervisor has asked for.
    pub generation: u32,
    /// When it did, CLOCK_MONOTONIC ns; 0 when it never has.
    pub spawned_ns: u64,
    /// Messages sent to this process, less those taken back.
    pub sent: u64,
    /// Results taken from it.
    pub taken: u64,
    /// Process id; 0 before the worker is ready.
    pub pid: u32,
    /// What the worker says it is about.
    pub phase: Phase,
    /// Whether it sleeps.
    pub parked: bool,
    /// When it was ready, CLOCK_MONOTONIC ns; 0 before.
    pub ready_ns: u64,
    /// When it took the pill, CLOCK_MONOTONIC ns; 0 before.
    pub leaving_ns: u64,
    /// The cost of one look at the stop flag, in picoseconds.
    pub check_ps: u64,
    /// Peak resident memory in bytes, once it has left.
    pub peak_rss_bytes: u64,
    /// Clock ticks at the moment of `ready_ns`.
    pub ready_ticks: u64,
    /// Tasks (items) finished.
    pub tasks: u64,
    /// Encoded bytes of arguments.
    pub bytes_in: u64,
    /// Encoded bytes of results.
    pub bytes_out: u64,
    /// Looks at the stop flag.
    pub checks: u64,
    /// Ticks by stage.
    pub ticks: StageTicks,
    /// Clock ticks at the last write.
    pub mark: u64,
    /// Messages begun.
    pub begun: u64,
    /// Clock ticks when the last message begun was taken.
    pub started: u64,
    /// Messages finished.
    pub finished: u64,
    /// What the last message begun runs; 0 when that is not known.
    pub entry: u64,
    /// How far it is.
    pub progress: ProgressLook,
}

/// How far a task is, as it says itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProgressLook {
    /// Which message it is of: the count of messages begun. Zero: none has said anything yet.
    pub message: u64,
    /// What is done.
    pub done: u64,
    /// What there is to do.
    pub total: u64,
}

/// Clock ticks by stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StageTicks {
    /// Waiting for tasks.
    pub wait: u64,
    /// Decoding.
    pub decode: u64,
    /// In tasks.
    pub compute: u64,
    /// Encoding.
    pub encode: u64,
    /// Handing over.
    pub send: u64,
    /// Waiting for and holding locks.
    pub lock: u64,
}

impl Control {
    /// What the pool says about itself.
    #[must_use]
    pub fn look(&self) -> PoolLook {
        let about = &self.header().about;
        // SAFETY: inside the control segment, which outlives the borrow; all atomics.
        let directory: &Directory = unsafe { self.directory().as_ref() };
        PoolLook {
            created_ns: long(&about.created_ns),
            pending: long(&about.pending),
            starts: long(&about.starts),
            deaths: long(&about.deaths),
            tasks_gone: long(&about.tasks_gone),
            start_method: word(&about.start_method),
            copy_path: word(&about.copy_path) == 1,
            stage: Stage::of(word(&about.stage)),
            name: about.name.get(),
            functions: self.header().names.get(),
            arena_bytes: directory.seen_bytes(),
            arena_peak_bytes: directory.peak_bytes(),
            arena_limit_bytes: directory.limit_bytes(),
        }
    }

    /// What the page of worker `index` says.
    ///
    /// # Panics
    /// If there is no such worker.
    #[must_use]
    pub fn look_at(&self, index: usize) -> WorkerLook {
        let page = self.page(index);
        let (orders, vitals, counters) = (&page.orders, &page.vitals, &page.counters);
        // Before `begun` is read: what was finished by now had been begun by then.
        let finished = long(&counters.finished);
        WorkerLook {
            generation: word(&orders.generation),
            spawned_ns: long(&orders.spawned_ns),
            sent: long(&orders.sent),
            taken: long(&orders.taken),
            pid: word(&vitals.pid),
            phase: vitals.seen_phase(),
            parked: word(&vitals.parked) == 1,
            ready_ns: long(&vitals.ready_ns),
            leaving_ns: long(&vitals.leaving_ns),
            check_ps: long(&vitals.check_ps),
            peak_rss_bytes: long(&vitals.peak_rss_bytes),
            ready_ticks: long(&vitals.ready_ticks),
            tasks: long(&counters.tasks),
            bytes_in: long(&counters.bytes_in),
            bytes_out: long(&counters.bytes_out),
            checks: long(&counters.checks),
            ticks: StageTicks {
                wait: long(&counters.wait),
                decode: long(&counters.decode),
                compute: long(&counters.compute),
                encode: long(&counters.encode),
                send: long(&counters.send),
                lock: long(&counters.lock),
            },
            mark: long(&counters.mark),
            begun: long(&counters.begun),
            started: long(&counters.started),
            finished,
            entry: long(&counters.entry),
            progress: ProgressLook {
                message: long(&page.progress.message),
                done: long(&page.progress.done),
                total: long(&page.progress.total),
            },
        }
    }
}

// Relaxed, as the module says: a number that stands for itself.
fn long(word: &AtomicU64) -> u64 {
    word.load(Ordering::Relaxed)
}

// As for `long`.
fn word(word: &AtomicU32) -> u32 {
    word.load(Ordering::Relaxed)
}

/// A control segment that is mapped for reading only. Nothing that it gives can be written through.
#[derive(Debug)]
pub struct Onlooker(Control);

impl Onlooker {
    /// Looks on at a segment that another process made, checking everything.
    ///
    /// # Safety
    /// `base` points to `len` bytes, page-aligned, mapped at least for reading for as long as the
    /// value is used.
    ///
    /// # Errors
    /// [`AttachError`], by name.
    pub unsafe fn attach(base: NonNull<u8>, len: usize) -> Result<Self, AttachError> {
        // SAFETY: the caller vouches for the mapping. Attaching only reads, and of what `Control`
        // offers nothing is used here that writes.
        unsafe { Control::attach(base, len) }.map(Self)
    }

    /// What the segment was made for.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.0.shape()
    }

    /// Who made it.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.0.identity()
    }

    /// What the pool says about itself.
    #[must_use]
    pub fn look(&self) -> PoolLook {
        self.0.look()
    }

    /// What the page of worker `index` says.
    ///
    /// # Panics
    /// If there is no such worker.
    #[must_use]
    pub fn look_at(&self, index: usize) -> WorkerLook {
        self.0.look_at(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::{NAME_BYTES, NAMED, PAGE};
    use std::alloc::{Layout, alloc_zeroed, dealloc};

    #[test]
    fn what_is_written_is_seen() {
        let shape = Shape {
            workers: 2,
            slots: 2,
        };
        let layout = Layout::from_size_align(shape.bytes(), PAGE).expect("small");
        // SAFETY: the layout has a size.
        let base = NonNull::new(unsafe { alloc_zeroed(layout) }).expect("memory");
        let identity = Identity {
            supervisor_pid: 1,
            supervisor_start: 2,
            exe_hash: 3,
            clock: 0,
        };
        // SAFETY: zero, page-aligned, as long as the shape says; freed last.
        let control = unsafe { Control::create(base, shape, identity) };
        let about = &control.header().about;
        about.pending.store(7, Ordering::Relaxed);
        about.stage.store(Stage::Closing as u32, Ordering::Relaxed);
        assert!(about.name.set("a pool"));
        let names = &control.header().names;
        names.set(0, 70, "first");
        names.set(NAMED - 1, 71, &"n".repeat(NAME_BYTES + 1));
        let page = control.page(1);
        page.counters.begun.store(3, Ordering::Relaxed);
        page.counters.entry.store(71, Ordering::Relaxed);
        page.progress.message.store(3, Ordering::Relaxed);
        page.progress.done.store(5, Ordering::Relaxed);
        page.vitals.enter(Phase::Ready);
        // SAFETY: as above.
        let onlooker = unsafe { Onlooker::attach(base, shape.bytes()) }.expect("it is sound");
        assert_eq!((onlooker.shape(), onlooker.identity()), (shape, identity));
        let pool = onlooker.look();
        assert_eq!((pool.pending, pool.stage), (7, Stage::Closing));
        assert_eq!(pool.name.as_deref(), Some("a pool"));
        let functions = [(70, "first".to_owned()), (71, "n".repeat(NAME_BYTES))];
        assert_eq!(pool.functions, functions);
        names.set(0, 72, "second");
        assert_eq!(onlooker.look().functions[0], (72, "second".to_owned()));
        let (idle, busy) = (onlooker.look_at(0), onlooker.look_at(1));
        assert_eq!((idle.begun, idle.phase), (0, Phase::Empty));
        assert_eq!((busy.begun, busy.phase), (3, Phase::Ready));
        let said = ProgressLook {
            message: 3,
            done: 5,
            total: 0,
        };
        assert_eq!((busy.entry, busy.progress), (71, said));
        // SAFETY: from `alloc_zeroed` with this layout.
        unsafe { dealloc(base.as_ptr(), layout) };
    }
}
