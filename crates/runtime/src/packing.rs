//! What the value being encoded speaks of: blocks that must be kept as long as its message.

use std::cell::{Cell, RefCell};

use crate::arena::{ArenaId, Block, RawArena};

thread_local! {
    static ATTACHED: RefCell<Vec<Block>> = const { RefCell::new(Vec::new()) };
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
    put_aside: Vec<Block>,
    alone_aside: bool,
}

impl Packing {
    pub(crate) fn begin(arena: &RawArena) -> Self {
        let mut put_aside = Vec::new();
        let alone_aside = take_attachments(&mut put_aside);
        Self {
            before: PACKING.replace(Some(arena.id())),
            put_aside,
            alone_aside,
        }
    }
}

impl Drop for Packing {
    fn drop(&mut self) {
        PACKING.set(self.before);
        // What is attached still belongs to a message that failed.
        restart_attachments();
        if !self.put_aside.is_empty() {
            HAS_ATTACHED.set(true);
            ALONE.set(self.alone_aside);
            ATTACHED.set(std::mem::take(&mut self.put_aside));
        }
    }
}

/// Notes a block that the value being encoded speaks of.
pub(crate) fn attach(block: Block) {
    HAS_ATTACHED.set(true);
    ATTACHED.with_borrow_mut(|attached| attached.push(block));
}

/// As [`attach`], of what tasks wait on for each other: no other task may stand behind this
/// one in its worker's line, since it may be the one that is waited for.
pub(crate) fn attach_alone(block: Block) {
    attach(block);
    ALONE.set(true);
}

/// Moves what was noted since the last restart into `attached`; whether the message is to
/// travel alone.
#[inline]
pub(crate) fn take_attachments(attached: &mut Vec<Block>) -> bool {
    if !HAS_ATTACHED.replace(false) {
        return false;
    }
    ATTACHED.with_borrow_mut(|noted| attached.append(noted));
    ALONE.replace(false)
}

#[inline]
pub(crate) fn restart_attachments() {
    if HAS_ATTACHED.replace(false) {
        ATTACHED.with_borrow_mut(Vec::clear);
        ALONE.set(false);
    }
}

/// Whether what was encoded since the last restart speaks of blocks.
pub(crate) fn has_attachments() -> bool {
    HAS_ATTACHED.get()
}

pub(crate) fn count_attachments() -> usize {
    ATTACHED.with_borrow(Vec::len)
}
