//! Cleaning up after a dead owner.

use super::bury::Reclaim;
use super::directory::Entry;
use super::process::Arena;
use super::word::{EntryKind, Word};
use crate::OwnerIndex;
use crate::steps::step;

/// What [`Arena::reclaim`] took back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reclaimed {
    /// Blocks that are free now.
    pub blocks_freed: u64,
    /// Bytes of these blocks.
    pub bytes_freed: u64,
    /// Blocks that the dead owner held together with others, who keep them.
    pub holds_released: u64,
    /// Extents that it was making or retiring, and that are unlinked now.
    pub extents_unlinked: usize,
    /// Extents that could not be mapped, so that what it had there stays taken.
    pub extents_unreadable: usize,
}

impl Arena {
    /// Gives back everything that a dead owner had: blocks, holds on blocks of others, and
    /// extents that it was making or retiring. Walks every block header of the arena. May
    /// itself be cut short at any point, and be done again.
    ///
    /// # Safety
    /// The process that attached as `owner` is dead, or has dropped all its handles and
    /// detached; and no process attaches under this index before this returns.
    ///
    /// # Panics
    /// When `owner` is this process.
    pub unsafe fn reclaim(&self, owner: OwnerIndex) -> Reclaimed {
        assert!(
            owner != self.core.owner,
            "a process cannot reclaim from itself"
        );
        let mut sum = Reclaimed::default();
        for (index, entry) in self.directory().entries() {
            let word = entry.look();
            let unfinished = [EntryKind::Creating, EntryKind::Retired];
            if unfinished.iter().any(|&kind| word.is_of(kind, owner)) {
                step();
                self.core.extents.unlink(word.id(index));
                let _ = entry.empty(word);
                // It may be one that processes have mapped.
                self.directory().count_retirement();
                sum.extents_unlinked += 1;
            } else if word.is_open() {
                self.reclaim_blocks(index, entry, word, owner, &mut sum);
            }
        }
        self.directory()
            .wanted()
            .ring_for_the_dead(&*self.core.park);
        sum
    }

    fn reclaim_blocks(
        &self,
        index: u16,
        entry: &Entry,
        word: Word,
        owner: OwnerIndex,
        sum: &mut Reclaimed,
    ) {
        let Ok(mapping) = self.mapping(word.id(index)) else {
            // Retired meanwhile: then the dead owner had nothing there.
            sum.extents_unreadable += usize::from(entry.has(word.id(index)));
            return;
        };
        for header in mapping.headers() {
            match header.reclaim(owner) {
                Reclaim::Untouched => {}
                Reclaim::Released => sum.holds_released += 1,
                Reclaim::Freed => {
                    sum.blocks_freed += 1;
                    sum.bytes_freed += mapping.geometry.block_bytes();
                }
            }
        }
        if word.is_of(EntryKind::Draining, owner) {
            let _ = entry.undrain(word);
        }
    }

    /// Takes the names of all extents away, for the last one out: what processes have
    /// mapped stays until they end, and no process can map anything any more.
    pub fn unlink_all(&self) {
        for id in self.directory().extents() {
            step();
            self.core.extents.unlink(id);
        }
    }
}
