//! An arena's directory and the objects of its extents, in memory of one process, for any number
//! of "processes" in it.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use forkyard_shm::arena::{Advice, Arena, Directory, ExtentError, ExtentId, Extents, Mapped};
use forkyard_shm::{OwnerIndex, Park};

use super::memory::{PeerMemory, Scribble};

/// What there is of shared memory, in bytes.
const LIMIT_BYTES: usize = 4 << 20;

type Objects = Arc<Mutex<HashMap<ExtentId, Arc<PeerMemory>>>>;

/// See the module. Arenas must be dropped before it.
#[derive(Debug)]
pub(super) struct Machine {
    directory: PeerMemory,
    objects: Objects,
}

struct Mapper(Objects);

/// Nobody sleeps: all "processes" are one thread.
struct Restless;

impl Park for Restless {
    fn park(&self, _: &AtomicU32, _: u32, _: Option<Duration>) {}
    fn unpark(&self, _: &AtomicU32) {}
    fn unpark_all(&self, _: &AtomicU32) {}
}

impl Machine {
    pub(super) fn new() -> Self {
        Self {
            directory: PeerMemory::new(size_of::<Directory>()),
            objects: Objects::default(),
        }
    }

    /// A process's arena.
    pub(super) fn attach(&self, owner: OwnerIndex) -> Arena {
        let directory = self.directory.base().cast::<Directory>();
        // SAFETY: zero at first and only used as a directory since; all attach with the same
        // objects, and each owner once at a time; callers keep the machine longer.
        unsafe {
            Arena::attach(
                directory,
                owner,
                Mapper(Arc::clone(&self.objects)),
                Restless,
            )
        }
    }

    /// A peer writes over the front of the directory, where the entries in use are.
    pub(super) fn over_directory(&self, scribble: &Scribble) {
        scribble.within(&self.directory, 0, 64 * 6);
    }

    /// A peer writes over the headers of an extent.
    pub(super) fn over_extent(&self, nth: usize, scribble: &Scribble) {
        let objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        let mut ids: Vec<_> = objects.keys().collect();
        ids.sort();
        if let Some(id) = ids.get(nth % ids.len().max(1)) {
            let object = &objects[*id];
            scribble.within(object, 0, object.len().min(64 * 8));
        }
    }
}

// SAFETY: `create` gives fresh zero pages of exactly the size, `open` what was created under the
// id and refuses more bytes than it has; the memory stays as long as the `Mapped` keeps its `Arc`.
unsafe impl Extents for Mapper {
    fn create(&self, id: ExtentId, bytes: NonZeroUsize, _: Advice) -> Result<Mapped, ExtentError> {
        let mut objects = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        objects.remove(&id);
        let used: usize = objects.values().map(|object| object.len()).sum();
        let free = LIMIT_BYTES.saturating_sub(used);
        if bytes.get() > free {
            return Err(ExtentError::Full {
                wanted: bytes.get() as u64,
                free: free as u64,
                limit: LIMIT_BYTES as u64,
            });
        }
        let object = Arc::new(PeerMemory::new(bytes.get()));
        objects.insert(id, Arc::clone(&object));
        Ok(Mapped::new(object.base(), object))
    }

    fn open(&self, id: ExtentId, bytes: NonZeroUsize, _: Advice) -> Result<Mapped, ExtentError> {
        let objects = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match objects.get(&id) {
            Some(object) if object.len() >= bytes.get() => {
                Ok(Mapped::new(object.base(), Arc::clone(object)))
            }
            _ => Err(ExtentError::Gone { id }),
        }
    }

    fn unlink(&self, id: ExtentId) {
        let mut objects = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        objects.remove(&id);
    }
}
