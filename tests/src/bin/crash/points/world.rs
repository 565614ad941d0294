//! An arena with other processes in it, for a victim to be one of, and what must hold after.

use forkyard_os::segment::SegmentName;
use forkyard_shm::arena::{Arena, Block, Lent, Offer};
use forkyard_shm::{OwnerIndex, Park};
use tests::census;

use super::board::Board;
use super::memory::{self, Objects};
use super::park::Plain;
use super::{Role, Trial};

/// A length whose class no other block of a world has.
pub(crate) const OWN_BYTES: usize = 300;
/// What the others have is of another class, so that extents of the first are the victim's.
const OTHERS_BYTES: usize = 5000;

/// See the module. What is here is in the test's process, as two of the survivors.
pub(crate) struct World {
    pub(crate) board: Board,
    name: SegmentName,
    /// Cleans up.
    pub(crate) us: Arena,
    /// Has made the offers.
    pub(crate) other: Arena,
}

/// What another process has, for the victim to use.
pub(crate) struct Offers {
    pub(crate) shared: Block,
    pub(crate) lent: Lent,
    pub(crate) offered: Offer,
}

impl World {
    pub(crate) fn new(trial: &Trial) -> Self {
        let board = Board::new();
        let name = SegmentName::fresh().expect("a name");
        let join =
            |owner| memory::attach_arena(&board.control, objects(&name, false), owner, Plain);
        let (us, other) = (join(trial.us()), join(trial.other()));
        Self {
            board,
            name,
            us,
            other,
        }
    }

    /// The arena of one more process. Called in that process.
    pub(crate) fn join(&self, owner: OwnerIndex) -> Arena {
        self.join_with(owner, Plain)
    }

    /// The same for one that sleeps, and wakes others, in its own way.
    pub(crate) fn join_with(
        &self,
        owner: OwnerIndex,
        park: impl Park + Send + Sync + 'static,
    ) -> Arena {
        memory::attach_arena(&self.board.control, objects(&self.name, false), owner, park)
    }

    /// The same for one that dies when it has made half an object.
    pub(crate) fn join_to_die(&self, owner: OwnerIndex) -> Arena {
        memory::attach_arena(&self.board.control, objects(&self.name, true), owner, Plain)
    }

    pub(crate) fn offers(&self) -> Offers {
        let mut shared = self.other.alloc(OTHERS_BYTES).expect("a block");
        shared.fill(3);
        Offers {
            shared: shared.freeze(),
            lent: self.other.alloc(OTHERS_BYTES).expect("a block").lend(),
            offered: self.other.alloc(OTHERS_BYTES).expect("a block").offer(),
        }
    }

    /// How many objects of the world have a name.
    fn objects(&self) -> usize {
        let prefix = self.name.as_str().trim_start_matches('/').to_owned();
        let names = census::segments_of(std::process::id());
        let of_world = names.iter().filter_map(|path| path.file_name()?.to_str());
        of_world.filter(|name| name.starts_with(&prefix)).count()
    }

    /// Whether nothing is left that anybody could find.
    pub(crate) fn has_no_names(&self) -> bool {
        self.objects() == 0
    }

    /// What must hold after the victim was reaped.
    pub(crate) fn check(self, trial: &Trial, offers: Option<Offers>) {
        if let Some(offers) = &offers {
            assert!(
                offers.shared.iter().all(|byte| *byte == 3),
                "a peer's bytes"
            );
        }
        match trial.role() {
            Role::Worker => self.check_reclaimed(trial, offers),
            Role::Supervisor => self.check_left(offers),
        }
    }

    /// A worker died: all that it had is free, all that others have is theirs, and its number
    /// is of use for the next one.
    fn check_reclaimed(self, trial: &Trial, offers: Option<Offers>) {
        memory::reclaim(&self.us, trial.dead());
        let again = memory::reclaim(&self.us, trial.dead());
        assert_eq!((again.blocks_freed, again.extents_unlinked), (0, 0), "once");
        if let Some(offers) = offers {
            let before = self.us.stats().live_blocks;
            // Not taken, or taken by the victim and free with it.
            let taken = self.other.take(&offers.offered.descriptor()).is_ok();
            assert_eq!(before, 2 + u64::from(taken), "held by the living alone");
            drop((offers.shared, offers.lent));
        }
        let stats = self.us.stats();
        assert_eq!((stats.live_blocks, stats.extents_unreadable), (0, 0));
        if census::has_proc() {
            assert_eq!(
                stats.extents,
                self.objects(),
                "each object is some extent's"
            );
        }
        let next = self.join(trial.dead());
        let mut block = next.alloc(OWN_BYTES).expect("a block");
        block.fill(8);
        let block = block.freeze();
        let seen = self
            .other
            .resolve(&block.descriptor())
            .expect("it is shared");
        drop(block);
        assert!(seen.iter().all(|byte| *byte == 8));
        drop(seen);
        self.us.trim(0);
        assert_eq!(self.us.stats().reserved_bytes, 0);
        assert_eq!(self.objects(), 0);
    }

    /// The supervisor died: the others can still do what they were about, and the last one out
    /// takes all names away.
    fn check_left(self, offers: Option<Offers>) {
        if let Some(offers) = offers {
            let clone = offers.shared.clone();
            let seen = self.us.resolve(&clone.descriptor()).expect("it is shared");
            drop((seen, clone, offers.shared));
            drop(offers.lent.regain());
            let _ = self.us.take(&offers.offered.descriptor());
        }
        drop(self.us.alloc(OWN_BYTES).expect("a block").freeze());
        self.us.unlink_all();
        self.us.unlink_all();
        assert_eq!(self.objects(), 0);
    }
}

fn objects(name: &SegmentName, dies_creating: bool) -> Objects {
    Objects {
        name: name.clone(),
        dies_creating,
    }
}
