//! The arena, with its directory and its headers written over, and descriptors of any kind.

use std::mem::ManuallyDrop;

use arbitrary::{Arbitrary, Unstructured};
use forkyard_shm::OwnerIndex;
use forkyard_shm::arena::{Arena, Block, BlockMut, Descriptor, Lent, Offer};

use super::machine::Machine;
use super::memory::Scribble;

#[derive(Debug, Arbitrary)]
enum Step {
    Alloc { who: bool, bytes: u32 },
    Freeze,
    Lend,
    Offer,
    DropAlone,
    DropShared,
    Withdraw,
    Regain,
    Resolve { who: bool, named: Named },
    Take { who: bool, named: Named },
    Borrow { who: bool, named: Named },
    Trim { who: bool, keep_bytes: u16 },
    Stats { who: bool },
    Reclaim { dead: u8 },
    Die,
    UnlinkAll,
    OverDirectory(Scribble),
    OverExtent { nth: u8, scribble: Scribble },
}

/// A descriptor: one that was given out, or that with one field changed, or any.
#[derive(Debug, Clone, Arbitrary)]
struct Named {
    nth: u8,
    change: Change,
}

#[derive(Debug, Clone, Arbitrary)]
enum Change {
    None,
    Offset(u64),
    Len(u64),
    Block(u32),
    Generation(u32),
    ExtentGeneration(u8),
    Extent(u16),
    Zero(u16),
    All([u8; 32]),
}

const WORKER: OwnerIndex = OwnerIndex::new(200);

/// Two processes and all that they hold. Fields are dropped in this order.
struct World {
    alone: Vec<BlockMut>,
    shared: Vec<Block>,
    lent: Vec<Lent>,
    offers: Vec<Offer>,
    given_out: Vec<Descriptor>,
    supervisor: Arena,
    worker: Arena,
    machine: Machine,
}

impl World {
    fn new() -> Self {
        let machine = Machine::new();
        Self {
            supervisor: machine.attach(OwnerIndex::SUPERVISOR),
            worker: machine.attach(WORKER),
            machine,
            alone: Vec::new(),
            shared: Vec::new(),
            lent: Vec::new(),
            offers: Vec::new(),
            given_out: Vec::new(),
        }
    }

    fn arena(&self, is_worker: bool) -> &Arena {
        if is_worker {
            &self.worker
        } else {
            &self.supervisor
        }
    }

