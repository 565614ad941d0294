//! A worker's page, field by field, and the numbers on which two processes agree.
//!
//! ```text
//!         Orders, by the supervisor
//!  0x0000 +------------------------------------------------+
//!  0x0000 |   generation        u32                        |
//!  0x0004 |   copy_path         u32   0 or 1               |
//!  0x0008 |   spawned_ns        u64                        |
//!  0x0010 |   taken             u64   results              |
//!  0x0018 |   check_every       u32   0: auto              |
//!  0x001c |   most_growth_kib   u32   0: any               |
//!  0x0020 |   sent              u64   messages             |
//!  0x0028 |   unused                                       |
//!         +------------------------------------------------+
//!         | Vitals, by the worker, rarely
//!  0x0040 |   pid               u32                        |
//!  0x0044 |   phase             u32   see `Phase`          |
//!  0x0048 |   parked            u32   0 or 1               |
//!  0x004c |   generation        u32                        |
//!  0x0050 |   ready_ns          u64                        |
//!  0x0058 |   leaving_ns        u64                        |
//!  0x0060 |   check_ps          u64                        |
//!  0x0068 |   peak_rss_bytes    u64                        |
//!  0x0070 |   ready_ticks       u64                        |
//!  0x0078 |   grown_bytes       u64                        |
//!         +------------------------------------------------+
//!         | Counters, by the worker, each task
//!  0x0080 |   tasks             u64                        |
//!  0x0088 |   bytes_in          u64                        |
//!  0x0090 |   bytes_out         u64                        |
//!  0x0098 |   checks            u64                        |
//!  0x00a0 |   wait              u64   ticks, as the next   |
//!  0x00a8 |   decode            u64                        |
//!  0x00b0 |   compute           u64                        |
//!  0x00b8 |   encode            u64                        |
//!  0x00c0 |   send              u64                        |
//!  0x00c8 |   lock              u64                        |
//!  0x00d0 |   mark              u64                        |
//!  0x00d8 |   begun             u64                        |
//!  0x00e0 |   started           u64   ticks                |
//!  0x00e8 |   finished          u64   messages             |
//!  0x00f0 |   entry             u64   0: none              |
//!  0x00f8 |   unused                                       |
//!         +------------------------------------------------+
//!         | Pipes, by the worker, on the copy path
//!  0x0100 |   received          WatchedCount, packets      |
//!  0x0104 |   sent              WatchedCount, packets      |
//!  0x0108 |   received_cost     u64                        |
//!  0x0110 |   unused                                       |
//!         +------------------------------------------------+
//!         | LinkName, by the supervisor, on the copy path
//!  0x0140 |   link              text, zero behind its end  |
//!         +------------------------------------------------+
//!         | LaneHead, on the shared path, see `lane::state`
//!  0x0240 |   lane                                         |
//!         +------------------------------------------------+
//!         | Stops, by the supervisor, rarely
//!  0x0300 |   flag              StopFlag                   |
//!  0x0310 |   skips             u64   a bit a message      |
//!  0x0318 |   unused                                       |
//!         +------------------------------------------------+
//!         | Progress, by the worker, as its tasks say
//!  0x0340 |   message           u64   0: none              |
//!  0x0348 |   done              u64                        |
//!  0x0350 |   total             u64                        |
//!  0x0358 |   unused                                       |
//!         +------------------------------------------------+
//!         | Setup, by the supervisor
//!  0x0380 |   place             a descriptor               |
//!  0x03a0 |   head_bytes        u64   0: no settings       |
//!  0x03a8 |   head_hash         u64                        |
//!  0x03b0 |   levels            u32   of pools below       |
//!  0x03b4 |   reserved          u32   zero                 |
//!  0x03b8 |   unused                                       |
//!         +------------------------------------------------+
//!         | Note, by the worker that cannot start
//!  0x03c0 |   note              text, zero behind its end  |
//!         +------------------------------------------------+
//!  0x07c0 |   unused                                       |
//!  0x1000 +------------------------------------------------+
//! ```

use core::mem::{offset_of, size_of};

use super::{
    Counters, Header, Line, LinkName, Note, Orders, Pipes, Progress, Setup, Stops, Vitals,
    WorkerPage,
};
use crate::first::OwnerLock;
use crate::lane::LaneHead;
use crate::packed::packed;
use crate::stop::StopFlag;
use crate::sync::AtomicU32;
use crate::wait::Doorbell;

