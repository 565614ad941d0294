//! Running out, in each way there is.

use std::num::NonZeroUsize;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::double::{Machine, ThreadPark};
use crate::OwnerIndex;
use crate::arena::{
    Advice, AllocError, Arena, ExtentError, ExtentId, Extents, LARGEST_BLOCK, Mapped,
};

#[test]
fn arena_stops_at_its_limit_and_goes_on_after_a_free() {
    let machine = Machine::new();
    let arena = machine.supervisor();
    arena.directory().set_limit_bytes(1 << 20);
    let mut held = Vec::new();
    let refused = loop {
        match arena.alloc(10_000) {
            Ok(block) => held.push(block),
            Err(refused) => break refused,
        }
    };
    assert!(
        matches!(
            refused,
            AllocError::Exhausted {
                limit: 0x10_0000,
                ..
            }
        ),
        "{refused}"
    );
    let used: usize = held.iter().map(|block| block.len()).sum();
    assert!(used * 10 > (1 << 20) * 7, "{used} of 1 MiB");
    assert!(arena.stats().reserved_bytes <= 1 << 20);
    held.pop();
    held.push(arena.alloc(10_000).unwrap());
    // Another class: what is idle is given back for it.
    held.clear();
    let large = arena.alloc(900_000).unwrap();
    let stats = arena.stats();
    assert_eq!(
        (stats.extents, stats.live_blocks, stats.live_bytes),
        (1, 1, 900_000)
    );
    assert!(stats.peak_reserved_bytes <= 1 << 20);
    drop(large);
}

#[test]
fn arena_passes_on_that_the_system_is_full() {
    let machine = Machine::new();
    machine
        .objects
        .limit_bytes
        .store(64 << 20, Ordering::Relaxed);
    let arena = machine.supervisor();
    let one = arena.alloc(40 << 20).unwrap();
    let refused = arena.alloc(40 << 20).unwrap_err();
    let AllocError::Extent(ExtentError::Full {
        wanted,
        free,
        limit,
    }) = refused
    else {
        panic!("{refused}");
    };
    assert!(wanted > 40 << 20 && free < 24 << 20 && limit == 64 << 20);
    drop(one);
    // Idle, and too small for this: given back.
    drop(arena.alloc(60 << 20).unwrap());
    assert_eq!(arena.stats().extents, 1);
}

#[test]
fn arena_serves_every_class_from_a_small_dev_shm() {
    let machine = Machine::new();
    machine
        .objects
        .limit_bytes
        .store(64 << 20, Ordering::Relaxed);
    let arena = machine.supervisor();
    let mut held = Vec::new();
    let mut bytes = 200;
    while bytes < 2 << 20 {
        held.push(arena.alloc(bytes).unwrap());
        bytes += bytes / 4;
    }
    assert!(held.len() > 40);
}

#[test]
fn arena_peers_share_one_limit_and_each_others_extents() {
    let machine = Machine::new();
    let (a, b) = (machine.start(1), machine.start(2));
    drop(a.alloc(5 << 20).unwrap());
    let block = b.alloc(5 << 20).unwrap();
    assert_eq!(
        machine.objects.creations.load(Ordering::Relaxed),
        1,
        "adopted"
    );
    a.directory().set_limit_bytes(8 << 20);
    assert!(matches!(
        b.alloc(5 << 20),
        Err(AllocError::Exhausted { .. })
    ));
    drop(block);
}

#[test]
fn arena_unmaps_what_a_peer_has_retired() {
    let machine = Machine::new();
    let (a, b) = (machine.start(1), machine.start(2));
    let block = a.alloc(5 << 20).unwrap().freeze();
    drop(b.resolve(&block.descriptor()).unwrap());
    assert_eq!(a.trim(0).extents, 0, "in use");
    let stale = block.descriptor();
    drop(block);
    let trimmed = a.trim(0);
    assert_eq!((trimmed.extents, trimmed.bytes), (1, (5 << 20) + 4096));
    assert_eq!(machine.objects.linked(), 0);
    assert_ne!(
        machine.objects.allocated_bytes(),
        0,
        "the peer has it mapped"
    );
    b.unmap_retired();
    assert_eq!(machine.objects.allocated_bytes(), 0);
    assert!(b.resolve(&stale).is_err());
    assert_eq!(a.stats().reserved_bytes, 0);
}

#[test]
fn arena_leaves_no_name_behind_when_the_last_one_out_unlinks() {
    let machine = Machine::new();
    let arena = machine.supervisor();
    let held = [100, 10_000, 3 << 20].map(|bytes| arena.alloc(bytes).unwrap());
    assert_eq!(machine.objects.linked(), 3);
    arena.unlink_all();
    assert_eq!(machine.objects.linked(), 0);
    drop(held);
}

#[test]
fn arena_has_room_for_many_large_blocks() {
    let machine = Machine::new();
    let arena = machine.supervisor();
    // 2 MB each, never touched beyond their headers.
    let held: Vec<_> = (0..600).map(|_| arena.alloc(2_000_000).unwrap()).collect();
    assert!(arena.stats().extents < 20);
    assert_eq!(arena.stats().live_blocks, held.len() as u64);
}

#[test]
fn arena_names_a_full_directory() {
    let machine = Machine::new();
    let arena = machine.supervisor();
    let mut held = Vec::new();
    // No extent gets more than one block.
    machine
        .objects
        .largest_bytes
        .store(400_000, Ordering::Relaxed);
    let refused = loop {
        match arena.alloc(300_000) {
            Ok(block) => held.push(block),
            Err(refused) => break refused,
        }
    };
    assert!(matches!(refused, AllocError::TooManyExtents), "{refused}");
    assert_eq!(held.len(), 256);
    drop(held.pop());
    let small = arena.alloc(100).unwrap();
    assert_eq!(arena.stats().live_blocks, 256);
    drop(small);
}