    fn descriptor(&self, named: &Named) -> Descriptor {
        let count = self.given_out.len();
        let found = self.given_out.get(usize::from(named.nth) % count.max(1));
        let mut descriptor = found.copied().unwrap_or(bytemuck::Zeroable::zeroed());
        match &named.change {
            Change::None => {}
            Change::Offset(offset) => descriptor.offset = *offset,
            Change::Len(len) => descriptor.len = *len,
            Change::Block(block) => descriptor.block = *block,
            Change::Generation(generation) => descriptor.generation = *generation,
            Change::ExtentGeneration(generation) => {
                descriptor.extent_generation = u32::from(*generation);
            }
            Change::Extent(extent) => descriptor.extent = *extent,
            Change::Zero(zero) => descriptor.zero = *zero,
            Change::All(bytes) => descriptor = bytemuck::pod_read_unaligned(bytes),
        }
        descriptor
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Alloc { who, bytes } => {
                if let Ok(mut block) = self.arena(*who).alloc(*bytes as usize % (96 << 10)) {
                    block.fill(1);
                    self.alone.push(block);
                }
            }
            Step::Freeze => {
                if let Some(block) = self.alone.pop() {
                    let block = block.freeze();
                    self.given_out.push(block.descriptor());
                    self.shared.push(block);
                }
            }
            Step::Lend => {
                if let Some(block) = self.alone.pop() {
                    let len = block.len();
                    let lent = block.lend();
                    self.given_out.extend(lent.descriptor_of(0..len));
                    self.lent.push(lent);
                }
            }
            Step::Offer => {
                if let Some(offer) = self.alone.pop().map(BlockMut::offer) {
                    self.given_out.push(offer.descriptor());
                    self.offers.push(offer);
                }
            }
            Step::DropAlone => drop(self.alone.pop()),
            Step::DropShared => drop(self.shared.pop()),
            Step::Withdraw => drop(self.offers.pop()),
            Step::Regain => self.regain(),
            Step::Die => self.worker_dies(),
            other => self.look(other),
        }
    }

    fn regain(&mut self) {
        match self.shared.pop().map(Block::try_into_mut) {
            Some(Ok(block)) => self.alone.push(block),
            Some(Err(block)) => self.shared.push(block),
            None => {}
        }
        match self.lent.pop().map(Lent::regain) {
            Some(Ok(block)) => self.alone.push(block),
            Some(Err(lent)) => self.lent.push(lent),
            None => {}
        }
    }

    /// The worker is killed: nothing is dropped, and the supervisor reclaims.
    fn worker_dies(&mut self) {
        self.worker.disown();
        // SAFETY: the arena of that owner can do nothing any more.
        let _ = unsafe { self.supervisor.reclaim(WORKER) };
        self.worker = self.machine.attach(WORKER);
    }

    fn look(&mut self, step: &Step) {
        match step {
            Step::Resolve { who, named } => {
                if let Ok(block) = self.arena(*who).resolve(&self.descriptor(named)) {
                    read(&block);
                    if self.shared.len() < 16 {
                        self.shared.push(block);
                    }
                }
            }
            Step::Take { who, named } => {
                if let Ok(mut block) = self.arena(*who).take(&self.descriptor(named)) {
                    block.fill(2);
                    self.alone.push(block);
                }
            }
            Step::Borrow { who, named } => {
                let named = self.descriptor(named);
                // SAFETY: the chunk is dropped at once, before there can be another.
                if let Ok(mut chunk) = unsafe { self.arena(*who).borrow(&named) } {
                    chunk.fill(3);
                }
            }
            Step::Trim { who, keep_bytes } => {
                let _ = self.arena(*who).trim(u64::from(*keep_bytes));
            }
            Step::Stats { who } => {
                let stats = self.arena(*who).stats();
                let _ = format!("{stats:?} {:?}", self.supervisor.directory());
            }
            Step::Reclaim { dead } => {
                let dead = OwnerIndex::new(dead % 100 + 1);
                // SAFETY: nobody ever attached under that number.
                let _ = unsafe { self.supervisor.reclaim(dead) };
            }
            Step::UnlinkAll => self.worker.unlink_all(),
            Step::OverDirectory(scribble) => self.machine.over_directory(scribble),
            Step::OverExtent { nth, scribble } => {
                self.machine.over_extent(usize::from(*nth), scribble);
            }
            _ => {}
        }
        for block in &self.shared {
            read(block);
        }
    }
}

/// Reads every byte, for the sanitizer to see.
fn read(block: &Block) {
    let sum = block.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    std::hint::black_box(sum);
}

/// Whole lives of two processes in one arena.
pub(super) fn run(bytes: &[u8]) {
    let mut input = Unstructured::new(bytes);
    let mut world = World::new();
    while !input.is_empty() {
        let Ok(step) = input.arbitrary() else { break };
        world.step(&step);
    }
}

/// Descriptors of any kind against an arena that is sound: what they lead to is what was shared,
/// and no hold is left behind.
pub(super) fn descriptors(bytes: &[u8]) {
    let mut input = Unstructured::new(bytes);
    let mut world = World::new();
    let sizes = [1000, 100, 70_000];
    for bytes in sizes {
        let mut block = world.supervisor.alloc(bytes).expect("room");
        block.fill(5);
        world.alone.push(block);
        world.step(&Step::Freeze);
    }
    let held = ManuallyDrop::new(world.supervisor.alloc(300).expect("room").lend());
    world.given_out.extend(held.descriptor_of(0..300));
    while !input.is_empty() {
        let Ok(named) = input.arbitrary() else { break };
        let descriptor = world.descriptor(&named);
        match world.worker.resolve(&descriptor) {
            Ok(block) => assert!(block.len() <= 70_000 && block.iter().all(|byte| *byte == 5)),
            Err(fault) => assert!(!fault.to_string().is_empty()),
        }
        assert!(world.worker.take(&descriptor).is_err(), "none is on offer");
        // SAFETY: the chunk is dropped at once.
        drop(unsafe { world.worker.borrow(&descriptor) });
    }
    drop(ManuallyDrop::into_inner(held));
    world.shared.clear();
    assert_eq!(world.supervisor.stats().live_blocks, 0, "a hold is left");
}
