//! Disjoint parts of a block, written in parallel where they lie.

use std::ops::Range;
use std::sync::Arc;

use bytemuck::Pod;
use forkyard_shm::arena::Lent;
use serde::{Deserialize, Serialize};

use crate::arena::{Lendable, Part};
use crate::driver::{Core, Patience};
use crate::job::{ItemError, Job, execute};
use crate::{Owned, trampoline};

/// A task's part: the index of its first element, and its bytes.
#[derive(Serialize, Deserialize)]
pub(super) struct Piece(usize, Part);

/// A block that is with the workers, until this is dropped.
pub(super) struct Lending<'a> {
    core: &'a Arc<Core>,
    owner: &'a mut dyn Lendable,
    /// `None` only while it is dropped.
    lent: Option<Lent>,
}

impl<'a> Lending<'a> {
    pub(super) fn begin<T: Pod>(core: &'a Arc<Core>, owner: &'a mut Owned<[T]>) -> Self {
        let block = owner.take_block();
        if !block.is_of(core.arena.id()) {
            owner.put_back(block);
            panic!("the data lie in another pool's memory: this pool's workers cannot write there");
        }
        Self {
            core,
            owner,
            lent: Some(block.lend()),
        }
    }

    /// The part of these elements.
    pub(super) fn part<T>(&self, elements: Range<usize>) -> Piece {
        let bytes = elements.start * size_of::<T>()..elements.end * size_of::<T>();
        let part = self.lent.as_ref().and_then(|lent| Part::of(lent, bytes));
        match part {
            Some(part) => Piece(elements.start, part),
            None => unreachable!("the elements are those of the block"),
        }
    }
}

impl Drop for Lending<'_> {
    fn drop(&mut self) {
        let Some(lent) = self.lent.take() else {
            return;
        };
        // Usually at once: all tasks have returned. After an abort a worker may still be writing,
        // and gives its part back by returning, or by its death.
        let mut left = Some(lent);
        let block = self
            .core
            .drive(Patience::Next, None, |_| match left.take()?.regain() {
                Ok(block) => Some(block),
                Err(lent) => {
                    left = Some(lent);
                    None
                }
            });
        if let Some(block) = block {
            self.owner.put_back(block);
        }
    }
}

/// The trampoline of a task on a part.
pub(super) fn task<F, T, Out>(job: &mut Job<'_>)
where
    F: Fn(usize, &mut [T]) -> Out + Copy + 'static,
    T: Pod,
    Out: Serialize,
{
    let f = trampoline::conjure::<F>();
    execute::<Piece, Out>(job, |_, Piece(start, part)| {
        let mut bytes = part.open().map_err(ItemError::Decode)?;
        let part = bytemuck::try_cast_slice_mut::<u8, T>(&mut bytes)
            .map_err(|error| ItemError::Decode(error.to_string()))?;
        Ok(f(start, part))
    });
}
