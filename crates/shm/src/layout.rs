//! The control segment, byte by byte.
//!
//! ```text
//!  0x0000 +------------------------------------------------+
//!         | Header                                         |
//!  0x0000 |   magic             u64   "forkyard"           |
//!  0x0008 |   layout_hash       u64                        |
//!  0x0010 |   version           u32   written last: ready  |
//!  0x0014 |   workers           u32                        |
//!  0x0018 |   slots             u32   per lane             |
//!  0x001c |   supervisor_pid    u32                        |
//!  0x0020 |   supervisor_start  u64                        |
//!  0x0028 |   exe_hash          u64                        |
//!  0x0030 |   total_bytes       u64                        |
//!  0x0038 |   clock             u64   what ticks count     |
//!  0x0040 |   stop              StopFlag, its own line     |
//!  0x0080 |   doorbell          Doorbell, its own line     |
//!  0x00c0 |   awake             u32, its own line          |
//!  0x0100 |   lock              OwnerLock, its own line    |
//!  0x0140 |   about             About, for onlookers       |
//!  0x0280 |   names             Names, for onlookers         |
//!  0x1000 +------------------------------------------------+
//!         | ResultSlot                                     |
//!  0x2000 +------------------------------------------------+
//!         | arena Directory                                |
//!         +------------------------------------------------+  page boundary
//!         | worker 0: WorkerPage, then its lane            |
//!         | worker 1: ...                                  |
//!         +------------------------------------------------+
//!
//!         WorkerPage, 0x1000 bytes; every line has one writer
//!  0x0000 +------------------------------------------------+
//!  0x0000 | orders, by the supervisor                      |
//!  0x0040 | vitals, by the worker, rarely                  |
//!  0x0080 | counters, by the worker, each task             |
//!  0x0100 | pipes: copy path, by the worker                |
//!  0x0140 | link: copy path, by the supervisor             |
//!  0x0240 | lane: shared path, its head, see `lane::state` |
//!  0x0300 | stops, by the supervisor, rarely               |
//!  0x0340 | progress, by the worker, as its tasks say      |
//!  0x0380 | setup, by the supervisor                       |
//!  0x03c0 | note, by the worker that cannot start          |
//!  0x1000 +------------------------------------------------+
//! ```
//!
//! The picture is held together with the code by the assertions below, and the hash over
//! the same numbers is compared when a process attaches. `fields` draws the worker's page.

mod about;
mod fields;
mod names;
mod setup;
mod vitals;

use core::mem::{align_of, offset_of, size_of};

use crate::arena::Directory;
use crate::count::WatchedCount;
use crate::first::{OwnerLock, ResultSlot};
use crate::lane::{LaneHead, Slot};
use crate::skips::Skips;
use crate::steps::step;
use crate::stop::StopFlag;
use crate::sync::{AtomicU32, AtomicU64, Ordering};
use crate::wait::Doorbell;

pub use about::{About, Stage};

pub use crate::link_name::{LINK_NAME_BYTES, LinkName, NOTE_BYTES, Note};
pub use names::{NAME_BYTES, NAMED, Names};
pub use setup::{Progress, Setup, SetupPlace};
pub use vitals::{Phase, Vitals};

/// The first eight bytes of a control segment.
pub const MAGIC: u64 = u64::from_le_bytes(*b"forkyard");
/// The version of the layout; goes up with every change of meaning.
pub const VERSION: u32 = 1;
/// A page of the layout: the largest page in common use would do, the smallest does.
pub const PAGE: usize = 0x1000;

/// A value on a cache line of its own.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct Line<T>(pub T);

/// The head of the control segment.
#[derive(Debug)]
#[repr(C)]
pub struct Header {
    pub(crate) magic: AtomicU64,
    pub(crate) layout_hash: AtomicU64,
    pub(crate) version: AtomicU32,
    pub(crate) workers: AtomicU32,
    pub(crate) slots: AtomicU32,
    pub(crate) supervisor_pid: AtomicU32,
    pub(crate) supervisor_start: AtomicU64,
    pub(crate) exe_hash: AtomicU64,
    pub(crate) total_bytes: AtomicU64,
    pub(crate) clock: AtomicU64,
    /// The pool's stop flag.
    pub stop: Line<StopFlag>,
    /// Where the supervisor sleeps.
    pub doorbell: Line<Doorbell>,
    /// How many processes of the pool are not asleep: a hint for spinning.
    pub awake: Line<AtomicU32>,
    /// The lock of the lock protocols.
    pub lock: Line<OwnerLock>,
    /// What the pool says about itself.
    pub about: About,
    /// What its functions are called.
    pub names: Names,
}

