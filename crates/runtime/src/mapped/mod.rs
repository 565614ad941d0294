//! Where the operating system's mappings become the structures of `forkyard-shm`: the one
//! place, besides the trampoline, that vouches for memory. Here the control segment and the
//! arena; `laid` has shared state.

#![expect(
    unsafe_code,
    reason = "each structure is laid over a mapping whose size and lifetime are argued here"
)]

mod early;
mod laid;

use std::num::NonZeroUsize;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use forkyard_os::process::{Birth, Environment, Pid};
use forkyard_os::segment::{self, Extent, Segment, SegmentError, SegmentName, SegmentView, unlink};
use forkyard_shm::arena::{
    Advice, Arena, Chunk, Descriptor, Directory, ExtentError, ExtentId, Extents, Fault, Mapped,
    Reclaimed,
};
use forkyard_shm::control::{AttachError, Control, Identity};
use forkyard_shm::lane::{SupervisorLane, WorkerLane};
use forkyard_shm::layout::Shape;
use forkyard_shm::look::Onlooker;
use forkyard_shm::{OwnerIndex, Park};

use crate::bootstrap::unlink_all;
use crate::start::OsPark;
pub(crate) use early::keep_before_main;
pub(crate) use laid::{Laid, MeetError, bytes as laid_bytes};

/// Lays a new control segment out.
fn create_control(segment: &Segment, shape: Shape, identity: Identity) -> Control {
    assert!(
        segment.len() >= shape.bytes(),
        "the segment was made for the shape"
    );
    // SAFETY: the segment maps at least `shape.bytes()` bytes, page-aligned, read-write, all
    // zero, under a name that nobody knows yet; the pool's core keeps it as long as it
    // keeps the control.
    unsafe { Control::create(segment.as_ptr(), shape, identity) }
}

/// Attaches to a control segment that the supervisor laid out.
pub(crate) fn attach_control(segment: &Segment) -> Result<Control, AttachError> {
    // SAFETY: the segment maps `len` bytes, page-aligned and read-write, and is kept in the
    // attachment for the rest of the process.
    unsafe { Control::attach(segment.as_ptr(), segment.len()) }
}

/// Looks on at a control segment that is somebody else's.
pub(crate) fn look_on(view: &SegmentView) -> Result<Onlooker, AttachError> {
    // SAFETY: the view maps `len` bytes, page-aligned, for reading, and is kept beside the
    // onlooker.
    unsafe { Onlooker::attach(view.as_ptr(), view.len()) }
}

/// A pool's shared memory, as its supervisor holds it: when the last that uses it is gone,
/// so are its names.
#[derive(Debug)]
pub(crate) struct PoolMemory {
    segment: Segment,
    control: Control,
    creator: Pid,
}

impl PoolMemory {
    /// Makes a pool's control segment.
    pub(crate) fn create(shape: Shape, identity: Identity) -> Result<Self, SegmentError> {
        let bytes = NonZeroUsize::new(shape.bytes()).unwrap_or(NonZeroUsize::MIN);
        let segment = Segment::create_fresh(bytes)?;
        let control = create_control(&segment, shape, identity);
        Ok(Self {
            segment,
            control,
            creator: Pid::current(),
        })
    }

    pub(crate) fn control(&self) -> &Control {
        &self.control
    }

    pub(crate) fn name(&self) -> &SegmentName {
        self.segment.name()
    }

    /// Takes the names away; what is mapped stays.
    pub(crate) fn unlink(&self) {
        if self.creator == Pid::current() {
            unlink_all(self.name(), &self.control);
        }
    }
}

impl Drop for PoolMemory {
    fn drop(&mut self) {
        self.unlink();
    }
}

/// The supervisor's end of a worker's lane. Called once per seat.
pub(crate) fn supervisor_lane(control: &Control, index: usize) -> SupervisorLane {
    // SAFETY: `lane` points to `slots` slots inside the control segment, which the pool's
    // core keeps as long as its seats; they are zero at first, and each seat makes one end.
    unsafe {
        let slots = control.shape().slots as usize;
        SupervisorLane::new(control.lane_head(index), control.lane(index), slots)
    }
}

/// The worker's end of its lane. Called once per worker process.
pub(crate) fn worker_lane(control: &Control, index: usize) -> WorkerLane {
    // SAFETY: as for the supervisor's end; a seat has one worker process at a time.
    unsafe {
        let slots = control.shape().slots as usize;
        WorkerLane::new(control.lane_head(index), control.lane(index), slots)
    }
}

/// The arena's directory.
pub(crate) fn directory(control: &Control) -> &Directory {
    // SAFETY: inside the control segment, which outlives `control`'s borrow; all atomics.
    unsafe { control.directory().as_ref() }
}

/// Joins the arena as `owner`. Called once per process and pool.
pub(crate) fn attach_arena(control: &Control, name: &SegmentName, owner: OwnerIndex) -> Arena {
    let extents = OsExtents {
        name: name.clone(),
        birth: Birth::here(),
    };
    let park = PoolPark { control: *control };
    // SAFETY: the directory lies in the control segment, which pool and worker keep mapped
    // until their arena was dropped; every process derives the same names from the pool's; a seat
    // has one process at a time, whose blocks are reclaimed before the next, and the
    // supervisor's index is nobody else's.
    unsafe { Arena::attach(control.directory(), owner, extents, park) }
}

