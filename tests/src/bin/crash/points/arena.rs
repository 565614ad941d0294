//! The arena: a dead owner's blocks come back, and nobody else's do.

use forkyard_shm::OwnerIndex;
use forkyard_shm::arena::{Advice, AllocError, Arena, Block};
use forkyard_shm::crash;

use super::memory::borrow;
use super::world::{OWN_BYTES, Offers, World};
use super::{BOTH, Operation, Trial};

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::new("alloc: make an extent", BOTH, |trial| {
        alone(trial, |_| (), |arena, ()| keep(arena.alloc(OWN_BYTES)));
    }),
    Operation::new("alloc: in an extent of a peer", BOTH, adopt),
    Operation::new("alloc: the block freed last", BOTH, |trial| {
        let warm = |arena: &Arena| drop(arena.alloc(OWN_BYTES));
        alone(trial, warm, |arena, ()| keep(arena.alloc(OWN_BYTES)));
    }),
    Operation::new("alloc: refused by the limit", BOTH, over_the_limit),
    Operation::new("drop an owned block", BOTH, |trial| {
        alone(
            trial,
            |arena| arena.alloc(OWN_BYTES),
            |_, block| drop(block),
        );
    }),
    Operation::new("freeze, and drop", BOTH, |trial| {
        let own = |arena: &Arena| arena.alloc(OWN_BYTES).expect("a block");
        alone(trial, own, |_, block| drop(block.freeze()));
    }),
    Operation::new("freeze, and take back", BOTH, |trial| {
        let own = |arena: &Arena| arena.alloc(OWN_BYTES).expect("a block");
        alone(trial, own, |_, block| keep(block.freeze().try_into_mut()));
    }),
    Operation::new("lend, and take back", BOTH, |trial| {
        let own = |arena: &Arena| arena.alloc(OWN_BYTES).expect("a block");
        alone(trial, own, |_, block| keep(block.lend().regain()));
    }),
    Operation::new("offer, and take what was offered", BOTH, |trial| {
        let own = |arena: &Arena| arena.alloc(OWN_BYTES).expect("a block");
        alone(trial, own, |arena, block| {
            keep(arena.take(&block.offer().descriptor()));
        });
    }),
    Operation::new("offer, and withdraw", BOTH, |trial| {
        let own = |arena: &Arena| arena.alloc(OWN_BYTES).expect("a block");
        alone(trial, own, |_, block| drop(block.offer()));
    }),
    Operation::new("take a peer's offer", BOTH, |trial| {
        with_offers(trial, |arena, offers| {
            keep(arena.take(&offers.offered.descriptor()));
        });
    }),
    Operation::new("resolve, and drop", BOTH, |trial| {
        with_offers(trial, |arena, offers| {
            drop(arena.resolve(&offers.shared.descriptor()).expect("shared"));
        });
    }),
    Operation::new("borrow, and drop", BOTH, |trial| {
        with_offers(trial, |arena, offers| {
            let named = offers.lent.descriptor_of(64..128).expect("within");
            let mut chunk = borrow(arena, &named).expect("lent");
            chunk.fill(5);
        });
    }),
    Operation::new("drop as the last holder", BOTH, |trial| {
        shared_by_a_maker(trial, true);
    }),
    Operation::new("drop before the last holder", BOTH, |trial| {
        shared_by_a_maker(trial, false);
    }),
    Operation::new("trim", BOTH, trim),
    Operation::new("limit", super::SUPERVISOR, limit),
    Operation::new("advice", super::SUPERVISOR, advice),
];

/// Keeps what it is given to the end of the process, as a victim keeps it.
pub(super) fn keep<T>(value: T) {
    std::mem::forget(value);
}

/// The victim has nothing to do with blocks of others.
pub(super) fn alone<P>(trial: &Trial, prepare: impl Fn(&Arena) -> P, act: impl Fn(&Arena, P)) {
    let world = World::new(trial);
    trial.victim(|| {
        let (arena, prepared) = crash::aside(|| {
            let arena = world.join(trial.dead());
            let prepared = prepare(&arena);
            (arena, prepared)
        });
        act(&arena, prepared);
        keep(arena);
    });
    world.check(trial, None);
}

