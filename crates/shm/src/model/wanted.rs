//! Waiting for a block: no free is slept through, and no death.

use loom::sync::Arc;
use loom::thread;

use super::explore;
use super::futex::Futex;
use crate::OwnerIndex;
use crate::arena::header::{BlockHeader, Left};
use crate::arena::wanted::Wanted;
use crate::steps::armed::die_at;

const A: OwnerIndex = OwnerIndex::new(0);
const B: OwnerIndex = OwnerIndex::new(70);
const C: OwnerIndex = OwnerIndex::new(130);

/// An arena of two blocks, both in use.
struct House {
    blocks: [BlockHeader; 2],
    wanted: Wanted,
    futex: Futex,
}

impl House {
    fn new() -> (Arc<Self>, [u32; 2]) {
        let blocks = [BlockHeader::new(), BlockHeader::new()];
        let generations = [0, 1].map(|at: usize| blocks[at].claim(B, 8).expect("free"));
        let house = Self {
            blocks,
            wanted: Wanted::default(),
            futex: Futex::default(),
        };
        (Arc::new(house), generations)
    }

    /// Waits as `Arena::alloc_within` does.
    fn wait(&self, owner: OwnerIndex) -> usize {
        loop {
            let seen = self.wanted.want();
            self.blocks.iter().for_each(BlockHeader::touch);
            let found = self
                .blocks
                .iter()
                .position(|block| block.claim(owner, 8).is_some());
            if let Some(found) = found {
                return found;
            }
            self.wanted.sleep(seen, None, &self.futex);
        }
    }

    fn free(&self, at: usize, generation: u32) {
        assert_eq!(self.blocks[at].abandon(B, generation), Left::Freed);
        self.wanted.ring_if_wanted(&self.futex);
    }
}

#[test]
fn wanted_a_free_wakes_who_waits() {
    explore(None, || {
        let (house, generations) = House::new();
        let at_b = Arc::clone(&house);
        let b = thread::spawn(move || at_b.free(1, generations[1]));
        assert_eq!(house.wait(A), 1);
        b.join().expect("no panic");
    });
}

#[test]
fn wanted_two_frees_serve_two_who_wait() {
    explore(2, || {
        let (house, generations) = House::new();
        let waiting = Arc::clone(&house);
        let c = thread::spawn(move || waiting.wait(C));
        let at_b = Arc::clone(&house);
        let b = thread::spawn(move || {
            at_b.free(0, generations[0]);
            at_b.free(1, generations[1]);
        });
        let found = house.wait(A);
        assert_ne!(found, c.join().expect("no panic"));
        b.join().expect("no panic");
    });
}

/// Who frees dies on the way to the bell: whoever buries it rings.
#[test]
fn wanted_a_dead_freers_wake_is_made_up_for() {
    for at in 0..5 {
        explore(3, move || {
            let (house, generations) = House::new();
            let at_b = Arc::clone(&house);
            let b = thread::spawn(move || {
                let _ = die_at(at, || at_b.free(1, generations[1]));
                for block in &at_b.blocks {
                    let _ = block.reclaim(B);
                }
                at_b.wanted.ring_for_the_dead(&at_b.futex);
            });
            let _ = house.wait(A);
            b.join().expect("no panic");
        });
    }
}
