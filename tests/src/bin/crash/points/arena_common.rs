//! Common blocks, where shared state lies: it is there whole or not at all, and the block is free
//! when nobody who lives holds it.

use forkyard_shm::arena::{Arena, BlockMut, Common};
use forkyard_shm::crash;
use forkyard_shm::state::{SharedCell, Stamp, StampCell};

use super::arena::{alone, keep};
use super::arena_recovery::{FIRST, reclaimed_twice};
use super::memory::{place_in, reclaim, zeroed_in};
use super::world::{OWN_BYTES, World};
use super::{BOTH, Operation, Role, SUPERVISOR, Trial};

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::new("common: lay state over a block", BOTH, lay_state),
    Operation::new("common: make, and drop", BOTH, |trial| {
        let own = |arena: &Arena| arena.alloc(OWN_BYTES).expect("a block");
        alone(trial, own, |_, block| drop(block.into_common()));
    }),
    Operation::new("common: meet, change, and drop", BOTH, meet),
    Operation::new("reclaim: common blocks", SUPERVISOR, reclaim_common),
];

const STAMP: Stamp = Stamp {
    kind: 3,
    item_align: 8,
    item_bytes: 16,
    count: 1,
};

/// Makes shared state in a block: a stamp, and a cell behind it.
fn lay(mut block: BlockMut) -> Common {
    let mut place = zeroed_in(&mut block);
    let stamp: &StampCell = place.take().expect("room");
    stamp.write(STAMP);
    block.into_common()
}

/// The stamp and the cell of a block.
fn laid(block: &Common) -> (Stamp, &SharedCell<u64>) {
    let mut place = place_in(block);
    let stamp: &StampCell = place.take().expect("room");
    (stamp.read(), place.take().expect("room"))
}

/// Half a stamp is nobody's to read, and the next one to lay something there begins anew.
fn lay_state(trial: &Trial) {
    let world = World::new(trial);
    let arena = world.join(trial.dead());
    let mut block = arena.alloc(OWN_BYTES).expect("a block");
    block.fill(0xff);
    let named = block.descriptor();
    let mut block = Some(block);
    let died = trial.victim(|| keep(lay(block.take().expect("just made"))));
    let met = world.other.meet(&named);
    assert_eq!(met.is_err(), died, "nobody meets what is not whole");
    if trial.role() == Role::Worker {
        reclaim(&world.us, trial.dead());
    }
    if let Ok(met) = met {
        let (stamp, cell) = laid(&met);
        assert_eq!((stamp, cell.load()), (STAMP, 0));
    }
    let again = lay(world.other.alloc(OWN_BYTES).expect("a block"));
    let met = world.us.meet(&again.descriptor()).expect("it is common");
    let (stamp, cell) = laid(&met);
    assert_eq!((stamp, cell.load()), (STAMP, 0));
    drop((met, again));
    // These were the victim's.
    keep((block, arena));
    world.check(trial, None);
}

/// State that a peer has made outlives whoever dies with a part in it.
fn meet(trial: &Trial) {
    let world = World::new(trial);
    let shared = lay(world.other.alloc(OWN_BYTES).expect("a block"));
    let named = shared.descriptor();
    let died = trial.victim(|| {
        let arena = crash::aside(|| world.join(trial.dead()));
        let met = arena.meet(&named).expect("it is common");
        let (stamp, cell) = laid(&met);
        assert_eq!(stamp, STAMP);
        cell.store(7);
        drop(met);
        keep(arena);
    });
    if trial.role() == Role::Worker {
        reclaim(&world.us, trial.dead());
        assert_eq!(world.us.stats().live_blocks, 1, "its maker's");
    }
    let (stamp, cell) = laid(&shared);
    let value = cell.load();
    assert_eq!(stamp, STAMP);
    assert!(value == 7 || (died && value == 0), "{value}");
    drop(shared);
    world.check(trial, None);
}

/// What the dead had made is free, what it took part in is its maker's.
fn reclaim_common(trial: &Trial) {
    let world = World::new(trial);
    let shared = lay(world.other.alloc(OWN_BYTES).expect("a block"));
    trial.corpse(|| {
        let arena = world.join(FIRST);
        let met = arena.meet(&shared.descriptor()).expect("it is common");
        keep((lay(arena.alloc(OWN_BYTES).expect("a block")), met, arena));
    });
    assert_eq!(world.us.stats().live_blocks, 2);
    reclaimed_twice(trial, &world);
    assert_eq!(world.us.stats().live_blocks, 1, "its maker's");
    assert_eq!(laid(&shared).0, STAMP);
    drop(shared);
    assert_eq!(world.us.stats().live_blocks, 0);
    world.check(trial, None);
}