/// What the supervisor writes about a worker.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct Orders {
    /// Which incarnation of the worker.
    pub generation: AtomicU32,
    /// 1: tasks travel by the copy path.
    pub copy_path: AtomicU32,
    /// When the supervisor called for the process, CLOCK_MONOTONIC ns.
    pub spawned_ns: AtomicU64,
    /// Results taken; the worker may forget what it kept for them.
    pub taken: AtomicU64,
    /// How often tasks look at the stop flag: 0 is auto.
    pub check_every: AtomicU32,
    /// By how many KiB the worker's private memory may grow before it is to be replaced; it tells its growth after tasks
    /// then. 0: however much.
    pub most_growth_kib: AtomicU32,
    /// Messages sent to this process, less those taken back.
    pub sent: AtomicU64,
}

/// What the worker counts, written with plain relaxed stores by it alone.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct Counters {
    /// Tasks (items) finished.
    pub tasks: AtomicU64,
    /// Encoded bytes of arguments.
    pub bytes_in: AtomicU64,
    /// Encoded bytes of results.
    pub bytes_out: AtomicU64,
    /// Looks at the stop flag.
    pub checks: AtomicU64,
    /// Ticks waiting for tasks.
    pub wait: AtomicU64,
    /// Ticks decoding.
    pub decode: AtomicU64,
    /// Ticks in tasks.
    pub compute: AtomicU64,
    /// Ticks encoding.
    pub encode: AtomicU64,
    /// Ticks handing over.
    pub send: AtomicU64,
    /// Ticks waiting for and holding locks.
    pub lock: AtomicU64,
    /// Clock ticks at the last write.
    pub mark: AtomicU64,
    /// Messages begun; on the copy path it tells which task a dead worker ran.
    pub begun: AtomicU64,
    /// Clock ticks when the last message begun was taken: its age, while it runs.
    pub started: AtomicU64,
    /// Messages finished: it is at work while that is less than `begun`.
    pub finished: AtomicU64,
    /// What the last message begun runs, for onlookers: the number by which it names its function.
    pub entry: AtomicU64,
}

/// The copy path's flow: what the worker took out of its pipe and put into the other.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct Pipes {
    /// Packets received.
    pub received: WatchedCount,
    /// Packets sent.
    pub sent: WatchedCount,
    /// Window cost of the packets received.
    pub received_cost: AtomicU64,
}

/// What the supervisor asks of single messages. A line of its own: tasks look at the flag, and
/// as long as nobody is stopped it stays in their processor's cache.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct Stops {
    /// Stops the message of that number, and those before it, but for searches, which look at
    /// the header's flag.
    pub flag: StopFlag,
    /// On the copy path: the messages that are not to be run.
    pub skips: Skips,
}

/// One worker's page.
#[derive(Debug)]
#[repr(C, align(4096))]
pub struct WorkerPage {
    /// By the supervisor.
    pub orders: Orders,
    /// By the worker, rarely.
    pub vitals: Vitals,
    /// By the worker, each task.
    pub counters: Counters,
    /// By the worker, on the copy path.
    pub pipes: Pipes,
    /// By the supervisor, before the worker starts: where the copy path is connected.
    pub link: LinkName,
    /// Shared path: a line by the supervisor, one by both, one by the worker.
    pub lane: LaneHead,
    /// By the supervisor, rarely.
    pub stops: Stops,
    /// By the worker, when its tasks say how far they are.
    pub progress: Progress,
    /// By the supervisor, before the worker starts.
    pub setup: Setup,
    /// By the worker, when it cannot start: why.
    pub note: Note,
}

impl WorkerPage {
    /// Clears what the last worker wrote, before the next one starts.
    pub fn reset(&self) {
        let (v, c) = (&self.vitals, &self.counters);
        for word in [&v.pid, &v.phase, &v.parked, &v.generation] {
            step();
            word.store(0, Ordering::Relaxed);
        }
        let words = [
            &v.ready_ns,
            &v.leaving_ns,
            &v.check_ps,
            &v.peak_rss_bytes,
            &v.ready_ticks,
            &v.grown_bytes,
            &c.tasks,
            &c.bytes_in,
            &c.bytes_out,
            &c.checks,
            &c.wait,
            &c.decode,
            &c.compute,
            &c.encode,
            &c.send,
            &c.lock,
            &c.mark,
            &c.begun,
            &c.started,
            &c.finished,
            &c.entry,
            &self.pipes.received_cost,
            &self.orders.taken,
            &self.orders.sent,
        ];
        for word in words {
            step();
            word.store(0, Ordering::Relaxed);
        }
        self.pipes.received.reset();
        self.pipes.sent.reset();
        self.stops.flag.reset();
        self.stops.skips.reset();
        self.reset_setup();
    }
}