/// A part of a block that its owner has lent out, to write into.
pub(crate) fn borrow_part(arena: &Arena, named: &Descriptor) -> Result<Chunk, Fault> {
    // SAFETY: a worker opens the part that its task was handed by the supervisor, which cuts a
    // block into parts that do not overlap, hands each to one task, and does not send a task again
    // before the process that had it is gone.
    unsafe { arena.borrow(named) }
}

/// Gives back what a dead worker had in the arena.
pub(crate) fn reclaim(arena: &Arena, dead: OwnerIndex) -> Reclaimed {
    // SAFETY: called from `on_exit` only: the process was reaped, and the next one of its
    // seat is started afterwards.
    unsafe { arena.reclaim(dead) }
}

/// Names of extents: 256 entries, and enough generations that the name of one long gone is
/// not met again by a process that is slow.
const GENERATIONS: u32 = 181;

/// The operating system's name of an extent.
pub(crate) fn extent_name(pool: &SegmentName, id: ExtentId) -> SegmentName {
    // 181 × 256 + 255 < 46,656, the number of children that a name has.
    let child = (id.generation % GENERATIONS) * 256 + u32::from(id.index % 256);
    pool.child(child as u16)
}

#[derive(Debug)]
struct OsExtents {
    name: SegmentName,
    birth: Birth,
}

// SAFETY: `Extent` maps exactly `len` page-aligned, zero-filled bytes whose room is reserved
// (`create`), refuses shorter objects (`open`), and unmaps only when dropped, which `Mapped`
// does last. No process shortens an extent; `unlink` takes only the name.
unsafe impl Extents for OsExtents {
    fn create(
        &self,
        id: ExtentId,
        bytes: NonZeroUsize,
        advice: Advice,
    ) -> Result<Mapped, ExtentError> {
        let name = extent_name(&self.name, id);
        let create = || Extent::create(&name, bytes, wishes(advice));
        let extent = match create() {
            Err(SegmentError::AlreadyExists { .. }) => unlink(&name).and_then(|_| create()),
            other => other,
        };
        extent
            .map(|extent| Mapped::new(extent.as_ptr(), extent))
            .map_err(|error| translate(id, error))
    }

    fn open(
        &self,
        id: ExtentId,
        bytes: NonZeroUsize,
        advice: Advice,
    ) -> Result<Mapped, ExtentError> {
        Extent::open(&extent_name(&self.name, id), bytes, wishes(advice))
            .map(|extent| Mapped::new(extent.as_ptr(), extent))
            .map_err(|error| translate(id, error))
    }

    fn unlink(&self, id: ExtentId) {
        let _ = unlink(&extent_name(&self.name, id));
    }

    #[inline]
    fn is_inherited(&self) -> bool {
        !self.birth.is_here()
    }
}

fn wishes(advice: Advice) -> segment::Advice {
    segment::Advice {
        huge_pages: advice.huge_pages,
        prefault: advice.prefault,
    }
}

/// Wakes who waits for memory: whoever sleeps on the arena's word, and the supervisor, which
/// sleeps at its doorbell. The arena calls it only while it lives, and the control segment
/// is mapped for longer.
#[derive(Debug)]
struct PoolPark {
    control: Control,
}

impl Park for PoolPark {
    fn park(&self, word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
        OsPark.park(word, expected, timeout);
    }

    fn unpark(&self, word: &AtomicU32) {
        OsPark.unpark(word);
        self.control.header().doorbell.0.ring(&OsPark);
    }

    fn unpark_all(&self, word: &AtomicU32) {
        OsPark.unpark_all(word);
        self.control.header().doorbell.0.ring(&OsPark);
    }
}

fn translate(id: ExtentId, error: SegmentError) -> ExtentError {
    match error {
        SegmentError::Full {
            wanted,
            free,
            limit,
        } => ExtentError::Full {
            wanted,
            free,
            limit,
        },
        SegmentError::Missing { .. } | SegmentError::TooSmall { .. } => ExtentError::Gone { id },
        other => ExtentError::System {
            id,
            source: Box::new(other),
        },
    }
}

/// Takes a variable out of this process's environment.
pub(crate) fn remove_variable(name: &str) {
    // SAFETY: called by `init`, which asks to be the first line of `main`, before threads. Where it
    // is not, as under `#[tokio::main]`, std's own readers of the environment still take the lock
    // that this takes. What must not run meanwhile is C code of another thread that reads it, and
    // the threads of a runtime that has nothing to do yet run none.
    unsafe { std::env::remove_var(name) }
}

/// Gives this process the environment that its workers are to have.
pub(crate) fn become_environment(environment: &Environment) {
    // SAFETY: called by a zygote before it forks its first worker. One that was forked, from a
    // process of one thread, has started none. One that was executed was given its environment
    // then: nothing is changed here.
    unsafe { environment.apply_here() }
}
