//! A process dies at every step of every operation, and the rest goes on.

use std::mem::ManuallyDrop;
use std::sync::{Arc, Mutex};
use std::thread;

use super::double::Machine;
use crate::OwnerIndex;
use crate::arena::{Arena, Block, Lent, Offer};
use crate::steps::armed::die_at;

const VICTIM: u8 = 1;

/// What the other process has when the victim starts, for the victim to use.
struct Offers {
    shared: Block,
    lent: Lent,
    offered: Offer,
    /// What it has resolved of the victim's.
    seen: Mutex<Option<Block>>,
}

/// Does something as another process does it: it does not die in the victim's stead.
fn elsewhere<R: Send>(body: impl FnOnce() -> R + Send) -> R {
    thread::scope(|scope| scope.spawn(body).join().unwrap())
}

/// Keeps a handle from being dropped by the panic that stands for a death.
fn keep<H>(handle: H) -> ManuallyDrop<H> {
    ManuallyDrop::new(handle)
}

fn give_back<H>(handle: ManuallyDrop<H>) {
    drop(ManuallyDrop::into_inner(handle));
}

/// Everything a process does with an arena, once.
fn life(arena: &Arena, peer: &Arena, offers: &Offers) {
    drop(arena.alloc(300).unwrap());
    let own = keep(arena.alloc(300).unwrap());
    // The peer reads it, and is the one that frees it.
    let shared = keep(arena.alloc(300).unwrap().freeze());
    let named = shared.descriptor();
    elsewhere(|| *offers.seen.lock().unwrap() = Some(peer.resolve(&named).unwrap()));
    give_back(shared);
    elsewhere(|| *offers.seen.lock().unwrap() = None);
    // The other way round.
    let shared = keep(arena.alloc(300).unwrap().freeze());
    let named = shared.descriptor();
    elsewhere(|| drop(peer.resolve(&named).unwrap()));
    give_back(shared);
    let joined = keep(arena.resolve(&offers.shared.descriptor()).unwrap());
    let named = offers.lent.descriptor_of(0..64).unwrap();
    // SAFETY: nobody else borrows.
    let chunk = keep(unsafe { arena.borrow(&named).unwrap() });
    // One offer is taken, one withdrawn.
    let given = keep(arena.take(&offers.offered.descriptor()).unwrap().offer());
    let taken = given.descriptor();
    drop(arena.take(&taken).unwrap());
    give_back(given);
    give_back(keep(arena.alloc(300).unwrap().offer()));
    drop(arena.alloc(300).unwrap().freeze().try_into_mut().unwrap());
    give_back(joined);
    give_back(chunk);
    // Too late for these.
    assert!(arena.resolve(&named).is_err() && arena.take(&taken).is_err());
    // An extent of its own, given back again.
    drop(arena.alloc(3 << 20).unwrap());
    arena.trim(0);
    give_back(own);
}

fn check_after(
    machine: &Machine,
    supervisor: &Arc<Arena>,
    peer: &Arc<Arena>,
    offers: Offers,
    at: u32,
) {
    let Offers {
        shared,
        lent,
        offered,
        ..
    } = offers;
    assert!(shared.iter().all(|&byte| byte == 3), "step {at}");
    drop(shared);
    drop(lent);
    // Not taken, or taken by the victim and freed with it.
    drop(offered);
    let stats = supervisor.stats();
    assert_eq!(
        (stats.live_blocks, stats.extents_unreadable),
        (0, 0),
        "step {at}: {stats:?}"
    );
    assert_eq!(
        stats.extents,
        machine.objects.linked(),
        "step {at}: {stats:?}"
    );
    // The slot is used again, and nothing of the former life is in the way.
    let victim = machine.start(VICTIM);
    let block = victim.alloc(300).unwrap().freeze();
    drop(peer.resolve(&block.descriptor()).unwrap());
    drop(block);
    supervisor.trim(0);
    assert_eq!(supervisor.stats().reserved_bytes, 0, "step {at}");
    assert_eq!(machine.objects.linked(), 0, "step {at}");
}

/// Lives until step `at`, then has `bury` reclaim. Whether it died at all.
fn die_and_bury(at: u32, bury: impl Fn(&Arena)) -> bool {
    let machine = Machine::new();
    let (supervisor, victim, peer) = (
        machine.supervisor(),
        machine.start(VICTIM),
        machine.start(2),
    );
    let mut shared = peer.alloc(5000).unwrap();
    shared.fill(3);
    let offers = Offers {
        shared: shared.freeze(),
        lent: peer.alloc(5000).unwrap().lend(),
        offered: peer.alloc(5000).unwrap().offer(),
        seen: Mutex::new(None),
    };
    let died = die_at(at, || life(&victim, &peer, &offers)).is_none();
    // What a dead process has mapped goes with it; what it holds in shared memory stays.
    victim.disown();
    drop(victim);
    bury(&supervisor);
    *offers.seen.lock().unwrap() = None;
    check_after(&machine, &supervisor, &peer, offers, at);
    died
}

#[test]
fn arena_crash_at_every_step_leaves_nothing_behind() {
    let mut at = 0;
    while die_and_bury(at, |supervisor| {
        // SAFETY: the victim is gone.
        let _ = unsafe { supervisor.reclaim(OwnerIndex::new(VICTIM)) };
    }) {
        at += 1;
    }
    assert!(at > 50, "only {at} steps were tried");
}

#[test]
fn arena_reclaim_can_be_cut_short_and_done_again() {
    for at in (0..200).step_by(3) {
        for cut in (0..60).step_by(4) {
            let died = die_and_bury(at, |supervisor| {
                // SAFETY: the victim is gone.
                let reclaim = || unsafe { supervisor.reclaim(OwnerIndex::new(VICTIM)) };
                let _ = die_at(cut, reclaim);
                let _ = reclaim();
            });
            if !died {
                return;
            }
        }
    }
}
