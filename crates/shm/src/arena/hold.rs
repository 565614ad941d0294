//! The two parts of a handle: the count it stands for, and the bytes it shows.

use core::ops::Range;
use core::ptr::NonNull;
use std::sync::Arc;

use super::descriptor::{Descriptor, Fault};
use super::handle::BlockMut;
use super::mapping::Mapping;

/// A range of bytes in a mapping that lives at least as long as the handle it stands in.
#[derive(Clone, Copy)]
pub(super) struct View {
    pub(super) ptr: NonNull<u8>,
    pub(super) offset: u64,
    pub(super) len: usize,
}

impl View {
    /// The range that `named`, which was checked against the mapping's geometry, means.
    pub(super) fn of(mapping: &Mapping, named: &Descriptor) -> Self {
        // SAFETY: the range was checked to lie within the block, whose payload is mapped.
        let ptr = unsafe { mapping.payload(named.block).add(named.offset as usize) };
        Self {
            ptr,
            offset: named.offset,
            len: named.len as usize,
        }
    }

    /// The narrower view, if the range lies within this one.
    pub(super) fn narrow(self, range: &Range<usize>) -> Option<Self> {
        let len = range.end.checked_sub(range.start)?;
        (range.end <= self.len).then(|| Self {
            // SAFETY: start <= end <= len, so this stays within the view.
            ptr: unsafe { self.ptr.add(range.start) },
            offset: self.offset + range.start as u64,
            len,
        })
    }

    pub(super) fn describe(self, mapping: &Mapping, block: u32, generation: u32) -> Descriptor {
        Descriptor {
            offset: self.offset,
            len: self.len as u64,
            block,
            generation,
            extent_generation: mapping.id.generation,
            extent: mapping.id.index,
            zero: 0,
        }
    }

    pub(super) fn require_alignment(self, align: usize) -> Result<(), Fault> {
        if self.ptr.addr().get().is_multiple_of(align) {
            return Ok(());
        }
        Err(Fault::Misaligned {
            offset: self.offset,
            align,
        })
    }
}

/// One counted handle on a shared or lent block.
pub(super) struct Hold {
    /// `None` only while it is being dropped or turned into something else.
    pub(super) mapping: Option<Arc<Mapping>>,
    pub(super) block: u32,
    pub(super) generation: u32,
}

impl Hold {
    pub(super) fn describe(&self, view: View) -> Descriptor {
        let Some(mapping) = &self.mapping else {
            unreachable!("a hold without its mapping is not reachable by anybody");
        };
        view.describe(mapping, self.block, self.generation)
    }

    /// The whole block as this process's own, if nobody else holds it.
    pub(super) fn regain(&mut self) -> Option<BlockMut> {
        let generation = self.mapping.as_ref()?.regain(self.block, self.generation)?;
        let mapping = self.mapping.take()?;
        let bytes = mapping.header(self.block).len();
        Some(BlockMut::new(mapping, self.block, generation, bytes))
    }
}

impl Clone for Hold {
    fn clone(&self) -> Self {
        if let Some(mapping) = &self.mapping {
            mapping.clone_handle(self.block);
        }
        Self {
            mapping: self.mapping.clone(),
            block: self.block,
            generation: self.generation,
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let Some(mapping) = self.mapping.take() else {
            return;
        };
        if mapping.drop_handle(self.block, self.generation) {
            let core = Arc::clone(&mapping.core);
            core.freed(mapping, self.block);
        }
    }
}

/// The handle and the view for a descriptor that was checked and joined.
pub(super) fn joined(mapping: Arc<Mapping>, named: &Descriptor) -> (Hold, View) {
    let view = View::of(&mapping, named);
    let hold = Hold {
        mapping: Some(mapping),
        block: named.block,
        generation: named.generation,
    };
    (hold, view)
}
