//! Descriptors and directories that a peer got wrong: a fault by name, and nothing else.

use std::sync::atomic::{AtomicU64, Ordering};

use super::double::{Machine, Rng};
use crate::arena::{Descriptor, ExtentId, Fault};

fn any_descriptor(rng: &mut Rng) -> Descriptor {
    let mut bytes = [0u8; 32];
    for chunk in bytes.chunks_mut(8) {
        chunk.copy_from_slice(&rng.next().to_ne_bytes());
    }
    bytemuck::cast(bytes)
}

#[test]
fn arena_survives_any_descriptor() {
    let machine = Machine::new();
    let (supervisor, worker) = (machine.supervisor(), machine.start(1));
    let mut shared = supervisor.alloc(1000).unwrap();
    shared.fill(5);
    let shared = shared.freeze();
    let good = shared.descriptor();
    let _alone = supervisor.alloc(1000).unwrap();
    let _lent = supervisor.alloc(1000).unwrap().lend();
    let mut rng = Rng(1);
    let mut resolved = 0;
    for round in 0..200_000 {
        let wild = any_descriptor(&mut rng);
        // Half of them differ from a good one in one field only, and then not by much.
        let mut named = good;
        if round % 2 == 0 {
            named = wild;
        }
        match rng.below(7) {
            0 => named.offset = wild.offset >> rng.below(64),
            1 => named.len = wild.len >> rng.below(64),
            2 => named.block = wild.block >> rng.below(32),
            3 => named.generation = wild.generation >> rng.below(32),
            4 => named.extent_generation = wild.extent_generation >> rng.below(32),
            5 => named.extent = wild.extent >> rng.below(16),
            _ => named.zero = wild.zero >> rng.below(16),
        }
        if let Ok(block) = worker.resolve(&named) {
            assert!(block.len() <= 1000 && block.iter().all(|&byte| byte == 5));
            resolved += 1;
        }
        assert!(worker.take(&named).is_err());
        // SAFETY: the chunk is dropped at once.
        drop(unsafe { worker.borrow(&named) });
    }
    assert!(resolved > 100, "{resolved}: the test tries good ones too");
    assert_eq!(supervisor.stats().live_blocks, 3);
    drop(shared);
    assert_eq!(supervisor.stats().live_blocks, 2, "no hold was left behind");
}

#[test]
fn arena_names_each_fault() {
    let machine = Machine::new();
    let (supervisor, worker) = (machine.supervisor(), machine.start(1));
    let block = supervisor.alloc(300).unwrap().freeze();
    let good = block.descriptor();
    let fault = |change: &dyn Fn(&mut Descriptor)| {
        let mut named = good;
        change(&mut named);
        let fault = worker.resolve(&named).unwrap_err();
        assert!(fault.to_string().len() > 20);
        fault
    };
    assert!(matches!(
        fault(&|d| d.zero = 1),
        Fault::Malformed { found: 1 }
    ));
    assert!(matches!(
        fault(&|d| d.extent = 256),
        Fault::NoSuchExtent { extent: 256 }
    ));
    let gone = ExtentId {
        index: 7,
        generation: 1,
    };
    assert!(matches!(fault(&|d| d.extent = 7), Fault::StaleExtent { extent } if extent == gone));
    assert!(matches!(
        fault(&|d| d.extent_generation = 2),
        Fault::StaleExtent { .. }
    ));
    assert!(matches!(
        fault(&|d| d.block = 1 << 20),
        Fault::NoSuchBlock { .. }
    ));
    assert!(matches!(
        fault(&|d| d.block = 1),
        Fault::Stale {
            named: 1,
            found: 0,
            ..
        }
    ));
    assert!(matches!(
        fault(&|d| d.generation = 2),
        Fault::Stale {
            named: 2,
            found: 1,
            ..
        }
    ));
    // The block has 320 bytes, of which 300 are in use.
    assert!(matches!(
        fault(&|d| d.len = 301),
        Fault::OutOfBounds { available: 300, .. }
    ));
    assert!(matches!(
        fault(&|d| d.len = 321),
        Fault::OutOfBounds { available: 320, .. }
    ));
    assert!(matches!(
        fault(&|d| d.offset = u64::MAX),
        Fault::OutOfBounds { .. }
    ));
    drop(block);
    assert!(matches!(worker.resolve(&good), Err(Fault::Stale { .. })));
    assert_eq!(supervisor.stats().live_blocks, 0, "no hold was left behind");
}

/// Runs everything against words that somebody writes over: `words` is where they are.
fn scribble(rng: &mut Rng, machine: &Machine, words: &[*mut u64]) {
    let (supervisor, worker) = (machine.supervisor(), machine.start(1));
    let block = supervisor.alloc(300).unwrap().freeze();
    let seen = worker.resolve(&block.descriptor()).unwrap();
    for _ in 0..1 + rng.below(3) {
        let at = rng.below(words.len());
        // SAFETY: the caller's words are atomics, like all that reads them.
        let word = unsafe { AtomicU64::from_ptr(words[at]) };
        let value = rng.next() >> rng.below(64);
        word.store(
            if rng.below(2) == 0 {
                value
            } else {
                word.load(Ordering::Relaxed) ^ 1 << rng.below(64)
            },
            Ordering::Relaxed,
        );
    }
    let late = machine.start(2);
    for arena in [&late, &worker] {
        let _ = arena.resolve(&block.descriptor());
        let _ = arena.alloc(300).map(|mut block| block.fill(1));
        let _ = arena.stats();
        // SAFETY: owner 9 never was.
        let _ = unsafe { arena.reclaim(crate::OwnerIndex::new(9)) };
    }
    assert_eq!(seen.len(), 300);
    drop((seen, block));
    late.trim(0);
}

#[test]
fn arena_survives_any_directory() {
    let mut rng = Rng(2);
    for _ in 0..2000 {
        let machine = Machine::new();
        // Sizes that no memory has are a fault, not a try.
        machine
            .objects
            .limit_bytes
            .store(64 << 20, Ordering::Relaxed);
        let entry = machine.directory.as_ptr().cast::<u64>().wrapping_add(8);
        let words = [0, 1, 2].map(|at| entry.wrapping_add(at));
        scribble(&mut rng, &machine, &words);
    }
}

#[test]
fn arena_survives_any_header() {
    let mut rng = Rng(3);
    for _ in 0..2000 {
        let machine = Machine::new();
        // The header of block 0 is the first thing in the extent of the first block.
        let mut probe = machine.start(3).alloc(300).unwrap();
        let geometry = crate::arena::Geometry::plan(320, 0).unwrap();
        let header = probe
            .as_mut_ptr()
            .wrapping_sub(geometry.payload_offset() as usize);
        drop(probe);
        let words = [0, 1, 2, 3, 4, 5].map(|at| header.cast::<u64>().wrapping_add(at));
        scribble(&mut rng, &machine, &words);
    }
}
