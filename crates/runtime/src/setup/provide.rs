//! Values that every worker has from its start.

use std::any::{Any, type_name};
use std::fmt::{self, Display};
use std::sync::Arc;

use bytemuck::Pod;
use forkyard_shm::state::Shareable;
use forkyard_wire::codec;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::hook::entry_of_provided;
use crate::arena::RawArena;
use crate::driver::Core;
use crate::error::BuildError;
use crate::packing::{Attached, Attachments, Packing, take_attachments};
use crate::state::make;
use crate::{
    Arena, Barrier, Event, Queue, Semaphore, SharedArray, SharedCell, SharedMutex, StateError,
};

/// Makes shared state and shared data for a pool that is being built; see
/// [`PoolBuilder::provide_with`](crate::PoolBuilder::provide_with).
#[derive(Debug)]
pub struct Maker<'a> {
    core: &'a Arc<Core>,
    arena: Arena,
}

impl<'a> Maker<'a> {
    pub(crate) fn of(core: &'a Arc<Core>) -> Self {
        Self {
            core,
            arena: Arena::of_pool(core),
        }
    }

    /// The pool's shared memory for large data.
    #[must_use]
    pub fn arena(&self) -> &Arena {
        &self.arena
    }

    /// As [`Pool::cell`](crate::Pool::cell).
    ///
    /// # Errors
    /// [`StateError`].
    pub fn cell<T: Shareable>(&self, value: T) -> Result<SharedCell<T>, StateError> {
        make::cell(self.core, value)
    }

    /// As [`Pool::array`](crate::Pool::array).
    ///
    /// # Errors
    /// [`StateError`].
    pub fn array<T: Shareable>(&self, len: usize) -> Result<SharedArray<T>, StateError> {
        make::array(self.core, len)
    }

    /// As [`Pool::mutex`](crate::Pool::mutex).
    ///
    /// # Errors
    /// [`StateError`].
    pub fn mutex<T: Pod + Send + Sync>(&self, value: T) -> Result<SharedMutex<T>, StateError> {
        make::mutex(self.core, value)
    }

    /// As [`Pool::event`](crate::Pool::event).
    ///
    /// # Errors
    /// [`StateError`].
    pub fn event(&self) -> Result<Event, StateError> {
        make::event(self.core)
    }

    /// As [`Pool::semaphore`](crate::Pool::semaphore).
    ///
    /// # Errors
    /// [`StateError`].
    pub fn semaphore(&self, permits: usize) -> Result<Semaphore, StateError> {
        make::semaphore(self.core, permits)
    }

    /// As [`Pool::barrier`](crate::Pool::barrier).
    ///
    /// # Errors
    /// [`StateError`].
    pub fn barrier(&self, parties: usize) -> Result<Barrier, StateError> {
        make::barrier(self.core, parties)
    }

    /// As [`Pool::queue`](crate::Pool::queue).
    ///
    /// # Errors
    /// [`StateError`].
    pub fn queue<T: Pod + Send + Sync>(&self, capacity: usize) -> Result<Queue<T>, StateError> {
        make::queue(self.core, capacity)
    }
}

/// A value, made and encoded.
pub(crate) struct Made {
    pub(super) entry: u64,
    pub(super) bytes: Vec<u8>,
    /// What it speaks of.
    pub(super) attached: Attachments,
    /// As this process has it.
    pub(super) here: Arc<dyn Any + Send + Sync>,
}

type Making = dyn Fn(&Maker<'_>) -> Result<Made, BuildError> + Send + Sync;

/// How a value will be made.
#[derive(Clone)]
pub(crate) struct Provide {
    of: &'static str,
    make: Arc<Making>,
}

impl fmt::Debug for Provide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.of)
    }
}

impl Provide {
    /// That value.
    pub(crate) fn value<T>(value: T) -> Self
    where
        T: Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        let value = Arc::new(value);
        Self {
            of: type_name::<T>(),
            make: Arc::new(move |maker| encode(&maker.core.arena, Arc::clone(&value))),
        }
    }

    /// What `make` makes.
    pub(crate) fn with<T, E>(
        make: impl Fn(&Maker<'_>) -> Result<T, E> + Send + Sync + 'static,
    ) -> Self
    where
        T: Serialize + DeserializeOwned + Send + Sync + 'static,
        E: Display,
    {
        let make = move |maker: &Maker<'_>| {
            let value = make(maker).map_err(|error| not_provided::<T>(&error))?;
            encode(&maker.core.arena, Arc::new(value))
        };
        Self {
            of: type_name::<T>(),
            make: Arc::new(make),
        }
    }

    pub(crate) fn make(&self, maker: &Maker<'_>) -> Result<Made, BuildError> {
        (self.make)(maker)
    }
}

fn encode<T>(arena: &RawArena, value: Arc<T>) -> Result<Made, BuildError>
where
    T: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    let _packing = Packing::begin(arena);
    let mut bytes = Vec::new();
    codec::encode_to_vec(&*value, &mut bytes).map_err(|error| not_provided::<T>(&error))?;
    let mut attached = Attachments::new();
    take_attachments(&mut attached);
    let moves = |attached: &Attached| !matches!(attached, Attached::Shared(_));
    if attached.iter().any(moves) {
        return Err(not_provided::<T>(
            &"an Owned value is one process's at a time, and cannot be provided to all; \
              share it (Owned::into_shared)",
        ));
    }
    Ok(Made {
        entry: entry_of_provided::<T>(),
        bytes,
        attached,
        here: value,
    })
}

fn not_provided<T>(why: &dyn Display) -> BuildError {
    BuildError::Settings {
        what: "a value to provide to the workers",
        why: format!("{}: {why}", type_name::<T>()),
    }
}
