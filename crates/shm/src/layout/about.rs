//! What a pool says about itself, for those who look on from outside. No worker reads it, and
//! nothing depends on it: it is for people.
//!
//! ```text
//!         About, by the supervisor, rarely
//!  0x0000 +------------------------------------------------+
//!  0x0000 |   created_ns        u64                        |
//!  0x0008 |   pending           u64   messages             |
//!  0x0010 |   starts            u64   processes            |
//!  0x0018 |   deaths            u64   processes            |
//!  0x0020 |   tasks_gone        u64   by processes gone    |
//!  0x0028 |   start_method      u32                        |
//!  0x002c |   copy_path         u32   0 or 1               |
//!  0x0030 |   stage             u32   see `Stage`          |
//!  0x0034 |   reserved          zero                       |
//!  0x0040 |   name              text, zero behind its end  |
//!  0x0140 +------------------------------------------------+
//! ```

use core::mem::{offset_of, size_of};

use super::LinkName;
use crate::packed::packed;
use crate::sync::{AtomicU32, AtomicU64};

/// See the module.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct About {
    /// When the pool was made, CLOCK_MONOTONIC ns.
    pub created_ns: AtomicU64,
    /// Messages that no worker has room for.
    pub pending: AtomicU64,
    /// Worker processes that were asked for, in all.
    pub starts: AtomicU64,
    /// Worker processes that died without being asked to.
    pub deaths: AtomicU64,
    /// Tasks (items) that processes had finished which are gone.
    pub tasks_gone: AtomicU64,
    /// How workers start; a number that only the runtime understands.
    pub start_method: AtomicU32,
    /// 1: tasks travel by the copy path.
    pub copy_path: AtomicU32,
    /// Where the pool is in its life; a [`Stage`].
    pub stage: AtomicU32,
    _reserved: [AtomicU32; 3],
    /// What its makers call it.
    pub name: LinkName,
}

/// Where a pool is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Stage {
    /// It takes tasks.
    Open = 0,
    /// It finishes what it has.
    Closing = 1,
    /// It runs nothing any more.
    Aborted = 2,
}

impl Stage {
    /// The stage with this number; anything else reads as `Open`.
    #[must_use]
    pub fn of(number: u32) -> Self {
        match number {
            1 => Self::Closing,
            2 => Self::Aborted,
            _ => Self::Open,
        }
    }
}

packed!(About {
    created_ns, pending, starts, deaths, tasks_gone, start_method, copy_path, stage, _reserved, name,
} then 0 unused);

const _: () = {
    assert!(offset_of!(About, created_ns) == 0x0000);
    assert!(offset_of!(About, pending) == 0x0008);
    assert!(offset_of!(About, starts) == 0x0010);
    assert!(offset_of!(About, deaths) == 0x0018);
    assert!(offset_of!(About, tasks_gone) == 0x0020);
    assert!(offset_of!(About, start_method) == 0x0028);
    assert!(offset_of!(About, copy_path) == 0x002c);
    assert!(offset_of!(About, stage) == 0x0030);
    assert!(offset_of!(About, _reserved) == 0x0034);
    assert!(offset_of!(About, name) == 0x0040);
    assert!(size_of::<About>() == 0x0140);
};

/// Where every field lies, and how much they take.
pub(super) const ABOUT: &[usize] = &[
    offset_of!(About, created_ns),
    offset_of!(About, pending),
    offset_of!(About, starts),
    offset_of!(About, deaths),
    offset_of!(About, tasks_gone),
    offset_of!(About, start_method),
    offset_of!(About, copy_path),
    offset_of!(About, stage),
    offset_of!(About, _reserved),
    offset_of!(About, name),
    size_of::<About>(),
];