packed!(Header {
    magic, layout_hash, version, workers, slots, supervisor_pid, supervisor_start, exe_hash,
    total_bytes, clock, stop, doorbell, awake, lock, about, names,
} then 0 unused);
packed!(Orders {
    generation, copy_path, spawned_ns, taken, check_every, most_growth_kib, sent,
} then 0x18 unused);
packed!(Vitals {
    pid, phase, parked, generation, ready_ns, leaving_ns, check_ps, peak_rss_bytes, ready_ticks,
    grown_bytes,
} then 0 unused);
packed!(Counters {
    tasks, bytes_in, bytes_out, checks, wait, decode, compute, encode, send, lock, mark, begun, started,
    finished, entry,
} then 0x08 unused);
packed!(Pipes { received, sent, received_cost } then 0x30 unused);
const _: () = assert!(size_of::<WorkerPage>() == 0x1000);
packed!(Stops { flag, skips } then 0x28 unused);
packed!(Progress { message, done, total } then 0x28 unused);
packed!(Setup { place, head_bytes, head_hash, levels, _reserved } then 0x08 unused);
packed!(WorkerPage {
    orders, vitals, counters, pipes, link, lane, stops, progress, setup, note,
} then 0x840 unused);
const _: () = assert!(size_of::<LaneHead>() == 0xc0);

/// Asserts each offset, and gives all of them.
macro_rules! numbers {
    ($($type:ident.$first:ident$(.$second:ident)? == $offset:literal)+) => {
        $(const _: () = assert!(offset_of!($type, $first$(.$second)?) == $offset);)+

        /// Where every field of a worker's page lies, and how much the rest takes.
        pub(super) const PAGE: &[usize] = &[
            $(offset_of!($type, $first$(.$second)?),)+
            size_of::<LinkName>(),
            size_of::<LaneHead>(),
            size_of::<Note>(),
            size_of::<WorkerPage>(),
        ];
    };
}

numbers! {
    WorkerPage.orders.generation == 0x0000
    WorkerPage.orders.copy_path == 0x0004
    WorkerPage.orders.spawned_ns == 0x0008
    WorkerPage.orders.taken == 0x0010
    WorkerPage.orders.check_every == 0x0018
    WorkerPage.orders.most_growth_kib == 0x001c
    WorkerPage.orders.sent == 0x0020
    WorkerPage.vitals.pid == 0x0040
    WorkerPage.vitals.phase == 0x0044
    WorkerPage.vitals.parked == 0x0048
    WorkerPage.vitals.generation == 0x004c
    WorkerPage.vitals.ready_ns == 0x0050
    WorkerPage.vitals.leaving_ns == 0x0058
    WorkerPage.vitals.check_ps == 0x0060
    WorkerPage.vitals.peak_rss_bytes == 0x0068
    WorkerPage.vitals.ready_ticks == 0x0070
    WorkerPage.vitals.grown_bytes == 0x0078
    WorkerPage.counters.tasks == 0x0080
    WorkerPage.counters.bytes_in == 0x0088
    WorkerPage.counters.bytes_out == 0x0090
    WorkerPage.counters.checks == 0x0098
    WorkerPage.counters.wait == 0x00a0
    WorkerPage.counters.decode == 0x00a8
    WorkerPage.counters.compute == 0x00b0
    WorkerPage.counters.encode == 0x00b8
    WorkerPage.counters.send == 0x00c0
    WorkerPage.counters.lock == 0x00c8
    WorkerPage.counters.mark == 0x00d0
    WorkerPage.counters.begun == 0x00d8
    WorkerPage.counters.started == 0x00e0
    WorkerPage.counters.finished == 0x00e8
    WorkerPage.counters.entry == 0x00f0
    WorkerPage.pipes.received == 0x0100
    WorkerPage.pipes.sent == 0x0104
    WorkerPage.pipes.received_cost == 0x0108
    WorkerPage.link == 0x0140
    WorkerPage.lane == 0x0240
    WorkerPage.stops.flag == 0x0300
    WorkerPage.stops.skips == 0x0310
    WorkerPage.progress.message == 0x0340
    WorkerPage.progress.done == 0x0348
    WorkerPage.progress.total == 0x0350
    WorkerPage.setup.place == 0x0380
    WorkerPage.setup.head_bytes == 0x03a0
    WorkerPage.setup.head_hash == 0x03a8
    WorkerPage.setup.levels == 0x03b0
    WorkerPage.setup._reserved == 0x03b4
    WorkerPage.note == 0x03c0
}

/// Where every field of the header lies (`layout` draws and asserts it), and how much the rest takes.
pub(super) const HEADER: &[usize] = &[
    offset_of!(Header, magic),
    offset_of!(Header, layout_hash),
    offset_of!(Header, version),
    offset_of!(Header, workers),
    offset_of!(Header, slots),
    offset_of!(Header, supervisor_pid),
    offset_of!(Header, supervisor_start),
    offset_of!(Header, exe_hash),
    offset_of!(Header, total_bytes),
    offset_of!(Header, clock),
    offset_of!(Header, stop),
    offset_of!(Header, doorbell),
    offset_of!(Header, awake),
    offset_of!(Header, lock),
    offset_of!(Header, about),
    offset_of!(Header, names),
    size_of::<Line<StopFlag>>(),
    size_of::<Line<Doorbell>>(),
    size_of::<Line<AtomicU32>>(),
    size_of::<Line<OwnerLock>>(),
    size_of::<Header>(),
];