const fn round_up(bytes: usize, to: usize) -> usize {
    bytes.div_ceil(to) * to
}

/// Where the result slot lies.
pub const RESULT_AT: usize = 0x1000;
/// Where the arena's directory lies.
pub const DIRECTORY_AT: usize = 0x2000;
pub(crate) const WORKERS_AT: usize = round_up(DIRECTORY_AT + size_of::<Directory>(), PAGE);

const _: () = {
    assert!(offset_of!(Header, magic) == 0x0000);
    assert!(offset_of!(Header, layout_hash) == 0x0008);
    assert!(offset_of!(Header, version) == 0x0010);
    assert!(offset_of!(Header, workers) == 0x0014);
    assert!(offset_of!(Header, slots) == 0x0018);
    assert!(offset_of!(Header, supervisor_pid) == 0x001c);
    assert!(offset_of!(Header, supervisor_start) == 0x0020);
    assert!(offset_of!(Header, exe_hash) == 0x0028);
    assert!(offset_of!(Header, total_bytes) == 0x0030);
    assert!(offset_of!(Header, clock) == 0x0038);
    assert!(offset_of!(Header, stop) == 0x0040);
    assert!(offset_of!(Header, doorbell) == 0x0080);
    assert!(offset_of!(Header, awake) == 0x00c0);
    assert!(offset_of!(Header, lock) == 0x0100);
    assert!(offset_of!(Header, about) == 0x0140);
    assert!(offset_of!(Header, names) == 0x0280);
    assert!(size_of::<Header>() == 0x1000);
    assert!(RESULT_AT == 0x1000);
    assert!(RESULT_AT + size_of::<ResultSlot>() <= DIRECTORY_AT);
    assert!(DIRECTORY_AT == 0x2000);
    assert!(align_of::<Directory>() <= PAGE);
    assert!(WORKERS_AT.is_multiple_of(PAGE));
    assert!(offset_of!(WorkerPage, orders) == 0x0000);
    assert!(offset_of!(WorkerPage, vitals) == 0x0040);
    assert!(offset_of!(WorkerPage, counters) == 0x0080);
    assert!(offset_of!(WorkerPage, pipes) == 0x0100);
    assert!(offset_of!(WorkerPage, link) == 0x0140);
    assert!(offset_of!(WorkerPage, lane) == 0x0240);
    assert!(offset_of!(WorkerPage, stops) == 0x0300);
    assert!(offset_of!(WorkerPage, progress) == 0x0340);
    assert!(offset_of!(WorkerPage, setup) == 0x0380);
    assert!(offset_of!(WorkerPage, note) == 0x03c0);
    assert!(size_of::<LaneHead>() == 0xc0);
    assert!(size_of::<WorkerPage>() == 0x1000);
    assert!(align_of::<WorkerPage>() == PAGE);
    assert!(size_of::<Vitals>() == 0x40);
    assert!(PAGE.is_multiple_of(align_of::<Slot>()));
};

/// A hash over every number that two processes must agree on.
pub const LAYOUT_HASH: u64 = {
    let rest = [
        VERSION as usize,
        RESULT_AT,
        size_of::<ResultSlot>(),
        DIRECTORY_AT,
        size_of::<Directory>(),
        WORKERS_AT,
        size_of::<Slot>(),
        crate::lane::INLINE_BYTES,
        crate::first::RESULT_BYTES,
    ];
    hash(
        hash(
            hash(hash(hash(FNV_BASIS, &rest), fields::HEADER), about::ABOUT),
            names::NAMES,
        ),
        fields::PAGE,
    )
};

const FNV_BASIS: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a, a number at a time.
const fn hash(mut hash: u64, numbers: &[usize]) -> u64 {
    let mut i = 0;
    while i < numbers.len() {
        hash = (hash ^ numbers[i] as u64).wrapping_mul(0x0100_0000_01b3);
        i += 1;
    }
    hash
}

/// What a pool's control segment is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// How many workers.
    pub workers: u32,
    /// Slots in each lane; a power of two.
    pub slots: u32,
}

impl Shape {
    pub(crate) const fn stride(self) -> usize {
        size_of::<WorkerPage>() + round_up(self.slots as usize * size_of::<Slot>(), PAGE)
    }

    /// Bytes that the segment needs.
    #[must_use]
    pub const fn bytes(self) -> usize {
        WORKERS_AT + self.workers as usize * self.stride()
    }
}
