//! What a pool lends its tasks for the time of one call: something that all read, or a part each
//! to write. The call keeps it; a message only names it.

use std::ops::Range;

use forkyard_shm::arena::{Chunk, Lent};
use serde::{Deserialize, Serialize};

use super::place::{Place, unpacking_from};
use super::{Block, BlockMut};
use crate::mapped;

/// The name of a block that is lent for reading.
#[derive(Serialize, Deserialize)]
pub(crate) struct Reading(Place);

impl Reading {
    pub(crate) fn of(block: &Block) -> Self {
        Self(Place(block.descriptor()))
    }

    /// The block, in a task.
    pub(crate) fn open(&self) -> Result<Block, String> {
        super::place::resolve(&self.0.0)
    }
}

/// The name of a part that one task alone may write.
#[derive(Serialize, Deserialize)]
pub(crate) struct Part(Place);

impl Part {
    /// These bytes of a block; `None` when it has no such.
    pub(crate) fn of(lent: &Lent, bytes: Range<usize>) -> Option<Self> {
        Some(Self(Place(lent.descriptor_of(bytes)?)))
    }

    /// The bytes, in the task whose part it is.
    pub(crate) fn open(&self) -> Result<Chunk, String> {
        let arena = unpacking_from().ok_or("a part of a block is opened by a task alone")?;
        mapped::borrow_part(&arena, &self.0.0).map_err(|fault| fault.to_string())
    }
}

/// A block that is with the tasks of a call.
pub(crate) trait Lendable {
    /// Takes the block out, for as long as nobody looks.
    fn take_block(&mut self) -> BlockMut;
    /// Puts it back.
    fn put_back(&mut self, block: BlockMut);
}
