//! The life of a block and of a directory entry, in every interleaving.
//!
//! The payload is a loom cell: a read by a holder that does not happen before the next
//! owner's write is a failure of the model, as is a block that nobody frees, or two do.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

use crate::OwnerIndex;
use crate::arena::Geometry;
use crate::arena::directory::Entry;
use crate::arena::header::{BlockHeader, Left};
use crate::arena::state::Kind;
use crate::arena::word::EntryKind;
use crate::steps::armed::die_at;

// In three of the four words of holder bits.
const A: OwnerIndex = OwnerIndex::new(0);
const B: OwnerIndex = OwnerIndex::new(70);
const C: OwnerIndex = OwnerIndex::new(130);

/// A block with its payload.
struct Cell {
    header: BlockHeader,
    payload: UnsafeCell<u32>,
}

impl Cell {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            header: BlockHeader::new(),
            payload: UnsafeCell::new(0),
        })
    }

    /// A block that A has shared.
    fn shared() -> (Arc<Self>, u32) {
        let cell = Self::new();
        let generation = cell.own(A);
        assert!(cell.header.publish(A, generation, Kind::Shared));
        (cell, generation)
    }

    /// Claims and writes.
    fn own(&self, owner: OwnerIndex) -> u32 {
        let generation = self.header.claim(owner, 8).expect("free");
        self.write(generation);
        generation
    }

    fn write(&self, generation: u32) {
        // SAFETY: loom checks that no other access is concurrent.
        self.payload
            .with_mut(|payload| unsafe { *payload = generation });
    }

    fn read(&self, generation: u32) {
        // SAFETY: loom checks that no write is concurrent.
        self.payload
            .with(|payload| assert_eq!(unsafe { *payload }, generation));
    }

    fn is_free(&self) -> bool {
        self.header.look().kind() == Kind::Free
    }

    /// As the last holder, uses the block at once: so its free came after all reads.
    fn leave_and_reuse(&self, owner: OwnerIndex, generation: u32) -> bool {
        match self.header.leave(owner, generation) {
            Left::Freed => {
                let next = self.own(owner);
                assert_eq!(self.header.abandon(owner, next), Left::Freed);
                true
            }
            Left::Held | Left::NotOurs => false,
        }
    }
}

#[test]
fn arena_two_holders_leave_and_one_frees() {
    loom::model(|| {
        let (cell, generation) = Cell::shared();
        cell.header
            .join(B, generation, Kind::Shared)
            .expect("A holds");
        let at_b = Arc::clone(&cell);
        let b = thread::spawn(move || {
            at_b.read(generation);
            at_b.leave_and_reuse(B, generation)
        });
        cell.read(generation);
        let freed_by_a = cell.leave_and_reuse(A, generation);
        assert!(freed_by_a ^ b.join().expect("no panic"));
        assert!(cell.is_free());
    });
}

#[test]
fn arena_a_hold_is_passed_on_while_others_leave() {
    loom::model(|| {
        let (cell, generation) = Cell::shared();
        cell.header
            .join(B, generation, Kind::Shared)
            .expect("A holds");
        let at_b = Arc::clone(&cell);
        let b = thread::spawn(move || {
            // B's message to C: B holds until C has joined.
            at_b.header
                .join(C, generation, Kind::Shared)
                .expect("B holds");
            let freed = at_b.leave_and_reuse(B, generation);
            at_b.read(generation);
            freed || at_b.leave_and_reuse(C, generation)
        });
        let freed_by_a = cell.leave_and_reuse(A, generation);
        assert!(freed_by_a ^ b.join().expect("no panic"));
        assert!(cell.is_free());
    });
}

#[test]
fn arena_a_late_join_is_refused_or_holds() {
    // Three forced switches between two threads: seconds instead of a minute, which found
    // nothing more.
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let (cell, generation) = Cell::shared();
        let at_b = Arc::clone(&cell);
        let b = thread::spawn(move || {
            // Nobody keeps a hold for B.
            if at_b.header.join(B, generation, Kind::Shared).is_ok() {
                at_b.read(generation);
                let _ = at_b.leave_and_reuse(B, generation);
            }
        });
        // Frees, perhaps, and shares the block anew under B's eyes.
        if cell.header.leave(A, generation) == Left::Freed {
            if let Some(next) = cell.header.claim(A, 8) {
                cell.write(next);
                assert!(cell.header.publish(A, next, Kind::Shared));
                cell.read(next);
                let _ = cell.leave_and_reuse(A, next);
            }
        }
        b.join().expect("no panic");
        assert!(cell.is_free(), "{:?}", cell.header.look());
    });
}

#[test]
fn arena_regain_excludes_a_late_join() {
    loom::model(|| {
        let (cell, generation) = Cell::shared();
        let at_b = Arc::clone(&cell);
        let b = thread::spawn(move || {
            if at_b.header.join(B, generation, Kind::Shared).is_ok() {
                at_b.read(generation);
                let _ = at_b.leave_and_reuse(B, generation);
            }
        });
        match cell.header.regain(A, generation) {
            Some(next) => {
                cell.write(next);
                assert_eq!(cell.header.abandon(A, next), Left::Freed);
            }
            None => {
                let _ = cell.leave_and_reuse(A, generation);
            }
        }
        b.join().expect("no panic");
        assert!(cell.is_free());
    });
}

