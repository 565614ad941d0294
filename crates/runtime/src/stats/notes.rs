//! What the supervisor notes in the control segment for those who look on: what no worker counts.
//!
//! Plain relaxed stores to lines that no worker reads while it works, most of them when a process
//! comes or goes. Only how many messages a worker was sent is noted with each lot of them.

use std::sync::atomic::{AtomicU64, Ordering};

use forkyard_os::clock::now_ns;
use forkyard_shm::control::Control;
use forkyard_shm::layout::{LINK_NAME_BYTES, Stage};

use super::read::number_of;
use crate::driver::{Core, Driver, PoolPhase};
use crate::{StartMethod, Transport};

/// Says what a new pool is. Without a name of its own it has that of its program.
pub(crate) fn introduce(
    control: &Control,
    name: Option<&str>,
    start_method: StartMethod,
    transport: Transport,
) {
    let about = &control.header().about;
    about.created_ns.store(now_ns(), Ordering::Relaxed);
    about
        .start_method
        .store(number_of(start_method), Ordering::Relaxed);
    let copy_path = u32::from(transport == Transport::Copy);
    about.copy_path.store(copy_path, Ordering::Relaxed);
    let program = || {
        let path = std::env::args_os().next().unwrap_or_default();
        let file = std::path::Path::new(&path).file_name().unwrap_or_default();
        file.to_string_lossy().into_owned()
    };
    let mut name = name.map_or_else(program, str::to_owned);
    name.retain(|c| !c.is_control());
    while name.len() > LINK_NAME_BYTES {
        name.pop();
    }
    // It fits, and has no zero byte.
    let _ = about.name.set(&name);
}

fn note(word: &AtomicU64, value: usize) {
    word.store(value as u64, Ordering::Relaxed);
}

impl Driver {
    /// Messages wait, or wait no more.
    #[inline]
    pub(crate) fn note_pending(&self, core: &Core) {
        note(&core.control.header().about.pending, self.pending.len());
    }

    /// Messages went to a worker, or were taken back.
    #[inline]
    pub(crate) fn note_sent(&self, core: &Core, index: usize) {
        let seat = &self.seats[index];
        let sent = seat.taken + seat.in_flight.len() as u64;
        let orders = &core.control.page(index).orders;
        orders.sent.store(sent, Ordering::Relaxed);
    }

    /// A process has come or gone, or the pool begins to end.
    pub(crate) fn note_change(&self, core: &Core) {
        let about = &core.control.header().about;
        let stage = match self.phase {
            PoolPhase::Open => Stage::Open,
            PoolPhase::Closing => Stage::Closing,
            PoolPhase::Aborted => Stage::Aborted,
        };
        about.stage.store(stage as u32, Ordering::Relaxed);
        let asked_for =
            |seat: &crate::driver::Seat| seat.generation as usize + usize::from(seat.started);
        note(&about.starts, self.seats.iter().map(asked_for).sum());
        about.deaths.store(self.past.died(), Ordering::Relaxed);
        self.note_pending(core);
    }

    /// A process is gone, and its timings are noted.
    pub(crate) fn note_gone(&self, core: &Core, index: usize) {
        let gone = &core.control.header().about.tasks_gone;
        gone.store(self.past.tasks(), Ordering::Relaxed);
        self.note_empty(core, index);
    }

    /// No process is there, or none came.
    pub(crate) fn note_empty(&self, core: &Core, index: usize) {
        let orders = &core.control.page(index).orders;
        orders.spawned_ns.store(0, Ordering::Relaxed);
        self.note_change(core);
    }
}
