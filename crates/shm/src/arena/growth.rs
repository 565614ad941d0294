//! Making extents when no mapped one has a free block, and giving idle ones back.

use std::sync::Arc;

use super::Geometry;
use super::alloc_error::AllocError;
use super::class::{Request, class_of};
use super::directory::Entry;
use super::extents::ExtentError;
use super::mapping::Mapping;
use super::process::Arena;
use super::word::{EntryKind, Word};
use crate::steps::step;

/// A block that was claimed: mapping, block and generation.
type Claimed = (Arc<Mapping>, u32, u32);

/// What [`Arena::trim`] gave back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Trimmed {
    /// Extents retired.
    pub extents: usize,
    /// Their bytes. They are free for the system when every process has unmapped them.
    pub bytes: u64,
}

impl Arena {
    /// A block from an extent of a peer's, or else from a new one.
    #[cold]
    pub(super) fn alloc_more(&self, request: &Request) -> Result<Claimed, AllocError> {
        let _growth = self.core.growth(request.class);
        // Another thread may just have made an extent while this one waited.
        if let Some(claimed) = self.core.claim(request) {
            return Ok(claimed);
        }
        if let Some(claimed) = self.adopt(request) {
            return Ok(claimed);
        }
        let room_for = |geometry: Geometry| self.create(geometry, request.bytes);
        let too_large = AllocError::TooLarge {
            wanted: usize::try_from(request.bytes).unwrap_or(usize::MAX),
        };
        let planned = Geometry::plan(request.block_bytes, self.extents_for(request));
        let mut geometry = planned.ok_or(too_large)?;
        let mut trimmed = false;
        loop {
            let refused = match room_for(geometry) {
                Ok(claimed) => return Ok(claimed),
                Err(refused) => refused,
            };
            let no_room = refused.is_no_room();
            if let Some(half) = geometry.halved().filter(|_| no_room) {
                geometry = half;
            } else if (no_room || matches!(refused, AllocError::TooManyExtents)) && !trimmed {
                trimmed = true;
                if self.trim(0).extents == 0 {
                    return Err(refused);
                }
            } else {
                return Err(refused);
            }
        }
    }

    /// How many extents there are for such blocks.
    fn extents_for(&self, request: &Request) -> u32 {
        let of_class = self.directory().entries().filter(|(_, entry)| {
            let word = entry.look();
            let geometry = entry.geometry(word).filter(|_| word.is_open());
            geometry.is_some_and(|geometry| class_of(geometry.block_bytes()) == request.class)
        });
        of_class.count() as u32
    }

    /// A block of an extent that a peer made and this process has not mapped yet.
    fn adopt(&self, request: &Request) -> Option<Claimed> {
        self.directory().entries().find_map(|(index, entry)| {
            let word = entry.look();
            let geometry = entry.geometry(word).filter(|_| word.is_open())?;
            let id = word.id(index);
            if !request.fits(geometry.block_bytes()) || self.already_mapped(id).is_some() {
                return None;
            }
            // One that cannot be mapped is one that another will be made for.
            let mapping = self.mapping(id).ok()?;
            let (block, generation) = mapping.claim_any(request.bytes)?;
            Some((mapping, block, generation))
        })
    }

    /// Makes an extent and claims its first block for `len` bytes.
    fn create(&self, geometry: Geometry, len: u64) -> Result<Claimed, AllocError> {
        let owner = self.core.owner;
        let bytes = Mapping::mapped_bytes(geometry)?;
        let mut entries = self.directory().entries();
        let claimed =
            entries.find_map(|(index, entry)| Some((index, entry, entry.claim(owner, geometry)?)));
        let (index, entry, word) = claimed.ok_or(AllocError::TooManyExtents)?;
        let id = word.id(index);
        let made = self.within_limit(geometry).and_then(|()| {
            // From here on a death leaves an object: `reclaim` unlinks what it finds Creating.
            let advice = self.directory().advice().for_bytes(bytes);
            step();
            Ok(self.core.extents.create(id, bytes, advice)?)
        });
        let mapped = made.inspect_err(|_| {
            let _ = entry.empty(word);
        })?;
        let mapping = Arc::new(Mapping::new(Arc::clone(&self.core), id, geometry, mapped));
        // Entered and claimed from before it is announced: so this process maps it once, and
        // no other one takes all its blocks first.
        let first = mapping.claim_any(len);
        self.enter(&mapping);
        let announced = entry.ready(word);
        self.directory().note_peak();
        match (first, announced) {
            (Some((block, generation)), Some(_)) => Ok((mapping, block, generation)),
            // Somebody took this live process for dead, or wrote into the new object.
            _ => {
                self.forget(&mapping);
                Err(ExtentError::Gone { id }.into())
            }
        }
    }

    /// Checks the limit, this process's claim on an entry included. Two claims at a time may
    /// both be refused; together they never exceed it.
    fn within_limit(&self, geometry: Geometry) -> Result<(), AllocError> {
        let limit = self.directory().limit_bytes();
        let reserved = self.directory().reserved_bytes();
        if limit == 0 || reserved <= limit {
            return Ok(());
        }
        let wanted = geometry.bytes();
        Err(AllocError::Exhausted {
            wanted,
            reserved: reserved.saturating_sub(wanted),
            limit,
        })
    }

    /// Retires extents without a live block, the latest entries first, until at most
    /// `keep_bytes` are reserved or none is idle. Blocks that stay are warm; so this is for
    /// when memory is short, and `alloc` does it by itself when it is.
    pub fn trim(&self, keep_bytes: u64) -> Trimmed {
        let mut trimmed = Trimmed::default();
        for (index, entry) in self.directory().entries().rev() {
            if self.core.is_disowned() || self.directory().reserved_bytes() <= keep_bytes {
                break;
            }
            let word = entry.look();
            if word.kind() == EntryKind::Ready && self.retire(index, entry, word) {
                trimmed.extents += 1;
                trimmed.bytes += word.bytes();
            }
        }
        trimmed
    }

    /// Retires one extent, if all its blocks are free.
    fn retire(&self, index: u16, entry: &Entry, ready: Word) -> bool {
        let (owner, id) = (self.core.owner, ready.id(index));
        // Looked at first where that is cheap, so that one in use is not drained in vain.
        let Ok(mapping) = self.mapping(id) else {
            return false;
        };
        if !mapping.is_idle() {
            return false;
        }
        let Some(draining) = entry.drain(ready, owner) else {
            return false;
        };
        if !mapping.claim_all() {
            let _ = entry.undrain(draining);
            return false;
        }
        let Some(retired) = entry.retire(draining, owner) else {
            return false;
        };
        step();
        self.core.extents.unlink(id);
        let _ = entry.empty(retired);
        self.directory().count_retirement();
        self.forget(&mapping);
        // Its room serves any size now.
        self.directory().wanted().ring(&*self.core.park);
        true
    }
}