#[test]
fn arena_an_offer_is_taken_once() {
    loom::model(|| {
        let cell = Cell::new();
        let generation = cell.own(A);
        assert!(cell.header.offer(A, generation));
        let at_b = Arc::clone(&cell);
        let b = thread::spawn(move || {
            let taken = at_b.header.take(B, generation);
            taken.is_ok_and(|next| {
                at_b.read(generation);
                at_b.write(next);
                at_b.header.abandon(B, next) == Left::Freed
            })
        });
        let taken = cell.header.take(C, generation);
        let at_c = taken.is_ok_and(|next| {
            cell.read(generation);
            cell.write(next);
            cell.header.abandon(C, next) == Left::Freed
        });
        assert!(at_c ^ b.join().expect("no panic"));
        assert!(cell.is_free());
    });
}

/// B joins and leaves, and dies at a step, while A leaves; then B is reclaimed.
#[test]
fn arena_a_holder_dies_at_any_step() {
    for at in 0..8 {
        loom::model(move || {
            let (cell, generation) = Cell::shared();
            let at_b = Arc::clone(&cell);
            let b = thread::spawn(move || {
                let _ = die_at(at, || {
                    if at_b.header.join(B, generation, Kind::Shared).is_ok() {
                        at_b.read(generation);
                        let _ = at_b.header.leave(B, generation);
                    }
                });
            });
            let _ = cell.leave_and_reuse(A, generation);
            b.join().expect("no panic");
            let _ = cell.header.reclaim(B);
            assert!(cell.is_free(), "step {at}: {:?}", cell.header.look());
            cell.own(C);
        });
    }
}

/// B has died at some step; the others leave and pass on while it is reclaimed.
#[test]
fn arena_a_dead_holder_is_reclaimed_while_others_leave() {
    for at in 0..8 {
        loom::model(move || {
            let (cell, generation) = Cell::shared();
            let _ = die_at(at, || {
                let joined = cell.header.join(B, generation, Kind::Shared);
                joined.map(|()| cell.header.leave(B, generation))
            });
            let at_a = Arc::clone(&cell);
            let a = thread::spawn(move || {
                at_a.header
                    .join(C, generation, Kind::Shared)
                    .expect("A holds");
                let _ = at_a.leave_and_reuse(A, generation);
                at_a.read(generation);
                let _ = at_a.leave_and_reuse(C, generation);
            });
            let _ = cell.header.reclaim(B);
            a.join().expect("no panic");
            assert!(cell.is_free(), "step {at}: {:?}", cell.header.look());
            cell.own(C);
        });
    }
}

/// An owner dies between any two steps of claiming, sharing and offering, while another
/// looks for a block.
#[test]
fn arena_an_owner_dies_at_any_step() {
    for at in 0..12 {
        loom::model(move || {
            let cell = Cell::new();
            let at_b = Arc::clone(&cell);
            let b = thread::spawn(move || {
                let _ = die_at(at, || {
                    let Some(generation) = at_b.header.claim(B, 8) else {
                        return;
                    };
                    at_b.write(generation);
                    let _ = at_b.header.offer(B, generation);
                    if let Ok(next) = at_b.header.take(B, generation) {
                        let _ = at_b.header.publish(B, next, Kind::Lent);
                    }
                });
            });
            if let Some(generation) = cell.header.claim(A, 8) {
                cell.write(generation);
                assert_eq!(cell.header.abandon(A, generation), Left::Freed);
            }
            b.join().expect("no panic");
            let _ = cell.header.reclaim(B);
            assert!(cell.is_free(), "step {at}: {:?}", cell.header.look());
            cell.own(C);
        });
    }
}

#[test]
fn arena_an_entry_goes_to_one_and_shows_its_geometry() {
    loom::model(|| {
        let entry = Arc::new(Entry::new());
        let geometry = |blocks| Geometry::new(320, blocks).expect("valid");
        let at_b = Arc::clone(&entry);
        let make = move |entry: &Entry, owner, blocks| {
            let claim = entry.claim(owner, geometry(blocks))?;
            entry.ready(claim)
        };
        let b = thread::spawn(move || make(&at_b, B, 100).is_some());
        let made_by_a = make(&entry, A, 200).is_some();
        let seen = entry.look();
        if seen.kind() == EntryKind::Ready {
            assert!(
                entry.geometry(seen).is_some(),
                "whole, and that of the maker"
            );
        }
        assert!(made_by_a ^ b.join().expect("no panic"));
    });
}

/// An offer is taken or withdrawn, and whoever has the block then has it alone.
#[test]
fn arena_an_offer_is_taken_or_withdrawn() {
    loom::model(|| {
        let cell = Cell::new();
        let generation = cell.own(A);
        assert!(cell.header.offer(A, generation));
        let at_b = Arc::clone(&cell);
        let b = thread::spawn(move || {
            let Ok(taken) = at_b.header.take(B, generation) else {
                return false;
            };
            at_b.read(generation);
            at_b.write(taken);
            assert_eq!(at_b.header.abandon(B, taken), Left::Freed);
            true
        });
        let withdrawn = cell.header.withdraw_offer(A, generation) == Left::Freed;
        if withdrawn {
            let next = cell.own(C);
            assert_eq!(cell.header.abandon(C, next), Left::Freed);
        }
        assert!(withdrawn ^ b.join().expect("no panic"));
        assert!(cell.is_free());
    });
}
