//! Waiting for memory: whoever dies, a free that somebody waits for is not slept through.

use std::sync::atomic::Ordering;
use std::time::Duration;

use forkyard_shm::arena::{AllocError, Arena, BlockMut};
use forkyard_shm::{OwnerIndex, crash};

use super::arena::keep;
use super::arena_recovery::{FIRST, reclaimed_twice};
use super::memory::reclaim;
use super::park::{Asleep, Counted, Plain, Silent};
use super::report::Report;
use super::trial::{PATIENCE, Peer};
use super::world::World;
use super::{BOTH, Operation, Role, SUPERVISOR, Trial, WORKER};

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::new("wait for memory, with another that waits", WORKER, wait),
    Operation::new("wait for memory, alone", SUPERVISOR, wait_alone),
    Operation::new("free a block that another waits for", BOTH, free),
    Operation::new("raise the limit, with one that waits", SUPERVISOR, raise),
    Operation::new(
        "reclaim: a block that another waits for",
        SUPERVISOR,
        reclaim_awaited,
    ),
];

/// A block with an extent of its own.
const BIG_BYTES: usize = 3 << 20;

/// Who has the block that others wait for.
const HOLDER: OwnerIndex = OwnerIndex::new(8);
/// Who waits besides the victim.
const WAITER: OwnerIndex = OwnerIndex::new(9);

const FREED: usize = 0;
const HELD: usize = 1;

/// How long one waits who has to be woken: longer than a trial waits for it to end, for it would
/// find the block by itself when its time is up.
const MUST_BE_WOKEN: Duration = Duration::from_secs(3 * PATIENCE.as_secs());

/// How long one waits who may have to give up: longer than it takes others to see it asleep.
const GIVES_UP_AFTER: Duration = Duration::from_secs(2);

/// Sets a limit at which no extent can be made besides those that there are. (In the stead of an
/// idle one it can: so does an allocation that meets the free of the last block of one.)
fn fill(arena: &Arena) {
    let directory = arena.directory();
    directory.set_limit_bytes(directory.reserved_bytes());
}

/// A peer that waits for a block until it has one.
fn waiter(trial: &Trial, world: &World) -> Peer {
    trial.peer("who waits for memory", || {
        let arena = world.join_with(WAITER, Counted);
        let block = arena.alloc_within(BIG_BYTES, MUST_BE_WOKEN);
        drop(block.expect("it is woken for what is free"));
        keep(arena);
    })
}

/// The victim waits for a block, which is freed when it is asleep, and takes it.
fn wait_and_die(trial: &Trial, world: &World, theirs: &mut Option<BlockMut>) {
    trial.victim(|| {
        let theirs = theirs.take();
        let freed = Asleep::until(move || {
            drop(theirs);
            Report::get().note(FREED).store(1, Ordering::SeqCst);
        });
        let arena = crash::aside(|| world.join_with(trial.dead(), freed));
        let block = arena.alloc_within(BIG_BYTES, PATIENCE);
        keep((block.expect("it was freed"), arena));
    });
}

/// One frees the block and dies before it wakes anybody. What it left, or what the victim had of
/// it, is the other's as soon as the deaths are known.
fn wait(trial: &Trial) {
    let world = World::new(trial);
    let holder = world.join_with(HOLDER, Silent);
    let mut theirs = Some(holder.alloc(BIG_BYTES).expect("a block"));
    fill(&world.us);
    let peer = waiter(trial, &world);
    trial.until_asleep(&peer, 1);
    wait_and_die(trial, &world, &mut theirs);
    if trial.noted(FREED) == 0 {
        drop(theirs);
    } else {
        keep(theirs);
    }
    reclaim(&world.us, trial.dead());
    peer.ends();
    drop(holder);
    world.us.directory().set_limit_bytes(0);
    world.check(trial, None);
}

/// What a dead waiter left does not keep the next one from being woken.
fn wait_alone(trial: &Trial) {
    let world = World::new(trial);
    let holder = world.join_with(HOLDER, Plain);
    let mut theirs = Some(holder.alloc(BIG_BYTES).expect("a block"));
    fill(&world.us);
    wait_and_die(trial, &world, &mut theirs);
    if trial.noted(FREED) == 1 {
        keep(theirs.take());
        // Unless the victim died with it.
        theirs = world.us.alloc(BIG_BYTES).ok();
    }
    let peer = waiter(trial, &world);
    trial.until_asleep(&peer, 1);
    if theirs.is_none() {
        world.us.set_limit_bytes(0);
    }
    drop(theirs);
    peer.ends();
    drop(holder);
    world.us.directory().set_limit_bytes(0);
    world.check(trial, None);
}

/// Who waits while the victim frees. It is woken for the dead worker's block; without a
/// supervisor, who would see to that, its time may be up.
fn free(trial: &Trial) {
    let world = World::new(trial);
    let peer = trial.peer("who waits for memory", || {
        trial.await_note(HELD);
        let arena = world.join_with(WAITER, Counted);
        let (patience, may_give_up) = match trial.role() {
            Role::Worker => (MUST_BE_WOKEN, false),
            Role::Supervisor => (GIVES_UP_AFTER, true),
        };
        match arena.alloc_within(BIG_BYTES, patience) {
            Ok(block) => drop(block),
            Err(AllocError::Exhausted { .. }) if may_give_up => {}
            Err(other) => panic!("{other}"),
        }
        keep(arena);
    });
    trial.victim(|| {
        let (block, arena) = crash::aside(|| {
            let arena = world.join(trial.dead());
            let block = arena.alloc(BIG_BYTES).expect("a block");
            fill(&arena);
            trial.note(HELD, 1);
            trial.until_asleep(&peer, 1);
            (block, arena)
        });
        drop(block);
        keep(arena);
    });
    if trial.role() == Role::Worker {
        reclaim(&world.us, trial.dead());
    }
    peer.ends();
    world.us.directory().set_limit_bytes(0);
    world.check(trial, None);
}

/// Raised or not: who waits is told, or sees when its time is up.
fn raise(trial: &Trial) {
    let world = World::new(trial);
    let theirs = world.other.alloc(BIG_BYTES).expect("a block");
    fill(&world.us);
    let peer = trial.peer("who waits for memory", || {
        let arena = world.join_with(WAITER, Counted);
        let block = arena.alloc_within(BIG_BYTES, GIVES_UP_AFTER);
        let is_raised = arena.directory().limit_bytes() == 0;
        assert_eq!(block.is_ok(), is_raised, "{block:?}");
        drop(block);
        keep(arena);
    });
    trial.until_asleep(&peer, 1);
    let died = trial.victim(|| {
        let arena = crash::aside(|| world.join(trial.dead()));
        arena.set_limit_bytes(0);
        keep(arena);
    });
    peer.ends();
    assert!(died || world.us.directory().limit_bytes() == 0);
    world.us.set_limit_bytes(0);
    drop(theirs);
    world.check(trial, None);
}

/// The dead one's block goes to who waits for it, however often that was begun.
fn reclaim_awaited(trial: &Trial) {
    let world = World::new(trial);
    trial.corpse(|| {
        let arena = world.join(FIRST);
        keep((arena.alloc(BIG_BYTES).expect("a block"), arena));
    });
    fill(&world.us);
    let peer = waiter(trial, &world);
    trial.until_asleep(&peer, 1);
    reclaimed_twice(trial, &world);
    peer.ends();
    world.us.directory().set_limit_bytes(0);
    world.check(trial, None);
}
