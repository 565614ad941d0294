//! Making shared state, which the supervisor does.

use bytemuck::Pod;
use forkyard_shm::arena::AllocError;
use forkyard_shm::state::Shareable;

use super::kind::Kind;
use super::{Barrier, Event, Queue, Semaphore, SharedArray, SharedCell, SharedMutex};
use crate::Pool;
use crate::arena::describe;
use crate::driver::Core;
use crate::mapped::{Laid, laid_bytes};

/// Why shared state could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// There can be no such number of what it counts.
    #[error("a {what} of {asked} is asked for; there can be {least} to {most}")]
    Count {
        /// What was to be made.
        what: &'static str,
        /// The number asked for.
        asked: usize,
        /// The least there can be.
        least: usize,
        /// The most there can be.
        most: usize,
    },
    /// No memory could be had for it.
    #[error("no shared memory for a {what}: {}", describe(.source))]
    Memory {
        /// What was to be made.
        what: &'static str,
        /// Why not, and what to do.
        source: AllocError,
    },
    /// The pool has no processes any more that could share it.
    #[error("the pool has ended; make shared state while it runs")]
    PoolEnded,
}

impl Pool {
    /// A number or a flag that tasks share.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn cell<T: Shareable>(&self, value: T) -> Result<SharedCell<T>, StateError> {
        cell(self.core(), value)
    }

    /// `len` numbers (all zero) or flags (all false) that tasks share.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn array<T: Shareable>(&self, len: usize) -> Result<SharedArray<T>, StateError> {
        array(self.core(), len)
    }

    /// Plain data that one task at a time may touch.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn mutex<T: Pod + Send + Sync>(&self, value: T) -> Result<SharedMutex<T>, StateError> {
        mutex(self.core(), value)
    }

    /// An event that is not set.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn event(&self) -> Result<Event, StateError> {
        event(self.core())
    }

    /// A semaphore with so many permits, 1 to 65,536.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn semaphore(&self, permits: usize) -> Result<Semaphore, StateError> {
        semaphore(self.core(), permits)
    }

    /// A barrier for so many participants, 1 to 32,767.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn barrier(&self, parties: usize) -> Result<Barrier, StateError> {
        barrier(self.core(), parties)
    }

    /// An empty queue for so many items, 1 to 16,777,215.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn queue<T: Pod + Send + Sync>(&self, capacity: usize) -> Result<Queue<T>, StateError> {
        queue(self.core(), capacity)
    }
}

// The same for a pool that is being built.

pub(crate) fn cell<T: Shareable>(core: &Core, value: T) -> Result<SharedCell<T>, StateError> {
    let cell = SharedCell {
        laid: make(core, 1)?,
    };
    cell.store(value);
    Ok(cell)
}

pub(crate) fn array<T: Shareable>(core: &Core, len: usize) -> Result<SharedArray<T>, StateError> {
    Ok(SharedArray {
        laid: make(core, len)?,
    })
}

pub(crate) fn mutex<T: Pod + Send + Sync>(
    core: &Core,
    value: T,
) -> Result<SharedMutex<T>, StateError> {
    let mutex = SharedMutex {
        laid: make(core, 1)?,
    };
    // Nobody else knows of it: it is open, and nobody has died with it.
    *mutex.lock().unwrap_or_else(|died| died.guard) = value;
    Ok(mutex)
}

pub(crate) fn event(core: &Core) -> Result<Event, StateError> {
    Ok(Event {
        laid: make(core, 1)?,
    })
}

pub(crate) fn semaphore(core: &Core, permits: usize) -> Result<Semaphore, StateError> {
    Ok(Semaphore {
        laid: make(core, permits)?,
    })
}

pub(crate) fn barrier(core: &Core, parties: usize) -> Result<Barrier, StateError> {
    Ok(Barrier {
        laid: make(core, parties)?,
    })
}

pub(crate) fn queue<T: Pod + Send + Sync>(
    core: &Core,
    capacity: usize,
) -> Result<Queue<T>, StateError> {
    Ok(Queue {
        laid: make(core, capacity)?,
    })
}

fn make<K: Kind>(core: &Core, count: usize) -> Result<Laid<K>, StateError> {
    let wrong_count = || StateError::Count {
        what: K::NAME,
        asked: count,
        least: *K::COUNTS.start(),
        most: *K::COUNTS.end(),
    };
    if !K::COUNTS.contains(&count) {
        return Err(wrong_count());
    }
    let block = core.arena.alloc(laid_bytes::<K>(count));
    let block = block.map_err(|source| StateError::Memory {
        what: K::NAME,
        source,
    })?;
    // The block is as large as it has to be, so only the number can be wrong.
    let laid = Laid::make(block, count).map_err(|_| wrong_count())?;
    core.states
        .enter(&core.arena, &laid)
        .map_err(|_| StateError::PoolEnded)?;
    Ok(laid)
}
