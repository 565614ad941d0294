//! An extent as one process sees it: where it is mapped, and how many handles this process
//! has on each of its blocks.

use core::num::NonZeroUsize;
use core::ptr::NonNull;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::descriptor::{Descriptor, Fault};
use super::extents::{ExtentError, Mapped};
use super::header::{BlockHeader, Left};
use super::state::Kind;
use super::warm::Core;
use super::{ExtentId, Geometry};
use crate::OwnerIndex;
use crate::sync::{AtomicU32, Ordering};

/// One mapped extent. Its geometry is this process's own copy, checked when it was mapped:
/// what a peer writes into the directory later cannot move a pointer.
pub(super) struct Mapping {
    pub(super) id: ExtentId,
    pub(super) geometry: Geometry,
    base: NonNull<u8>,
    /// Handles of this process on each block that it shares, clones aside; the holder bit is set
    /// while the number is not zero. The lock keeps threads of this process, which share the
    /// bit, from setting and clearing it at the same time.
    handles: Box<[Mutex<u32>]>,
    /// Where the last search for a free block ended.
    cursor: AtomicU32,
    pub(super) core: Arc<Core>,
    /// Last, so that it is unmapped when nothing else is left.
    _mapped: Mapped,
}

// SAFETY: `base` is an address that stays valid while `_mapped` lives, on any thread. What
// lies there is reached through atomics (headers), or handed out as raw pointers (payloads)
// to handles that follow the block protocol.
unsafe impl Send for Mapping {}
// SAFETY: as for Send.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Wraps what an implementation of `Extents` mapped for this geometry.
    pub(super) fn new(core: Arc<Core>, id: ExtentId, geometry: Geometry, mapped: Mapped) -> Self {
        let base = mapped.base();
        assert!(
            base.addr().get().is_multiple_of(align_of::<BlockHeader>()),
            "an implementation of Extents mapped extent {id} at an unaligned address"
        );
        // Owners start their searches at different places, to meet less.
        let start = u64::from(geometry.blocks()) * u64::from(core.owner.get()) / 256;
        Self {
            id,
            geometry,
            base,
            handles: (0..geometry.blocks()).map(|_| Mutex::new(0)).collect(),
            cursor: AtomicU32::new(start as u32),
            core,
            _mapped: mapped,
        }
    }

    /// The size to map for this geometry.
    pub(super) fn mapped_bytes(geometry: Geometry) -> Result<NonZeroUsize, ExtentError> {
        let full = ExtentError::Full {
            wanted: geometry.bytes(),
            free: 0,
            limit: isize::MAX as u64,
        };
        // More than isize::MAX bytes are no slice, and fit into no address space.
        let bytes = isize::try_from(geometry.bytes()).ok();
        let bytes = bytes.and_then(|bytes| NonZeroUsize::new(bytes.cast_unsigned()));
        bytes.ok_or(full)
    }

    /// The header of one of the extent's blocks.
    #[inline]
    pub(super) fn header(&self, block: u32) -> &BlockHeader {
        let offset = self.geometry.header_at(block) as usize;
        // SAFETY: the geometry keeps `offset + 64` within the mapped bytes, and 64-aligned
        // as the base is. The bytes live as long as `self` and are only ever used as this
        // header, which is all atomics and for which every bit pattern is valid.
        unsafe { self.base.add(offset).cast::<BlockHeader>().as_ref() }
    }

    /// The first byte of one of the extent's blocks; `block_bytes` bytes are valid there.
    #[inline]
    pub(super) fn payload(&self, block: u32) -> NonNull<u8> {
        let offset = self.geometry.payload_at(block) as usize;
        // SAFETY: the geometry keeps the whole payload within the mapped bytes.
        unsafe { self.base.add(offset) }
    }

    pub(super) fn headers(&self) -> impl Iterator<Item = &BlockHeader> {
        (0..self.geometry.blocks()).map(|block| self.header(block))
    }

    /// Claims some free block, from where the last search ended.
    pub(super) fn claim_any(&self, len: u64) -> Option<(u32, u32)> {
        let blocks = self.geometry.blocks();
        // Relaxed: a hint.
        let start = self.cursor.load(Ordering::Relaxed);
        let claim = |block| {
            let generation = self.header(block).claim(self.core.owner, len)?;
            Some((block, generation))
        };
        let claimed = (start..blocks)
            .chain(0..start.min(blocks))
            .find_map(claim)?;
        self.cursor
            .store((claimed.0 + 1) % blocks, Ordering::Relaxed);
        Some(claimed)
    }

    /// Whether no block is in use, as far as one can see without claiming them.
    pub(super) fn is_idle(&self) -> bool {
        self.headers()
            .all(|header| header.look().kind() == Kind::Free)
    }

    /// Claims every block, so that nobody else ever will; nothing if one is in use.
    pub(super) fn claim_all(&self) -> bool {
        let owner = self.core.owner;
        for block in 0..self.geometry.blocks() {
            if self.header(block).claim(owner, 0).is_none() {
                for header in self.headers().take(block as usize) {
                    let _ = header.abandon(owner, header.look().generation());
                }
                return false;
            }
        }
        true
    }

    fn handles(&self, block: u32) -> MutexGuard<'_, u32> {
        // Nothing panics while it holds the lock with the number half changed.
        self.handles[block as usize]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a block that this process owns shared or lent, with one handle.
    pub(super) fn publish(&self, block: u32, generation: u32, kind: Kind) {
        let mut handles = self.handles(block);
        // `false` would mean that a live process's block was reclaimed, or the header written
        // over: then the handle is a view of memory that stays mapped, and leaving does nothing.
        let _ = self
            .header(block)
            .publish(self.core.owner, generation, kind);
        *handles += 1;
    }

    /// One handle more on what a descriptor names.
    pub(super) fn join(&self, named: &Descriptor, kind: Kind) -> Result<(), Fault> {
        let header = self.header(named.block);
        let mut handles = self.handles(named.block);
        if *handles > 0 {
            // This process holds the block, so its state stays what it is.
            let seen = header.look();
            if !seen.is(kind, named.generation) {
                return Err(named.fault(kind, seen));
            }
        } else {
            header
                .join(self.core.owner, named.generation, kind)
                .map_err(|seen| named.fault(kind, seen))?;
        }
        *handles += 1;
        drop(handles);
        // The rest of the block holds what somebody else left there.
        named.check_range(header.len()).inspect_err(|_| {
            let _ = self.drop_handle(named.block, named.generation);
        })
    }

    /// One handle less; the last one gives up the hold. Whether the block is free now.
    pub(super) fn drop_handle(&self, block: u32, generation: u32) -> bool {
        if self.core.is_disowned() {
            return false;
        }
        let mut handles = self.handles(block);
        *handles -= 1;
        *handles == 0 && self.header(block).leave(self.core.owner, generation) == Left::Freed
    }

    /// Makes a block this process's alone again, if the handle is the only one anywhere.
    pub(super) fn regain(&self, block: u32, generation: u32) -> Option<u32> {
        let mut handles = self.handles(block);
        if *handles != 1 || self.core.is_disowned() {
            return None;
        }
        let next = self.header(block).regain(self.core.owner, generation)?;
        *handles = 0;
        Some(next)
    }

    /// Gives back a block that this process owns alone. Whether it is free now.
    pub(super) fn abandon(&self, block: u32, generation: u32) -> bool {
        !self.core.is_disowned()
            && self.header(block).abandon(self.core.owner, generation) == Left::Freed
    }

    /// Puts a block that this process owns alone on offer.
    pub(super) fn offer(&self, block: u32, generation: u32) {
        // `false` would mean that the block is not ours any more: then nobody can take it.
        let _ = self.header(block).offer(self.core.owner, generation);
    }

    /// Takes the offer back. Whether the block is free now, because nobody has taken it.
    pub(super) fn withdraw_offer(&self, block: u32, generation: u32) -> bool {
        let header = self.header(block);
        !self.core.is_disowned()
            && header.withdraw_offer(self.core.owner, generation) == Left::Freed
    }

    #[inline]
    pub(super) fn owner(&self) -> OwnerIndex {
        self.core.owner
    }
}
