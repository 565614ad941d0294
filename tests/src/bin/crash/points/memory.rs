//! Shared memory under the trials: anonymous, so that a fork has it too and nothing is left.
//!
//! The one file of this program with `unsafe`: it vouches for what is laid over the memory.
#![expect(
    unsafe_code,
    reason = "structures are laid over mappings, in the stead of the runtime's mapped.rs"
)]

use std::num::NonZeroUsize;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

use forkyard_os::process::kill_self;
use forkyard_os::segment::{self, Extent, SegmentError, SegmentName, unlink};
use forkyard_shm::arena::{
    Advice, Arena, BlockMut, Chunk, Common, Descriptor, ExtentError, ExtentId, Extents, Fault,
    Mapped, Reclaimed,
};
use forkyard_shm::control::{AttachError, Control, Identity};
use forkyard_shm::first::ResultSlot;
use forkyard_shm::lane::{SupervisorLane, WorkerLane};
use forkyard_shm::layout::Shape;
use forkyard_shm::state::Place;
use forkyard_shm::{OwnerIndex, Park, Round, crash};

/// Zeroed memory that this process and its forks share, and nobody else can have.
pub(crate) struct Memory(Extent);

impl Memory {
    pub(crate) fn new(bytes: usize) -> Self {
        let name = SegmentName::fresh().expect("a name");
        let bytes = NonZeroUsize::new(bytes).expect("some bytes");
        let extent =
            Extent::create(&name, bytes, segment::Advice::default()).expect("shared memory");
        unlink(&name).expect("its name can be taken away");
        Self(extent)
    }

    /// For shared state. A trial takes the same things from each place of the same memory.
    pub(crate) fn place(&self) -> Place<'_> {
        // SAFETY: mapped for as long as the place; see above.
        unsafe { Place::attach(self.0.as_ptr(), self.0.len()) }
    }

    /// The same, made zero.
    pub(crate) fn zeroed_place(&self) -> Place<'_> {
        // SAFETY: as in `place`; its caller is the only one that has it then.
        unsafe { Place::zeroed(self.0.as_ptr(), self.0.len()) }
    }

    /// As words that every process may write.
    pub(crate) fn words(&self) -> &[AtomicU64] {
        let count = self.0.len() / size_of::<AtomicU64>();
        // SAFETY: mapped as long as `self`, aligned to a page, `count` words long; any bits are
        // a value. Memory of which this is asked is used in no other way.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast().as_ptr(), count) }
    }

    /// Lays a control segment out.
    pub(crate) fn create_control(&self, shape: Shape, identity: Identity) -> Control {
        assert!(shape.bytes() <= self.0.len());
        // SAFETY: long enough, page-aligned, zero but for a creation cut short, and its users
        // keep the memory.
        unsafe { Control::create(self.0.as_ptr(), shape, identity) }
    }

    /// Attaches to it.
    pub(crate) fn attach_control(&self) -> Result<Control, AttachError> {
        // SAFETY: mapped read-write in its whole length, and its users keep the memory.
        unsafe { Control::attach(self.0.as_ptr(), self.0.len()) }
    }
}

/// The supervisor's end of lane 0. One process of a trial uses one.
pub(crate) fn supervisor_lane(control: &Control) -> SupervisorLane {
    // SAFETY: inside the control segment, whose board outlives the trial's use of it; the
    // copies that forks make are not used together.
    unsafe {
        let slots = control.shape().slots as usize;
        SupervisorLane::new(control.lane_head(0), control.lane(0), slots)
    }
}

/// The worker's end of lane 0. One process of a trial at a time uses one.
pub(crate) fn worker_lane(control: &Control) -> WorkerLane {
    // SAFETY: as for the supervisor's end.
    unsafe {
        let slots = control.shape().slots as usize;
        WorkerLane::new(control.lane_head(0), control.lane(0), slots)
    }
}

