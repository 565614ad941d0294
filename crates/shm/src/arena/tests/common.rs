//! Blocks that all write: as one kind they are met, as no other.

use super::double::Machine;
use crate::arena::Fault;

#[test]
fn arena_common_blocks_are_met_as_common_alone() {
    let machine = Machine::new();
    let (supervisor, worker) = (machine.supervisor(), machine.start(1));
    let made = supervisor.alloc(300).unwrap().into_common();
    let named = made.descriptor();
    assert!(matches!(
        worker.resolve(&named),
        Err(Fault::WrongUse { .. })
    ));
    assert!(matches!(worker.take(&named), Err(Fault::WrongUse { .. })));
    // SAFETY: it is refused, so that there is no chunk.
    let borrowed = unsafe { worker.borrow(&named) };
    assert!(matches!(borrowed, Err(Fault::WrongUse { .. })));
    let shared = supervisor.alloc(300).unwrap().freeze();
    assert!(matches!(
        worker.meet(&shared.descriptor()),
        Err(Fault::WrongUse { .. })
    ));
    let met = worker.meet(&named).unwrap();
    assert_eq!((met.len(), met.owner()), (300, worker.owner()));
}

#[test]
fn arena_common_blocks_live_as_long_as_the_last_holder() {
    let machine = Machine::new();
    let (supervisor, worker) = (machine.supervisor(), machine.start(1));
    let made = supervisor.alloc(300).unwrap().into_common();
    let named = made.descriptor();
    let met = worker.meet(&named).unwrap();
    drop(made);
    assert!(supervisor.is_common(&named));
    drop(met);
    assert!(!supervisor.is_common(&named));
    assert!(matches!(supervisor.meet(&named), Err(Fault::Stale { .. })));
    assert_eq!(supervisor.stats().live_blocks, 0);
}

#[test]
fn arena_what_keeps_a_common_block_shows_none_of_it() {
    let machine = Machine::new();
    let (supervisor, worker) = (machine.supervisor(), machine.start(1));
    let made = supervisor.alloc(300).unwrap().into_common();
    let named = made.descriptor();
    let kept = made.keep();
    drop(made);
    let met = worker.resolve(&kept.descriptor()).unwrap();
    assert!(kept.is_empty() && met.is_empty() && met.slice(0..1).is_none());
    drop(kept);
    assert!(supervisor.is_common(&named), "the worker keeps it");
    drop(met);
    assert!(!supervisor.is_common(&named));
}
