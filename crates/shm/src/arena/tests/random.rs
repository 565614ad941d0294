//! Long random histories of several processes, against what each handle must read.

use std::sync::Arc;

use super::double::{Machine, Rng};
use crate::OwnerIndex;
use crate::arena::{Arena, Block, BlockMut, Descriptor, Offer};

const PROCESSES: usize = 4;

/// A process with its handles, each with the byte that it must read everywhere.
struct Process {
    arena: Arc<Arena>,
    alone: Vec<(BlockMut, u8)>,
    shared: Vec<(Block, u8)>,
}

struct World {
    machine: Machine,
    processes: Vec<Process>,
    /// Offered and not taken yet: by whom, what, and its byte.
    offers: Vec<(usize, Offer, u8)>,
    rng: Rng,
}

fn swap_take<T>(from: &mut Vec<T>, rng: &mut Rng) -> Option<T> {
    (!from.is_empty()).then(|| {
        let at = rng.below(from.len());
        from.swap_remove(at)
    })
}

impl World {
    fn new(seed: u64) -> Self {
        let machine = Machine::new();
        let processes = (0..PROCESSES).map(|owner| Process {
            // Far apart, so that all four words of holders are used.
            arena: machine.start(owner as u8 * 70),
            alone: Vec::new(),
            shared: Vec::new(),
        });
        Self {
            processes: processes.collect(),
            machine,
            offers: Vec::new(),
            rng: Rng(seed),
        }
    }

    fn step(&mut self) {
        let who = self.rng.below(PROCESSES);
        let rng = &mut self.rng;
        let me = &mut self.processes[who];
        match rng.below(100) {
            0..30 => {
                let bytes = match rng.below(20) {
                    0 => rng.below(400_000),
                    1..4 => rng.below(20_000),
                    _ => rng.below(1500),
                };
                let mut block = me.arena.alloc(bytes).unwrap();
                let byte = rng.next() as u8;
                block.fill(byte);
                me.alone.push((block, byte));
            }
            30..45 => {
                if let Some((block, byte)) = swap_take(&mut me.alone, rng) {
                    me.shared.push((block.freeze(), byte));
                }
            }
            45..60 => self.share(who),
            60..75 => drop(swap_take(&mut me.shared, rng)),
            75..82 => drop(swap_take(&mut me.alone, rng)),
            82..86 => {
                if let Some((block, byte)) = swap_take(&mut me.alone, rng) {
                    self.offers.push((who, block.offer(), byte));
                }
            }
            86..88 => drop(swap_take(&mut self.offers, rng)),
            88..91 => {
                if let Some((_, offer, byte)) = swap_take(&mut self.offers, rng) {
                    let block = me.arena.take(&offer.descriptor()).unwrap();
                    me.alone.push((block, byte));
                }
            }
            91..96 => {
                if let Some((block, byte)) = swap_take(&mut me.shared, rng) {
                    match block.try_into_mut() {
                        // The whole block: a slice becomes what it was cut from.
                        Ok(block) => me.alone.push((block, byte)),
                        Err(block) => me.shared.push((block, byte)),
                    }
                }
            }
            96..98 => drop(me.arena.trim(1 << 20)),
            _ if who != 0 => self.kill(who),
            _ => self.check(),
        }
    }

    fn share(&mut self, from: usize) {
        let to = self.rng.below(PROCESSES);
        let count = self.processes[from].shared.len();
        if count == 0 {
            return;
        }
        let (block, byte) = &self.processes[from].shared[self.rng.below(count)];
        let end = self.rng.below(block.len() + 1);
        let start = self.rng.below(end + 1);
        let named = block.descriptor_of(start..end).unwrap();
        let (seen, byte) = (self.processes[to].arena.resolve(&named).unwrap(), *byte);
        self.processes[to].shared.push((seen, byte));
    }

    fn kill(&mut self, who: usize) {
        let owner = OwnerIndex::new(who as u8 * 70);
        let me = &mut self.processes[who];
        me.arena.disown();
        me.alone.clear();
        me.shared.clear();
        // SAFETY: it dropped all that it had, without a trace in shared memory: it is dead.
        let _ = unsafe { self.processes[0].arena.reclaim(owner) };
        self.processes[who].arena = self.machine.start(owner.get());
        let arena = &self.processes[0].arena;
        self.offers.retain(|(by, offer, _)| {
            *by != who || {
                assert!(
                    arena.take(&offer.descriptor()).is_err(),
                    "the offer died with its owner"
                );
                false
            }
        });
    }

    fn check(&self) {
        let mut live = std::collections::HashSet::new();
        let name = |d: Descriptor| (d.extent, d.extent_generation, d.block);
        for process in &self.processes {
            for (block, byte) in &process.alone {
                assert!(block.iter().all(|found| found == byte));
            }
            for (block, byte) in &process.shared {
                assert!(block.iter().all(|found| found == byte));
                live.insert(name(block.descriptor()));
            }
        }
        let alone: usize = self.processes.iter().map(|p| p.alone.len()).sum();
        let expected = live.len() + alone + self.offers.len();
        let stats = self.processes[0].arena.stats();
        assert_eq!(
            (stats.live_blocks, stats.extents_unreadable),
            (expected as u64, 0)
        );
    }
}

#[test]
fn arena_random_histories_keep_every_byte() {
    for seed in 0..15 {
        let mut world = World::new(seed);
        for step in 0..1500 {
            world.step();
            if step % 50 == 0 {
                world.check();
            }
        }
        world.check();
        for (_, offer, _) in std::mem::take(&mut world.offers) {
            drop(world.processes[1].arena.take(&offer.descriptor()).unwrap());
        }
        for process in &mut world.processes {
            process.alone.clear();
            process.shared.clear();
        }
        world.check();
        let supervisor = Arc::clone(&world.processes[0].arena);
        supervisor.trim(0);
        world
            .processes
            .iter()
            .for_each(|process| process.arena.unmap_retired());
        let objects = &world.machine.objects;
        assert_eq!(
            (objects.linked(), objects.allocated_bytes()),
            (0, 0),
            "seed {seed}"
        );
    }
}
