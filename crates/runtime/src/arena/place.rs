//! A value in shared memory as it crosses: its place, and who may send and receive it.

use std::cell::RefCell;
use std::sync::Arc;

use forkyard_shm::OwnerIndex;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{ArenaId, Block, BlockMut, Descriptor, RawArena};
use crate::packing::packing_for;

/// A descriptor as the bytes that stand in a message.
pub(super) struct Place(pub(super) Descriptor);

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Words, not bytes: each element has its own check for room.
        let words: [u64; size_of::<Descriptor>() / 8] = bytemuck::cast(self.0);
        words.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let words = <[u64; size_of::<Descriptor>() / 8]>::deserialize(deserializer)?;
        Ok(Self(bytemuck::cast(words)))
    }
}

/// Refuses a value (`what`) that would leave its pool.
pub(super) fn may_leave<E: serde::ser::Error>(
    what: &str,
    is_of: impl FnOnce(ArenaId) -> bool,
) -> Result<(), E> {
    match packing_for() {
        Some(arena) if is_of(arena) => Ok(()),
        Some(_) => Err(E::custom(format_args!(
            "{what} is a place in its own pool's memory; for another pool, copy what it derefs \
             to into that one's arena"
        ))),
        None => Err(E::custom(format_args!(
            "{what} is a place in its pool's memory; outside of a task's argument or result, \
             serialize what it derefs to"
        ))),
    }
}

/// What a result spoke of, made ours while its worker still kept it.
#[derive(Debug)]
pub(crate) enum Held {
    /// A hold on a shared block, which lasts until the result is decoded.
    Shared(Block),
    /// A block that was on offer under this name, and is ours.
    Moved(Descriptor, BlockMut),
}

impl Held {
    /// Bytes of shared memory.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Shared(block) => block.as_slice().len(),
            Self::Moved(_, block) => block.len(),
        }
    }
}

/// In the announcement behind a result: the block is not shared but on offer. It stands where
/// a descriptor has zeroes.
const ON_OFFER: u16 = 1;

/// The descriptor of an offer, as it is announced.
pub(crate) fn announced_offer(named: Descriptor) -> Descriptor {
    Descriptor {
        zero: ON_OFFER,
        ..named
    }
}

/// Makes ours what a worker announced.
pub(crate) fn accept(arena: &RawArena, announced: Descriptor) -> Result<Held, String> {
    if announced.zero != ON_OFFER {
        let block = arena
            .resolve(&announced)
            .map_err(|fault| fault.to_string())?;
        return Ok(Held::Shared(block));
    }
    let named = Descriptor {
        zero: 0,
        ..announced
    };
    let block = arena.take(&named).map_err(|fault| fault.to_string())?;
    Ok(Held::Moved(named, block))
}

thread_local! {
    static UNPACKING: RefCell<Option<Arc<RawArena>>> = const { RefCell::new(None) };
    /// What came with the result that is being decoded.
    static HELD: RefCell<Vec<Held>> = const { RefCell::new(Vec::new()) };
}

/// The arena in which values that are decoded on this thread are found, if there is one.
pub(crate) fn unpacking_from() -> Option<Arc<RawArena>> {
    UNPACKING.with_borrow(Clone::clone)
}

/// While it lives, values decoded on this thread are found in that arena.
pub(crate) struct Unpacking(Option<Arc<RawArena>>);

impl Unpacking {
    pub(crate) fn from(arena: &Arc<RawArena>) -> Self {
        Self(UNPACKING.replace(Some(Arc::clone(arena))))
    }
}

impl Drop for Unpacking {
    fn drop(&mut self) {
        UNPACKING.set(self.0.take());
    }
}

/// While it lives, what came with a result can be found by decoding it; the rest is given
/// back afterwards. One may begin while another lives.
pub(crate) struct Holding(Vec<Held>);

impl Holding {
    pub(crate) fn of(held: Box<[Held]>) -> Self {
        Self(HELD.replace(held.into_vec()))
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        drop(HELD.replace(std::mem::take(&mut self.0)));
    }
}

/// Looks something up in the arena of this thread.
fn in_arena<R>(look: impl FnOnce(&RawArena) -> Result<R, String>) -> Result<R, String> {
    UNPACKING.with_borrow(|arena| match arena {
        Some(arena) => look(arena),
        None => Err(
            "a value in shared memory can be received only as a task's argument or result"
                .to_owned(),
        ),
    })
}

/// The shared block that a message names.
pub(super) fn resolve(named: &Descriptor) -> Result<Block, String> {
    in_arena(|arena| arena.resolve(named).map_err(|fault| fault.to_string()))
}

/// The block that moves here with a message. A worker takes it while it decodes; for the
/// supervisor it was taken with the result, because its worker may be gone by now.
pub(super) fn take(named: &Descriptor) -> Result<BlockMut, String> {
    in_arena(|arena| {
        let came = HELD.with_borrow_mut(|held| {
            let is_it = |held: &Held| matches!(held, Held::Moved(name, _) if name == named);
            let at = held.iter().position(is_it)?;
            Some(held.swap_remove(at))
        });
        match came {
            Some(Held::Moved(_, block)) => Ok(block),
            _ if arena.owner() == OwnerIndex::SUPERVISOR => {
                Err("the result names a block that did not come with it".to_owned())
            }
            _ => arena.take(named).map_err(|fault| fault.to_string()),
        }
    })
}
