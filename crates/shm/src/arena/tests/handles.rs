//! What each handle can do, between two processes.

use super::double::Machine;
use crate::arena::{Fault, SMALLEST_BLOCK};

#[test]
fn arena_shares_what_was_written() {
    let machine = Machine::new();
    let (supervisor, worker) = (machine.supervisor(), machine.start(1));
    let mut block = supervisor.alloc(1000).unwrap();
    block.fill(7);
    let block = block.freeze();
    let seen = worker.resolve(&block.descriptor()).unwrap();
    assert_eq!(&*seen, &[7; 1000][..]);

    let part = block.slice(10..20).unwrap();
    assert_eq!(part.descriptor(), block.descriptor_of(10..20).unwrap());
    assert_eq!(worker.resolve(&part.descriptor()).unwrap().len(), 10);
    assert!(block.slice(10..1001).is_none() && part.slice(0..11).is_none());
    #[expect(clippy::reversed_empty_ranges, reason = "what a caller may get wrong")]
    let reversed = block.slice(20..10);
    assert!(reversed.is_none());

    drop((block, part));
    assert_eq!(
        supervisor.stats().live_blocks,
        1,
        "the worker still holds it"
    );
    assert_eq!(&*seen, &[7; 1000][..]);
    drop(seen);
    assert_eq!(supervisor.stats().live_blocks, 0);
}

#[test]
fn arena_moves_a_block_once() {
    let machine = Machine::new();
    let (supervisor, worker) = (machine.supervisor(), machine.start(1));
    let mut block = supervisor.alloc(300).unwrap();
    block.fill(1);
    let offer = block.offer();
    let descriptor = offer.descriptor();
    assert!(matches!(
        worker.resolve(&descriptor),
        Err(Fault::WrongUse { .. })
    ));
    let mut taken = worker.take(&descriptor).unwrap();
    assert_eq!(&*taken, &[1; 300][..]);
    taken.fill(2);
    assert!(matches!(worker.take(&descriptor), Err(Fault::Stale { .. })));
    assert!(matches!(
        supervisor.take(&descriptor),
        Err(Fault::Stale { .. })
    ));
    let back = taken.offer();
    assert_eq!(
        &*supervisor.take(&back.descriptor()).unwrap(),
        &[2; 300][..]
    );
    assert_eq!(supervisor.stats().live_blocks, 0);
}

#[test]
fn arena_takes_an_offer_back_that_nobody_took() {
    let machine = Machine::new();
    let (supervisor, worker) = (machine.supervisor(), machine.start(1));
    let block = supervisor.alloc(300).unwrap();
    let named = block.descriptor();
    let offer = block.offer();
    assert_eq!((offer.descriptor(), offer.len()), (named, 300));
    drop(offer);
    assert_eq!(supervisor.stats().live_blocks, 0);
    assert!(matches!(worker.take(&named), Err(Fault::Stale { .. })));
    // Taken, and even freed and offered again, it is not the former owner's any more.
    let offer = supervisor.alloc(300).unwrap().offer();
    let taken = worker.take(&offer.descriptor()).unwrap();
    drop(offer);
    assert_eq!(supervisor.stats().live_blocks, 1);
    drop(taken);
    let stale = supervisor.alloc(300).unwrap().offer();
    drop(worker.take(&stale.descriptor()).unwrap());
    let next = supervisor.alloc(300).unwrap().offer();
    drop(stale);
    assert!(worker.take(&next.descriptor()).is_ok());
}

#[test]
fn arena_lends_disjoint_parts_and_gets_them_back() {
    let machine = Machine::new();
    let (supervisor, a, b) = (machine.supervisor(), machine.start(1), machine.start(2));
    let lent = supervisor.alloc(4096).unwrap().lend();
    let parts = [0..2048, 2048..4096].map(|range| lent.descriptor_of(range).unwrap());
    assert!(matches!(a.resolve(&parts[0]), Err(Fault::WrongUse { .. })));
    // SAFETY: the two parts do not overlap.
    let (mut one, mut two) =
        unsafe { (a.borrow(&parts[0]).unwrap(), b.borrow(&parts[1]).unwrap()) };
    one.fill(1);
    two.fill(2);
    let lent = lent.regain().unwrap_err();
    drop((one, two));
    let block = lent.regain().unwrap();
    assert!(block[..2048].iter().all(|&byte| byte == 1));
    assert!(block[2048..].iter().all(|&byte| byte == 2));
    // SAFETY: refused.
    let late = unsafe { a.borrow(&parts[0]) };
    assert!(matches!(late, Err(Fault::Stale { .. })));
}

#[test]
fn arena_unfreezes_only_the_last_handle() {
    let machine = Machine::new();
    let (supervisor, worker) = (machine.supervisor(), machine.start(1));
    let block = supervisor.alloc(100).unwrap().freeze();
    let old = block.descriptor();
    let clone = block.clone();
    let block = block.try_into_mut().unwrap_err();
    drop(clone);
    let seen = worker.resolve(&old).unwrap();
    let block = block.try_into_mut().unwrap_err();
    drop(seen);
    let block = block.try_into_mut().unwrap();
    assert_eq!(block.len(), 100);
    assert!(matches!(worker.resolve(&old), Err(Fault::Stale { .. })));
    let again = block.freeze();
    assert!(matches!(worker.resolve(&old), Err(Fault::Stale { .. })));
    assert!(worker.resolve(&again.descriptor()).is_ok());
}

