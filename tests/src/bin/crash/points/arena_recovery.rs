//! Recovering an arena, cut short anywhere and done again.

use forkyard_shm::OwnerIndex;

use super::memory::{borrow, reclaim};
use super::world::{OWN_BYTES, World};
use super::{Operation, SUPERVISOR, Trial, WORKER};

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::new("reclaim: blocks, holds, offers", SUPERVISOR, blocks),
    Operation::new("reclaim: an extent being made", SUPERVISOR, creating),
    Operation::new("reclaim: an extent being retired", SUPERVISOR, |trial| {
        retiring(trial, 3);
    }),
    Operation::new("reclaim: an extent that is retired", SUPERVISOR, |trial| {
        retiring(trial, 5);
    }),
    Operation::new("reclaim: an extent without a name", SUPERVISOR, |trial| {
        retiring(trial, 6);
    }),
    Operation::new(
        "take all names away, as the last one out",
        WORKER,
        unlink_all,
    ),
];

/// Who died before the victim does.
pub(super) const FIRST: OwnerIndex = OwnerIndex::new(1);

/// The victim reclaims as the supervisor; then the test does, in another's stead, and finds
/// what is left as whole as after any death of a worker.
pub(super) fn reclaimed_twice(trial: &Trial, world: &World) {
    trial.victim(|| {
        let arena = forkyard_shm::crash::aside(|| world.join(trial.dead()));
        reclaim(&arena, FIRST);
        std::mem::forget(arena);
    });
    reclaim(&world.us, FIRST);
    let stats = world.us.stats();
    assert_eq!(stats.extents_unreadable, 0);
}

fn blocks(trial: &Trial) {
    let world = World::new(trial);
    let offers = world.offers();
    let live = world.us.stats().live_blocks;
    trial.corpse(|| {
        let arena = world.join(FIRST);
        std::mem::forget(arena.alloc(OWN_BYTES).expect("a block"));
        std::mem::forget(arena.alloc(OWN_BYTES).expect("a block").freeze());
        std::mem::forget(arena.alloc(OWN_BYTES).expect("a block").offer());
        let shared = arena.resolve(&offers.shared.descriptor());
        std::mem::forget(shared.expect("shared"));
        let named = offers.lent.descriptor_of(0..64).expect("within");
        std::mem::forget(borrow(&arena, &named).expect("lent"));
    });
    assert_eq!(world.us.stats().live_blocks, live + 3);
    reclaimed_twice(trial, &world);
    assert_eq!(world.us.stats().live_blocks, live);
    let whole = offers.shared.try_into_mut();
    assert!(whole.is_ok(), "the dead one's hold is gone");
    assert!(offers.lent.regain().is_ok(), "the dead one's hold is gone");
    drop(whole);
    world.check(trial, None);
}

fn creating(trial: &Trial) {
    let world = World::new(trial);
    trial.corpse(|| {
        let arena = world.join_to_die(FIRST);
        std::mem::forget(arena.alloc(OWN_BYTES));
        panic!("it should have died");
    });
    assert_eq!(world.us.stats().extents, 1, "half made");
    reclaimed_twice(trial, &world);
    assert_eq!(world.us.stats().extents, 0);
    world.check(trial, None);
}

/// It died at this step of its trimming: 3 is after it has every block, 5 before it takes the name
/// away, 6 after.
fn retiring(trial: &Trial, step: u64) {
    let world = World::new(trial);
    drop(
        world
            .other
            .alloc(3 << 20)
            .expect("a block of its own extent"),
    );
    trial.corpse(|| {
        let arena = world.join(FIRST);
        forkyard_shm::crash::arm(step, |_| forkyard_os::process::kill_self());
        arena.trim(0);
        panic!("it should have died");
    });
    assert_eq!(world.us.stats().extents, 1, "half retired");
    reclaimed_twice(trial, &world);
    let left = world.us.stats();
    assert!(left.extents <= 1 && left.live_blocks == 0);
    world.us.trim(0);
    assert_eq!(world.us.stats().reserved_bytes, 0);
    world.check(trial, None);
}

fn unlink_all(trial: &Trial) {
    let world = World::new(trial);
    let offers = world.offers();
    let own = world.us.alloc(OWN_BYTES).expect("a block");
    trial.victim(|| {
        let arena = forkyard_shm::crash::aside(|| world.join(trial.dead()));
        arena.unlink_all();
        std::mem::forget(arena);
    });
    drop(own);
    drop(offers);
    world.us.unlink_all();
    assert!(world.has_no_names());
}
