//! What a process remembers about free blocks, so that it need not search.
//!
//! All of this is hints: a block is had by the CAS in its header and by nothing else. So no
//! list in shared memory can be left half-linked by a death, and a hint that is out of date
//! costs one failed claim.

use core::ptr::NonNull;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::class::{CLASSES, Request, class_of};
use super::directory::Directory;
use super::extents::Extents;
use super::mapping::Mapping;
use crate::OwnerIndex;
use crate::Park;
use crate::sync::{AtomicU32, Ordering};

/// How many freed blocks of a class a process remembers.
const RECENT_BLOCKS: usize = 128;

/// Tells the arenas of one process apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArenaId(usize);

/// The part of an arena that its handles share with it, and may outlive it with.
pub(super) struct Core {
    pub(super) owner: OwnerIndex,
    pub(super) extents: Box<dyn Extents>,
    /// Who wakes those who wait for memory.
    pub(super) park: Box<dyn Park + Send + Sync>,
    /// The arena's directory: valid while the arena lives, which is as long as a [`Warm`] whose
    /// lock is held is not closed.
    directory: NonNull<Directory>,
    disowned: AtomicU32,
    classes: Box<[Class]>,
}

#[derive(Default)]
struct Class {
    warm: Mutex<Warm>,
    /// Held while an extent is made or mapped for the class, which may take long; frees do
    /// not wait for it.
    growth: Mutex<()>,
}

#[derive(Default)]
struct Warm {
    /// Blocks that this process freed, the last one on top: its bytes are in the cache.
    recent: Vec<(Arc<Mapping>, u32)>,
    /// Mapped extents of the class, and where in them the last search succeeded.
    mappings: Vec<Arc<Mapping>>,
    next: usize,
    /// The arena is gone: forget everything, or the cycle of `Arc`s stays.
    closed: bool,
}

// SAFETY: the pointer is an address that is followed only while the directory, which is all
// atomics, is valid; see the field.
unsafe impl Send for Core {}
// SAFETY: as for Send.
unsafe impl Sync for Core {}

impl Core {
    pub(super) fn new(
        owner: OwnerIndex,
        extents: Box<dyn Extents>,
        directory: NonNull<Directory>,
        park: Box<dyn Park + Send + Sync>,
    ) -> Self {
        Self {
            owner,
            extents,
            park,
            directory,
            disowned: AtomicU32::new(0),
            classes: (0..CLASSES).map(|_| Class::default()).collect(),
        }
    }

    /// Its address, which no other has while this one lives.
    #[inline]
    pub(super) fn id(&self) -> ArenaId {
        ArenaId(core::ptr::from_ref(self).addr())
    }

    #[inline]
    pub(super) fn is_disowned(&self) -> bool {
        // Relaxed: set before the child of a fork does anything else, by its only thread.
        self.disowned.load(Ordering::Relaxed) != 0 || self.extents.is_inherited()
    }

    pub(super) fn disown(&self) {
        self.disowned.store(1, Ordering::Relaxed);
    }

    #[inline]
    fn warm(&self, class: usize) -> MutexGuard<'_, Warm> {
        // A panic cannot leave hints in a state that matters.
        self.classes[class]
            .warm
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until no other thread makes an extent for the class.
    pub(super) fn growth(&self, class: usize) -> MutexGuard<'_, ()> {
        self.classes[class]
            .growth
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Claims a block that this process freed lately, or finds one in what it has mapped.
    /// Mapping, block and generation.
    #[inline]
    pub(super) fn claim(&self, request: &Request) -> Option<(Arc<Mapping>, u32, u32)> {
        request
            .classes()
            .find_map(|class| self.warm(class).claim(request))
    }

    /// Remembers a block that has just become free, and wakes who waits for one.
    #[inline]
    pub(super) fn freed(&self, mapping: Arc<Mapping>, block: u32) {
        let mut warm = self.warm(class_of(mapping.geometry.block_bytes()));
        if warm.closed {
            // The arena is gone, and perhaps its directory: whoever waits elsewhere is this
            // process's peer, and hears of it when the process ends.
            return;
        }
        // SAFETY: `close`, which the arena's drop calls, takes the same lock and closes; so
        // the arena still lives, and with it the directory, by the contract of `attach`.
        let directory = unsafe { self.directory.as_ref() };
        directory.wanted().ring_if_wanted(&*self.park);
        if warm.recent.len() < RECENT_BLOCKS {
            warm.recent.push((mapping, block));
        }
    }

    /// Searches this extent first from now on, and `former`, whose entry it took, no more.
    pub(super) fn replaced(&self, former: Option<Arc<Mapping>>, mapping: &Arc<Mapping>) {
        if let Some(former) = former {
            self.unmapped(&former);
        }
        let mut warm = self.warm(class_of(mapping.geometry.block_bytes()));
        if !warm.closed {
            warm.next = warm.mappings.len();
            warm.mappings.push(Arc::clone(mapping));
        }
    }

    /// Searches this extent no more.
    pub(super) fn unmapped(&self, mapping: &Arc<Mapping>) {
        let mut warm = self.warm(class_of(mapping.geometry.block_bytes()));
        warm.mappings.retain(|other| other.id != mapping.id);
        warm.recent.retain(|(other, _)| other.id != mapping.id);
    }

    /// Forgets everything, for good.
    pub(super) fn close(&self) {
        for class in 0..CLASSES {
            // Dropped after the lock is: a mapping's drop may unmap.
            let _forgotten = core::mem::replace(
                &mut *self.warm(class),
                Warm {
                    closed: true,
                    ..Warm::default()
                },
            );
        }
    }
}

impl Warm {
    #[inline]
    fn claim(&mut self, request: &Request) -> Option<(Arc<Mapping>, u32, u32)> {
        while let Some((mapping, block)) = self.pop(request) {
            let owner = mapping.owner();
            if let Some(generation) = mapping.header(block).claim(owner, request.bytes) {
                return Some((mapping, block, generation));
            }
        }
        self.search(request)
    }

    #[inline]
    fn pop(&mut self, request: &Request) -> Option<(Arc<Mapping>, u32)> {
        let fits =
            |(mapping, _): &(Arc<Mapping>, u32)| request.fits(mapping.geometry.block_bytes());
        if self.recent.last().is_some_and(fits) {
            return self.recent.pop();
        }
        let at = self.recent.iter().rposition(fits)?;
        Some(self.recent.remove(at))
    }

    #[cold]
    fn search(&mut self, request: &Request) -> Option<(Arc<Mapping>, u32, u32)> {
        let count = self.mappings.len();
        for step in 0..count {
            let at = (self.next + step) % count;
            let mapping = &self.mappings[at];
            if !request.fits(mapping.geometry.block_bytes()) {
                continue;
            }
            if let Some((block, generation)) = mapping.claim_any(request.bytes) {
                self.next = at;
                return Some((Arc::clone(mapping), block, generation));
            }
        }
        None
    }
}