#[test]
fn arena_counts_what_it_resolved_twice_apart_from_clones() {
    let machine = Machine::new();
    let (supervisor, worker) = (machine.supervisor(), machine.start(1));
    let block = supervisor.alloc(100).unwrap().freeze();
    let named = block.descriptor();
    let (one, two) = (
        worker.resolve(&named).unwrap(),
        worker.resolve(&named).unwrap(),
    );
    let clone = one.clone();
    drop(block);
    // Clones of one, then another one that was resolved: each is in the way.
    let one = one.try_into_mut().unwrap_err();
    drop(clone);
    let one = one.try_into_mut().unwrap_err();
    assert_eq!(supervisor.stats().live_blocks, 1);
    drop(two);
    let mine = one.try_into_mut().unwrap();
    assert_eq!(supervisor.stats().live_blocks, 1);
    drop(mine);
    assert_eq!(supervisor.stats().live_blocks, 0);
}

#[test]
fn arena_reuses_the_block_freed_last() {
    let machine = Machine::new();
    let arena = machine.supervisor();
    let (mut a, mut b) = (arena.alloc(1000).unwrap(), arena.alloc(1000).unwrap());
    let (at_a, at_b) = (a.as_mut_ptr(), b.as_mut_ptr());
    drop(a);
    drop(b);
    assert_eq!(
        arena.alloc(990).unwrap().as_mut_ptr(),
        at_b,
        "dropped again at once"
    );
    let (mut b, mut a) = (arena.alloc(1000).unwrap(), arena.alloc(1000).unwrap());
    assert_eq!((a.as_mut_ptr(), b.as_mut_ptr()), (at_a, at_b));
}

#[test]
fn arena_has_blocks_of_no_bytes() {
    let machine = Machine::new();
    let (supervisor, worker) = (machine.supervisor(), machine.start(1));
    let block = supervisor.alloc(0).unwrap();
    assert!(block.is_empty());
    let block = block.freeze();
    assert!(worker.resolve(&block.descriptor()).unwrap().is_empty());
    assert!(block.slice(0..0).is_some() && block.slice(0..1).is_none());
}

#[test]
fn arena_aligns_payloads() {
    let machine = Machine::new();
    let arena = machine.supervisor();
    let mut held = Vec::new();
    for bytes in [1, 257, 5000, 16_000, 100_000, 3_000_000].repeat(3) {
        let mut block = arena.alloc(bytes).unwrap();
        let align = if bytes < 16_000 { 64 } else { 4096 };
        assert!(block.as_mut_ptr().addr().is_multiple_of(align), "{bytes}");
        block.require_alignment(64).unwrap();
        held.push(block.freeze());
    }
    let odd = held[0].slice(1..1).unwrap();
    assert!(matches!(
        odd.require_alignment(2),
        Err(Fault::Misaligned {
            offset: 1,
            align: 2
        })
    ));
    assert!(held[0].len() as u64 <= SMALLEST_BLOCK);
}

#[test]
fn arena_handles_outlive_it() {
    let machine = Machine::new();
    let arena = machine.supervisor();
    let mut block = arena.alloc(5000).unwrap();
    let other = arena.alloc(5000).unwrap().freeze();
    block.fill(9);
    drop(arena);
    let block = block.freeze();
    assert!(block.iter().all(|&byte| byte == 9));
    assert_ne!(machine.objects.allocated_bytes(), 0);
    let objects = std::sync::Arc::clone(&machine.objects);
    drop((block, other));
    let next = machine.start(1);
    assert_eq!(next.stats().live_blocks, 0);
    next.trim(0);
    drop(next);
    assert_eq!(
        (objects.linked(), objects.allocated_bytes()),
        (0, 0),
        "nothing stays mapped"
    );
}

#[test]
fn arena_of_a_forked_child_leaves_the_parents_blocks_alone() {
    let machine = Machine::new();
    let (parent, watcher) = (machine.start(1), machine.supervisor());
    // What the child inherits is, for the test, the parent's very arena.
    let (alone, shared) = (
        parent.alloc(10).unwrap(),
        parent.alloc(10).unwrap().freeze(),
    );
    parent.disown();
    drop((alone, shared.clone(), shared));
    assert!(matches!(
        parent.alloc(10),
        Err(crate::arena::AllocError::Disowned)
    ));
    assert_eq!(watcher.stats().live_blocks, 2);
}

#[test]
fn arena_tells_text_from_bytes() {
    let machine = Machine::new();
    let arena = machine.supervisor();
    let of = |bytes: &[u8]| {
        let mut block = arena.alloc(bytes.len()).unwrap();
        block.copy_from_slice(bytes);
        block.freeze()
    };
    let block = of("grün".as_bytes());
    assert_eq!(block.as_text(), None, "not checked yet");
    let text = block.into_text().unwrap();
    assert_eq!(text.as_text(), Some("grün"));
    assert_eq!(text.clone().as_text(), Some("grün"));
    assert_eq!(text.slice_text(2..4).unwrap().as_text(), Some("ü"));
    assert!(text.slice_text(2..3).is_none() && text.slice_text(0..6).is_none());
    assert_eq!(text.slice(2..4).unwrap().as_text(), None);
    let (error, block) = of(b"gr\xff").into_text().unwrap_err();
    assert_eq!((error.valid_up_to(), block.len()), (2, 3));
    assert!(block.is_whole() && !block.slice(0..2).unwrap().is_whole());
}
