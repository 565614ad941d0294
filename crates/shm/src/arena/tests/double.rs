//! A machine with processes and shared memory, made of neither.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::OwnerIndex;
use crate::Park;
use crate::arena::{Advice, Arena, Directory, ExtentError, ExtentId, Extents, Mapped};
use crate::steps::step;

/// The shared-memory file system: objects by name, and its size.
#[derive(Default)]
pub(super) struct Objects {
    linked: Mutex<HashMap<ExtentId, Arc<Memory>>>,
    allocated_bytes: AtomicU64,
    pub(super) limit_bytes: AtomicU64,
    /// No object may have more; 0 for no such limit.
    pub(super) largest_bytes: AtomicU64,
    pub(super) creations: AtomicUsize,
}

struct Memory {
    /// What was allocated: a page more than asked for, to have an aligned start in it.
    /// (Aligned memory would not come from the system untouched and zero.)
    allocated: NonNull<u8>,
    layout: Layout,
    bytes: u64,
    objects: Arc<Objects>,
}

// SAFETY: plain memory; who uses it synchronises, as with any mapping.
unsafe impl Send for Memory {}
// SAFETY: as for Send.
unsafe impl Sync for Memory {}

impl Drop for Memory {
    fn drop(&mut self) {
        self.objects
            .allocated_bytes
            .fetch_sub(self.bytes, Ordering::Relaxed);
        // SAFETY: from `alloc_zeroed` with this layout; this is the last `Arc`.
        unsafe { dealloc(self.allocated.as_ptr(), self.layout) };
    }
}

impl Memory {
    fn base(&self) -> NonNull<u8> {
        let pad = self.allocated.align_offset(4096);
        // SAFETY: less than the page that was allocated on top.
        unsafe { self.allocated.add(pad) }
    }
}

impl Objects {
    pub(super) fn linked(&self) -> usize {
        self.linked.lock().unwrap().len()
    }

    pub(super) fn allocated_bytes(&self) -> u64 {
        self.allocated_bytes.load(Ordering::Relaxed)
    }
}

struct Process(Arc<Objects>);

// SAFETY: an object is zeroed, aligned to 4096, and stays while its `Memory` does.
unsafe impl Extents for Process {
    fn create(&self, id: ExtentId, bytes: NonZeroUsize, _: Advice) -> Result<Mapped, ExtentError> {
        let objects = &self.0;
        step();
        objects.creations.fetch_add(1, Ordering::Relaxed);
        let (wanted, limit) = (
            bytes.get() as u64,
            objects.limit_bytes.load(Ordering::Relaxed),
        );
        let largest = objects.largest_bytes.load(Ordering::Relaxed);
        let before = objects.allocated_bytes.fetch_add(wanted, Ordering::Relaxed);
        if (limit != 0 && before + wanted > limit) || (largest != 0 && wanted > largest) {
            objects.allocated_bytes.fetch_sub(wanted, Ordering::Relaxed);
            let free = limit.saturating_sub(before);
            return Err(ExtentError::Full {
                wanted,
                free,
                limit,
            });
        }
        let layout = Layout::from_size_align(bytes.get() + 4096, 8).unwrap();
        // SAFETY: the size is not zero.
        let allocated = NonNull::new(unsafe { alloc_zeroed(layout) }).unwrap();
        let memory = Arc::new(Memory {
            allocated,
            layout,
            bytes: wanted,
            objects: Arc::clone(objects),
        });
        self.0
            .linked
            .lock()
            .unwrap()
            .insert(id, Arc::clone(&memory));
        step();
        Ok(Mapped::new(memory.base(), memory))
    }

    fn open(&self, id: ExtentId, bytes: NonZeroUsize, _: Advice) -> Result<Mapped, ExtentError> {
        let found = self.0.linked.lock().unwrap().get(&id).cloned();
        let memory = found.filter(|memory| memory.bytes >= bytes.get() as u64);
        let memory = memory.ok_or(ExtentError::Gone { id })?;
        Ok(Mapped::new(memory.base(), memory))
    }

    fn unlink(&self, id: ExtentId) {
        step();
        self.0.linked.lock().unwrap().remove(&id);
    }
}

/// Sleeping as threads of one process do: all that park meet in one room.
pub(super) struct ThreadPark;

static ROOM: (Mutex<()>, Condvar) = (Mutex::new(()), Condvar::new());

impl Park for ThreadPark {
    fn park(&self, word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
        let room = ROOM.0.lock().unwrap_or_else(PoisonError::into_inner);
        if word.load(Ordering::Relaxed) == expected {
            let timeout = timeout.unwrap_or(Duration::MAX);
            drop(ROOM.1.wait_timeout(room, timeout));
        }
    }

    fn unpark(&self, word: &AtomicU32) {
        self.unpark_all(word);
    }

    fn unpark_all(&self, _: &AtomicU32) {
        drop(ROOM.0.lock().unwrap_or_else(PoisonError::into_inner));
        ROOM.1.notify_all();
    }
}

/// The machine. Outlives its processes.
pub(super) struct Machine {
    pub(super) directory: NonNull<Directory>,
    pub(super) objects: Arc<Objects>,
}

impl Machine {
    pub(super) fn new() -> Self {
        // SAFETY: a directory is all atomics, for which zero is valid.
        let directory = Box::new(unsafe { std::mem::zeroed::<Directory>() });
        Self {
            directory: NonNull::from(Box::leak(directory)),
            objects: Arc::default(),
        }
    }

    /// Starts the process of this index.
    pub(super) fn start(&self, owner: u8) -> Arc<Arena> {
        let extents = Process(Arc::clone(&self.objects));
        // SAFETY: the directory outlives the processes, and each test starts an owner anew
        // only after killing it.
        Arc::new(unsafe {
            Arena::attach(self.directory, OwnerIndex::new(owner), extents, ThreadPark)
        })
    }

    pub(super) fn supervisor(&self) -> Arc<Arena> {
        self.start(0)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // SAFETY: from `Box::leak`; all arenas are gone, because tests start them later.
        drop(unsafe { Box::from_raw(self.directory.as_ptr()) });
    }
}

/// Numbers that look random, the same for the same seed (splitmix64).
pub(super) struct Rng(pub(super) u64);

impl Rng {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}
