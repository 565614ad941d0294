//! The arena as one process has it: allocate, and resolve what peers send.

use core::ptr::NonNull;
use std::sync::{Arc, PoisonError, RwLock};

use super::ExtentId;
use super::alloc_error::AllocError;
use super::class::Request;
use super::descriptor::{Descriptor, Fault};
use super::directory::{Directory, Entry, MAX_EXTENTS};
use super::extents::Extents;
use super::handle::{Block, BlockMut, Chunk};
use super::mapping::Mapping;
use super::state::Kind;
use super::warm::{ArenaId, Core};
use crate::OwnerIndex;
use crate::Park;
use crate::sync::{AtomicU64, Ordering};

/// A process's access to the arena. Meant to be shared by its threads in an `Arc`.
///
/// Handles may outlive it; the directory need not live for them.
pub struct Arena {
    pub(super) core: Arc<Core>,
    directory: NonNull<Directory>,
    /// What this process has mapped, by directory entry.
    table: RwLock<Box<[Option<Arc<Mapping>>]>>,
    /// The directory's count of retirements when the table was last gone through.
    seen_retirements: AtomicU64,
}

// SAFETY: the directory is valid for as long as the arena lives (`attach`), on any thread,
// and is all atomics.
unsafe impl Send for Arena {}
// SAFETY: as for Send.
unsafe impl Sync for Arena {}

impl Arena {
    /// Joins the arena whose directory lies there, as `owner`. Those who wait for memory are
    /// woken through `park`.
    ///
    /// # Safety
    /// * The directory is valid until the arena was dropped, was all zero when the first
    ///   process attached, and is only ever used as an arena's directory.
    /// * All processes that attach to it have `extents` that lead to the same objects.
    /// * No other live process, and no other `Arena` of this one, has the same owner; what
    ///   a dead one of this index had was [reclaimed](Self::reclaim).
    #[must_use]
    pub unsafe fn attach(
        directory: NonNull<Directory>,
        owner: OwnerIndex,
        extents: impl Extents + 'static,
        park: impl Park + Send + Sync + 'static,
    ) -> Self {
        assert!(
            directory.is_aligned(),
            "the arena's directory must be 64-aligned"
        );
        Self {
            core: Arc::new(Core::new(
                owner,
                Box::new(extents),
                directory,
                Box::new(park),
            )),
            directory,
            table: RwLock::new(core::iter::repeat_with(|| None).take(MAX_EXTENTS).collect()),
            seen_retirements: AtomicU64::new(0),
        }
    }

    /// Who this process is in the arena.
    #[must_use]
    pub fn owner(&self) -> OwnerIndex {
        self.core.owner
    }

    /// Tells this arena from the others of this process, as long as it or a handle lives.
    #[inline]
    #[must_use]
    pub fn id(&self) -> ArenaId {
        self.core.id()
    }

    /// The directory that all processes share.
    #[inline]
    #[must_use]
    pub fn directory(&self) -> &Directory {
        // SAFETY: valid for as long as `self` lives, by the contract of `attach`.
        unsafe { self.directory.as_ref() }
    }

    /// In the child of a fork, before anything else: what it inherited is the parent's.
    /// Handles that are dropped here then leave the parent's blocks alone, and nothing can
    /// be had from this arena any more.
    pub fn disown(&self) {
        self.core.disown();
    }

    /// A block of at least `bytes` bytes, warm if there is one: its contents are whatever
    /// was there before. Takes a lock of this process and one compare-and-swap when a block
    /// of the class was freed here lately; searches, and then makes an extent, otherwise.
    ///
    /// # Errors
    /// [`AllocError`] when no room is left, idle extents given back already.
    #[inline]
    pub fn alloc(&self, bytes: usize) -> Result<BlockMut, AllocError> {
        let too_large = AllocError::TooLarge { wanted: bytes };
        let request = Request::new(bytes).ok_or(too_large)?;
        if self.core.is_disowned() {
            return Err(AllocError::Disowned);
        }
        self.unmap_retired();
        let (mapping, block, generation) = match self.core.claim(&request) {
            Some(claimed) => claimed,
            None => self.alloc_more(&request)?,
        };
        Ok(BlockMut::new(mapping, block, generation, request.bytes))
    }

    /// Takes part in what a peer shares: the bytes are read in place. Of a
    /// [`Common`](super::Common) block no bytes can be had, but a hold, as
    /// [`Common::keep`](super::Common::keep) names it.
    ///
    /// # Errors
    /// [`Fault`] by name, for any bytes that a peer may have put into the descriptor.
    pub fn resolve(&self, named: &Descriptor) -> Result<Block, Fault> {
        let mapping = self.checked(named)?;
        match mapping.join(named, Kind::Shared) {
            // What shows no bytes needs nobody's word that they are not written.
            Err(_) if named.len == 0 => mapping.join(named, Kind::Common)?,
            joined => joined?,
        }
        Ok(Block::joined(mapping, named))
    }