/// The victim uses what another process has.
fn with_offers(trial: &Trial, act: impl Fn(&Arena, &Offers)) {
    let world = World::new(trial);
    let offers = world.offers();
    trial.victim(|| {
        let arena = crash::aside(|| world.join(trial.dead()));
        act(&arena, &offers);
        keep(arena);
    });
    world.check(trial, Some(offers));
}

/// A free block is found in what another process has made.
fn adopt(trial: &Trial) {
    let world = World::new(trial);
    let theirs = world.other.alloc(OWN_BYTES).expect("a block");
    trial.victim(|| {
        let arena = crash::aside(|| world.join(trial.dead()));
        keep(arena.alloc(OWN_BYTES).expect("a block"));
        keep(arena);
    });
    drop(theirs);
    world.check(trial, None);
}

/// It claims an entry, finds that there is no room, and gives the entry back.
fn over_the_limit(trial: &Trial) {
    let world = World::new(trial);
    world.us.directory().set_limit_bytes(4096);
    trial.victim(|| {
        let arena = crash::aside(|| world.join(trial.dead()));
        let refused = arena.alloc(3 << 20).expect_err("over the limit");
        assert!(matches!(refused, AllocError::Exhausted { .. }), "{refused}");
        keep(arena);
    });
    world.us.directory().set_limit_bytes(0);
    world.check(trial, None);
}

/// Somebody who is neither the victim nor one of the survivors that check.
const MAKER: OwnerIndex = OwnerIndex::new(9);

const JOINED: usize = 0;
const LEFT: usize = 1;

/// Whoever shared the block leaves before the victim does, or after it.
fn shared_by_a_maker(trial: &Trial, is_victim_last: bool) {
    let world = World::new(trial);
    let maker = world.join(MAKER);
    let mut block = maker.alloc(OWN_BYTES).expect("a block");
    block.fill(6);
    let mut block = Some(block.freeze());
    let named = block.as_ref().map(Block::descriptor).expect("just made");
    let peer = trial.peer("who shared it", || {
        trial.await_note(if is_victim_last { JOINED } else { LEFT });
        let block = block.take().expect("just made");
        assert!(block.iter().all(|byte| *byte == 6), "it is still held");
        drop(block);
        trial.note(LEFT, 1);
    });
    trial.victim(|| {
        let (arena, theirs) = crash::aside(|| {
            let arena = world.join(trial.dead());
            let theirs = arena.resolve(&named).expect("shared");
            trial.note(JOINED, 1);
            if is_victim_last {
                trial.await_note(LEFT);
            }
            (arena, theirs)
        });
        drop(theirs.slice(0..10));
        drop(theirs);
        keep(arena);
    });
    trial.note(LEFT, 1);
    peer.ends();
    // These were the peer's.
    keep((block, maker));
    world.check(trial, None);
}

/// It retires an extent that is idle, and leaves alone one that is not.
fn trim(trial: &Trial) {
    let world = World::new(trial);
    let offers = world.offers();
    drop(
        world
            .other
            .alloc(3 << 20)
            .expect("a block of its own extent"),
    );
    trial.victim(|| {
        let arena = crash::aside(|| world.join(trial.dead()));
        assert_eq!(arena.trim(0).extents, 1);
        keep(arena);
    });
    world.check(trial, Some(offers));
}

fn limit(trial: &Trial) {
    let world = World::new(trial);
    let directory = world.us.directory();
    let died = trial.victim(|| directory.set_limit_bytes(1 << 30));
    assert_eq!(directory.limit_bytes(), if died { 0 } else { 1 << 30 });
    world.check(trial, None);
}

/// Advice is taken or not; extents are made either way.
fn advice(trial: &Trial) {
    const ADVICE: Advice = Advice {
        huge_pages: true,
        prefault: true,
    };
    let world = World::new(trial);
    let directory = world.us.directory();
    let died = trial.victim(|| directory.set_advice(ADVICE));
    let expected = if died { Advice::default() } else { ADVICE };
    assert_eq!(directory.advice(), expected);
    world.check(trial, None);
}