/// Gives nothing, and notes what it was asked for.
struct Nothing(Arc<Mutex<Vec<u64>>>);

// SAFETY: no memory is ever returned.
unsafe impl Extents for Nothing {
    fn create(&self, _: ExtentId, bytes: NonZeroUsize, _: Advice) -> Result<Mapped, ExtentError> {
        let wanted = bytes.get() as u64;
        self.0.lock().unwrap().push(wanted);
        let (free, limit) = (0, 64 << 20);
        Err(ExtentError::Full {
            wanted,
            free,
            limit,
        })
    }

    fn open(&self, id: ExtentId, _: NonZeroUsize, _: Advice) -> Result<Mapped, ExtentError> {
        Err(ExtentError::Gone { id })
    }

    fn unlink(&self, _: ExtentId) {}
}

#[test]
fn arena_asks_for_gigabytes_in_64_bits() {
    let machine = Machine::new();
    let asked = Arc::new(Mutex::new(Vec::new()));
    // SAFETY: the directory outlives the arena; it is the only one.
    let arena = unsafe {
        Arena::attach(
            machine.directory,
            OwnerIndex::SUPERVISOR,
            Nothing(Arc::clone(&asked)),
            ThreadPark,
        )
    };
    for bytes in [3 << 30, (3 << 30) + 1, LARGEST_BLOCK as usize] {
        asked.lock().unwrap().clear();
        let refused = arena.alloc(bytes).unwrap_err();
        assert!(
            matches!(refused, AllocError::Extent(ExtentError::Full { .. })),
            "{refused}"
        );
        let asked = asked.lock().unwrap().clone();
        let (first, bytes) = (asked[0], bytes as u64);
        assert!(
            asked.len() == 1 && first > bytes && first <= bytes + bytes / 16 + 4096,
            "{asked:?}"
        );
        assert_eq!(arena.stats().reserved_bytes, 0, "the entry is free again");
    }
    assert!(matches!(
        arena.alloc(LARGEST_BLOCK as usize + 1),
        Err(AllocError::TooLarge { .. })
    ));
    assert!(matches!(
        arena.alloc(usize::MAX),
        Err(AllocError::TooLarge { .. })
    ));
}

/// Starts `ask` on a thread of its own, and has `give` run once it waits.
fn while_one_waits(machine: &Machine, ask: impl FnOnce() -> bool + Send, give: impl FnOnce()) {
    std::thread::scope(|scope| {
        let asking = scope.spawn(ask);
        // SAFETY: the directory lives as long as the machine.
        let wanted = unsafe { machine.directory.as_ref() }.wanted();
        while !wanted.is_wanted() {
            std::thread::yield_now();
        }
        give();
        assert!(asking.join().unwrap());
    });
}

const LONG: Duration = Duration::from_secs(60);

#[test]
fn arena_waits_for_what_a_peer_gives_back() {
    let machine = Machine::new();
    let (a, b) = (machine.start(1), machine.start(2));
    a.set_limit_bytes(8 << 20);
    let block = a.alloc(6 << 20).unwrap();
    while_one_waits(
        &machine,
        || b.alloc_within(6 << 20, LONG).is_ok(),
        || drop(block),
    );
    // Of another size: the idle extent makes room.
    let shared = b.alloc(6 << 20).unwrap().freeze();
    a.set_limit_bytes(8 << 20);
    let refused = a
        .alloc_within(5 << 20, Duration::from_millis(1))
        .unwrap_err();
    assert!(refused.may_pass(), "{refused}");
    drop(shared);
    assert!(a.alloc_within(2 << 20, Duration::ZERO).is_ok());
}

#[test]
fn arena_waits_for_a_limit_that_is_raised() {
    let machine = Machine::new();
    let (a, b) = (machine.start(1), machine.start(2));
    a.directory().set_limit_bytes(4 << 20);
    let _held = a.alloc(3 << 20).unwrap();
    while_one_waits(
        &machine,
        || b.alloc_within(3 << 20, LONG).is_ok(),
        || a.set_limit_bytes(64 << 20),
    );
}

#[test]
fn arena_waits_for_what_the_dead_leave() {
    let machine = Machine::new();
    let (a, b) = (machine.supervisor(), machine.start(1));
    a.directory().set_limit_bytes(4 << 20);
    let lost = std::mem::ManuallyDrop::new(b.alloc(3 << 20).unwrap());
    while_one_waits(
        &machine,
        || a.alloc_within(3 << 20, LONG).is_ok(),
        || {
            // SAFETY: what it had is never used again: it is dead.
            let reclaimed = unsafe { a.reclaim(OwnerIndex::new(1)) };
            assert_eq!(reclaimed.blocks_freed, 1);
        },
    );
    b.disown();
    drop(std::mem::ManuallyDrop::into_inner(lost));
}

#[test]
fn arena_does_not_wait_for_what_cannot_be() {
    let machine = Machine::new();
    let arena = machine.supervisor();
    let never = arena.alloc_within(usize::MAX, LONG).unwrap_err();
    assert!(matches!(never, AllocError::TooLarge { .. }), "{never}");
    arena.disown();
    let never = arena.alloc_within(8, LONG).unwrap_err();
    assert!(matches!(never, AllocError::Disowned), "{never}");
}