    /// Takes a block that its owner [offered](BlockMut::offer).
    ///
    /// # Errors
    /// [`Fault`] by name; [`Fault::Stale`] when it was taken already or its owner died.
    pub fn take(&self, named: &Descriptor) -> Result<BlockMut, Fault> {
        let mapping = self.checked(named)?;
        if named.offset != 0 {
            // Only whole blocks are on offer.
            let (offset, len) = (named.offset, named.len);
            return Err(Fault::OutOfBounds {
                offset,
                len,
                available: 0,
            });
        }
        let taken = mapping
            .header(named.block)
            .take(self.core.owner, named.generation);
        let generation = taken.map_err(|seen| named.fault(Kind::Offered, seen))?;
        Ok(BlockMut::new(mapping, named.block, generation, named.len))
    }

    /// Borrows a part of a block that its owner [lent out](BlockMut::lend), to write into it.
    ///
    /// # Errors
    /// [`Fault`] by name.
    ///
    /// # Safety
    /// While the chunk lives, no other chunk that overlaps it is used, in any process.
    pub unsafe fn borrow(&self, named: &Descriptor) -> Result<Chunk, Fault> {
        let mapping = self.checked(named)?;
        mapping.join(named, Kind::Lent)?;
        Ok(Chunk::joined(mapping, named))
    }

    /// The extent that a descriptor names, after checking everything but the block's state.
    pub(super) fn checked(&self, named: &Descriptor) -> Result<Arc<Mapping>, Fault> {
        if self.core.is_disowned() {
            return Err(Fault::Disowned);
        }
        if named.zero != 0 {
            return Err(Fault::Malformed { found: named.zero });
        }
        self.unmap_retired();
        let mapping = self.mapping(named.extent_id())?;
        named.check(mapping.geometry)?;
        Ok(mapping)
    }

    /// This process's mapping of an extent, made if need be.
    pub(super) fn mapping(&self, id: ExtentId) -> Result<Arc<Mapping>, Fault> {
        let Some(entry) = self.directory().entry(id.index) else {
            return Err(Fault::NoSuchExtent { extent: id.index });
        };
        if let Some(mapping) = self.already_mapped(id) {
            return Ok(mapping);
        }
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let slot = &mut table[usize::from(id.index)];
        if let Some(mapping) = slot.as_ref().filter(|mapping| mapping.id == id) {
            return Ok(Arc::clone(mapping));
        }
        let word = entry.look();
        if !word.is_open() || word.generation() != id.generation {
            return Err(Fault::StaleExtent { extent: id });
        }
        let Some(geometry) = entry.geometry(word) else {
            return Err(Fault::CorruptExtent { extent: id });
        };
        let bytes = Mapping::mapped_bytes(geometry)?;
        let mapped =
            self.core
                .extents
                .open(id, bytes, self.directory().advice().for_bytes(bytes))?;
        // The geometry was this extent's only if the extent was there all the while.
        if !entry.has(id) {
            return Err(Fault::StaleExtent { extent: id });
        }
        let mapping = Arc::new(Mapping::new(Arc::clone(&self.core), id, geometry, mapped));
        let former = slot.replace(Arc::clone(&mapping));
        drop(table);
        self.core.replaced(former, &mapping);
        Ok(mapping)
    }

    pub(super) fn already_mapped(&self, id: ExtentId) -> Option<Arc<Mapping>> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let slot = table.get(usize::from(id.index))?.as_ref();
        slot.filter(|mapping| mapping.id == id).cloned()
    }

    /// Enters an extent that this process has made and not yet announced.
    pub(super) fn enter(&self, mapping: &Arc<Mapping>) {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let former = table[usize::from(mapping.id.index)].replace(Arc::clone(mapping));
        drop(table);
        self.core.replaced(former, mapping);
    }

    /// Forgets an extent; it is unmapped with its last handle.
    pub(super) fn forget(&self, mapping: &Arc<Mapping>) {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let slot = &mut table[usize::from(mapping.id.index)];
        if slot.as_ref().is_some_and(|other| other.id == mapping.id) {
            *slot = None;
        }
        drop(table);
        self.core.unmapped(mapping);
    }

    /// Unmaps what others have retired. One load when nothing was; an idle process may call
    /// it now and then, so that memory which nobody uses is given back.
    #[inline]
    pub fn unmap_retired(&self) {
        let retirements = self.directory().retirements();
        // Relaxed: two threads that both go through the table do no harm.
        if self.seen_retirements.load(Ordering::Relaxed) != retirements {
            self.seen_retirements.store(retirements, Ordering::Relaxed);
            self.unmap_stale();
        }
    }

    #[cold]
    fn unmap_stale(&self) {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let mapped: Vec<_> = table.iter().flatten().cloned().collect();
        drop(table);
        for mapping in mapped {
            let id = mapping.id;
            let word = self.directory().entry(id.index).map(Entry::look);
            // An extent that this process is just making is neither open nor stale.
            if word.is_none_or(|word| word.generation() != id.generation || word.is_over()) {
                self.forget(&mapping);
            }
        }
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // The extents that are mapped know the core, and the core them.
        self.core.close();
    }
}

impl core::fmt::Debug for Arena {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Arena")
            .field("owner", &self.core.owner)
            .field("directory", self.directory())
            .finish_non_exhaustive()
    }
}
