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

/// A handle on a shared or lent block. Its clones have one [`Share`] between them: to make and to
/// drop one of them touches neither the block nor the extent, only the first and the last do.
#[derive(Clone)]
pub(super) struct Hold(Arc<Share>);

/// What this process counts: its last one gives up the hold on the block.
struct Share {
    /// `None` only while it is being dropped or turned into something else.
    mapping: Option<Arc<Mapping>>,
    block: u32,
    generation: u32,
}

impl Hold {
    /// Stands for a handle that `mapping` has counted.
    pub(super) fn new(mapping: Arc<Mapping>, block: u32, generation: u32) -> Self {
        Self(Arc::new(Share {
            mapping: Some(mapping),
            block,
            generation,
        }))
    }

    pub(super) fn mapping(&self) -> &Mapping {
        match &self.0.mapping {
            Some(mapping) => mapping,
            None => unreachable!("a hold without its mapping is not reachable by anybody"),
        }
    }

    /// Bytes of the block that its owner has written.
    pub(super) fn written(&self) -> u64 {
        self.mapping().header(self.0.block).len()
    }

    pub(super) fn describe(&self, view: View) -> Descriptor {
        view.describe(self.mapping(), self.0.block, self.0.generation)
    }

    /// The whole block as this process's own, if nobody else holds it; then this is good for
    /// nothing but being dropped.
    pub(super) fn regain(&mut self) -> Option<BlockMut> {
        let share = Arc::get_mut(&mut self.0)?;
        let mapping = share.mapping.as_ref()?;
        let generation = mapping.regain(share.block, share.generation)?;
        let mapping = share.mapping.take()?;
        let bytes = mapping.header(share.block).len();
        Some(BlockMut::new(mapping, share.block, generation, bytes))
    }
}

impl Drop for Share {
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
    (Hold::new(mapping, named.block, named.generation), view)
}