/// Publishes what `owner` has claimed.
pub(crate) fn publish(slot: &ResultSlot, round: Round, owner: OwnerIndex, bytes: &[u8]) {
    assert_eq!(slot.claimant(), Some(owner));
    // SAFETY: it has the claim, and publishes once.
    assert!(unsafe { slot.publish(round, owner, bytes, false) });
}

/// Joins the arena of a control segment.
pub(crate) fn attach_arena(
    control: &Control,
    objects: Objects,
    owner: OwnerIndex,
    park: impl Park + Send + Sync + 'static,
) -> Arena {
    // SAFETY: the directory is in the control segment, which outlives the trial's arenas; all
    // have the same names; a trial gives an owner to one process at a time.
    unsafe { Arena::attach(control.directory(), owner, objects, park) }
}

/// The bytes of a block, made zero for what is to be common.
pub(crate) fn zeroed_in(block: &mut BlockMut) -> Place<'_> {
    let len = block.len();
    let bytes = NonNull::from(&mut block[..]).cast();
    // SAFETY: mapped as long as the block, whose only handle this is; who is told of it later
    // reaches it by `place_in`.
    unsafe { Place::zeroed(bytes, len) }
}

/// The same bytes, when they are common.
pub(crate) fn place_in(block: &Common) -> Place<'_> {
    // SAFETY: mapped as long as the handle; all who have one take the same from its place.
    unsafe { Place::attach(block.as_ptr(), block.len()) }
}

/// Takes back what an owner had.
pub(crate) fn reclaim(arena: &Arena, dead: OwnerIndex) -> Reclaimed {
    // SAFETY: trials call this after they have reaped it.
    unsafe { arena.reclaim(dead) }
}

/// Borrows a part of a block.
pub(crate) fn borrow(arena: &Arena, named: &Descriptor) -> Result<Chunk, Fault> {
    // SAFETY: a trial has one borrower.
    unsafe { arena.borrow(named) }
}

/// Extents as the system has them. What the system itself does between the name and the room is
/// out of reach; its worst is tried instead: an object of that name that is too short.
#[derive(Debug, Clone)]
pub(crate) struct Objects {
    pub(crate) name: SegmentName,
    /// Dies when it has made half an object.
    pub(crate) dies_creating: bool,
}

impl Objects {
    fn of(&self, id: ExtentId) -> SegmentName {
        let number = (id.generation * 256 + u32::from(id.index)) % 46_656;
        self.name.child(number as u16)
    }
}

// SAFETY: `Extent` maps exactly the bytes asked for, page-aligned and zero (`create`), refuses
// shorter objects (`open`) and unmaps when dropped, which `Mapped` does last.
unsafe impl Extents for Objects {
    fn create(&self, id: ExtentId, bytes: NonZeroUsize, _: Advice) -> Result<Mapped, ExtentError> {
        let name = self.of(id);
        let half = NonZeroUsize::new(4096).expect("a page");
        let short = Extent::create(&name, half, segment::Advice::default())
            .map_err(|error| told(id, error))?;
        if self.dies_creating {
            kill_self();
        }
        crash::step();
        drop(short);
        let _ = unlink(&name);
        crash::step();
        let extent = Extent::create(&name, bytes, segment::Advice::default())
            .map_err(|error| told(id, error))?;
        Ok(Mapped::new(extent.as_ptr(), extent))
    }

    fn open(&self, id: ExtentId, bytes: NonZeroUsize, _: Advice) -> Result<Mapped, ExtentError> {
        let extent = Extent::open(&self.of(id), bytes, segment::Advice::default())
            .map_err(|error| told(id, error))?;
        Ok(Mapped::new(extent.as_ptr(), extent))
    }

    fn unlink(&self, id: ExtentId) {
        let _ = unlink(&self.of(id));
    }
}

fn told(id: ExtentId, error: SegmentError) -> ExtentError {
    match error {
        SegmentError::Missing { .. } | SegmentError::TooSmall { .. } => ExtentError::Gone { id },
        other => ExtentError::System {
            id,
            source: Box::new(other),
        },
    }
}
