//! What the value being encoded speaks of: blocks that must be kept as long as its message.

use std::cell::{Cell, RefCell};

use forkyard_shm::arena::Descriptor;
use smallvec::SmallVec;

use crate::arena::{ArenaId, Block, Offer, Promise, RawArena, announced_offer};

/// What a message keeps for its receiver, until it has come to its end.
#[derive(Debug)]
pub(crate) enum Attached {
    /// A block that the payload speaks of.
    Shared(Block),
    /// A block that is to move with the message, once its owner is dropped.
    Promised(Promise),
    /// A block that moves with the message: free again if nobody takes it.
    Offered(Offer),
}

/// What a message keeps. Most have one or none, for which nothing is allocated.
pub(crate) type Attachments = SmallVec<[Attached; 1]>;

/// Has the promises kept that were made to values, which are dropped by now.
///
/// # Errors
/// Why the message cannot be sent, when something still has one of them.
pub(crate) fn settle_all(attached: &mut Attachments) -> Result<(), &'static str> {
    if attached.iter_mut().all(Attached::settle) {
        return Ok(());
    }
    Err(
        "an Owned value moves with its message, but something else still has it (an Rc or Arc of \
         it, or it stands in the message twice); for several readers, freeze it with into_shared",
    )
}

impl Attached {
    /// Whether it is there only once the value that spoke of it is dropped.
    pub(crate) fn is_promised(&self) -> bool {
        matches!(self, Self::Promised(_))
    }

    /// Has a promise kept: what it promised is on offer then. `false` when it is not kept.
    #[must_use]
    pub(crate) fn settle(&mut self) -> bool {
        let Self::Promised(promise) = self else {
            return true;
        };
        let Some(block) = promise.redeem() else {
            return false;
        };
        *self = Self::Offered(block.offer());
        true
    }

    /// What a receiver is told of it beforehand; nothing of what was not settled.
    pub(crate) fn announcement(&self) -> Option<Descriptor> {
        match self {
            Self::Shared(block) => Some(block.descriptor()),
            Self::Offered(offer) => Some(announced_offer(offer.descriptor())),
            Self::Promised(_) => None,
        }
    }

    /// Bytes of shared memory that it keeps.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Shared(block) => block.as_slice().len(),
            Self::Offered(offer) => offer.len(),
            Self::Promised(_) => 0,
        }
    }
}

thread_local! {
    static ATTACHED: RefCell<Attachments> = const { RefCell::new(SmallVec::new_const()) };
    /// Whether `ATTACHED` holds any, to be looked at for every message.
    static HAS_ATTACHED: Cell<bool> = const { Cell::new(false) };
    /// Whether one of them is of a kind that tasks wait on for each other.
    static ALONE: Cell<bool> = const { Cell::new(false) };
    static PACKING: Cell<Option<ArenaId>> = const { Cell::new(None) };
}

/// The arena of the pool for which a message is being put together on this thread.
pub(crate) fn packing_for() -> Option<ArenaId> {
    PACKING.get()
}

/// While it lives, values that live in that arena may be encoded on this thread.
///
/// One may begin while another lives (a value's Serialize may use the pool): what is attached
/// to the outer message is put aside for the while.
pub(crate) struct Packing {
    before: Option<ArenaId>,
    /// Almost always nothing: out of the way.
    put_aside: Option<Box<Aside>>,
}

/// What is attached to an outer message.
struct Aside {
    attached: Attachments,
    alone: bool,
}

impl Packing {
    pub(crate) fn begin(arena: &RawArena) -> Self {
        Self {
            before: PACKING.replace(Some(arena.id())),
            put_aside: has_attachments().then(put_aside),
        }
    }
}

#[cold]
fn put_aside() -> Box<Aside> {
    let mut attached = Attachments::new();
    let alone = take_attachments(&mut attached);
    Box::new(Aside { attached, alone })
}

impl Drop for Packing {
    fn drop(&mut self) {
        PACKING.set(self.before);
        // What is attached still belongs to a message that failed.
        restart_attachments();
        if let Some(outer) = self.put_aside.take() {
            HAS_ATTACHED.set(true);
            ALONE.set(outer.alone);
            ATTACHED.set(outer.attached);
        }
    }
}

/// Notes a block that the value being encoded speaks of, or moves.
pub(crate) fn attach(block: Attached) {
    HAS_ATTACHED.set(true);
    ATTACHED.with_borrow_mut(|attached| attached.push(block));
}

/// As [`attach`], of what tasks wait on for each other: no other task may stand behind this
/// one in its worker's line, since it may be the one that is waited for.
pub(crate) fn attach_alone(block: Block) {
    attach(Attached::Shared(block));
    ALONE.set(true);
}

/// Moves what was noted since the last restart into `attached`; whether the message is to
/// travel alone.
#[inline]
pub(crate) fn take_attachments(attached: &mut Attachments) -> bool {
    if !HAS_ATTACHED.get() {
        return false;
    }
    HAS_ATTACHED.set(false);
    ATTACHED.with_borrow_mut(|noted| {
        if attached.is_empty() {
            std::mem::swap(attached, noted);
        } else {
            attached.append(noted);
        }
    });
    ALONE.replace(false)
}

#[inline]
pub(crate) fn restart_attachments() {
    if HAS_ATTACHED.get() {
        HAS_ATTACHED.set(false);
        ATTACHED.with_borrow_mut(SmallVec::clear);
        ALONE.set(false);
    }
}

/// Whether what was encoded since the last restart speaks of blocks.
#[inline]
pub(crate) fn has_attachments() -> bool {
    HAS_ATTACHED.get()
}

pub(crate) fn count_attachments() -> usize {
    ATTACHED.with_borrow(SmallVec::len)
}
