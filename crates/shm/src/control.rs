//! The control segment, mapped: making it, attaching to it, reaching its parts.

use core::mem::size_of;
use core::ptr::NonNull;

use crate::arena::Directory;
use crate::first::ResultSlot;
use crate::lane::{LaneHead, Slot};
use crate::layout::{
    DIRECTORY_AT, Header, LAYOUT_HASH, MAGIC, RESULT_AT, Shape, VERSION, WORKERS_AT, WorkerPage,
};
use crate::steps::step;
use crate::sync::{AtomicU32, Ordering, fence};

/// What a supervisor writes into the header, and a worker checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The supervisor's process id.
    pub supervisor_pid: u32,
    /// When it was started, in the system's own unit: tells a reused pid from the same one.
    pub supervisor_start: u64,
    /// The identity of the executable.
    pub exe_hash: u64,
    /// What the supervisor's ticks count; a number that only `forkyard-os` understands.
    pub clock: u64,
}

/// Why a segment is not attached to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AttachError {
    /// Shorter than any control segment.
    #[error("the segment has {have} bytes, a control segment needs {need}")]
    TooShort {
        /// Bytes mapped.
        have: usize,
        /// Bytes needed.
        need: usize,
    },
    /// Something else's memory.
    #[error("the segment does not begin with forkyard's magic number")]
    Magic,
    /// The supervisor has not finished it.
    #[error("the segment is not ready: its supervisor has not written the version yet")]
    NotReady,
    /// Another version of forkyard.
    #[error("the segment has layout version {0}, this build has {VERSION}; rebuild both sides")]
    Version(u32),
    /// Another build, same version.
    #[error("the segment's layout hash differs from this build's; rebuild both sides")]
    Layout,
    /// The header contradicts itself.
    #[error("the segment's header contradicts itself: {0}")]
    Shape(&'static str),
}

/// A mapped control segment.
#[derive(Debug, Clone, Copy)]
pub struct Control {
    base: NonNull<u8>,
    shape: Shape,
}

// SAFETY: a pointer to memory that is shared between processes; everything reached through
// `&self` is atomic or guarded by its own protocol.
unsafe impl Send for Control {}
// SAFETY: as above.
unsafe impl Sync for Control {}

impl Control {
    /// Makes `base` a control segment; the version is written last.
    ///
    /// # Safety
    /// `base` points to `shape.bytes()` zeroed bytes, page-aligned, mapped read-write for as
    /// long as the value or a copy is used, that no other process looks at before.
    ///
    /// # Panics
    /// If `shape.slots` is not a power of two.
    #[must_use]
    pub unsafe fn create(base: NonNull<u8>, shape: Shape, identity: Identity) -> Self {
        assert!(shape.slots.is_power_of_two());
        let control = Self { base, shape };
        let header = control.header();
        step();
        header.magic.store(MAGIC, Ordering::Relaxed);
        step();
        header.layout_hash.store(LAYOUT_HASH, Ordering::Relaxed);
        step();
        header.workers.store(shape.workers, Ordering::Relaxed);
        step();
        header.slots.store(shape.slots, Ordering::Relaxed);
        step();
        header
            .supervisor_pid
            .store(identity.supervisor_pid, Ordering::Relaxed);
        step();
        header
            .supervisor_start
            .store(identity.supervisor_start, Ordering::Relaxed);
        step();
        header.exe_hash.store(identity.exe_hash, Ordering::Relaxed);
        step();
        header.clock.store(identity.clock, Ordering::Relaxed);
        step();
        header
            .total_bytes
            .store(shape.bytes() as u64, Ordering::Relaxed);
        step();
        header.awake.0.store(1, Ordering::Relaxed);
        step();
        // Release: whoever sees the version sees all of the above.
        header.version.store(VERSION, Ordering::Release);
        control
    }

    /// Attaches to a segment that another process made, checking everything.
    ///
    /// # Safety
    /// `base` points to `len` bytes, page-aligned, mapped read-write for as long as the value
    /// or a copy is used. (Attaching itself reads only.)
    ///
    /// # Errors
    /// [`AttachError`], by name.
    pub unsafe fn attach(base: NonNull<u8>, len: usize) -> Result<Self, AttachError> {
        let need = Shape {
            workers: 1,
            slots: 1,
        };
        if len < need.bytes() {
            return Err(AttachError::TooShort {
                have: len,
                need: need.bytes(),
            });
        }
        let control = Self { base, shape: need };
        let header = control.header();
        // A relaxed load, because it is the only one that an onlooker's mapping is sure to allow.
        let version = header.version.load(Ordering::Relaxed);
        // Acquire pairs with the Release of the version in `create`.
        fence(Ordering::Acquire);
        if header.magic.load(Ordering::Relaxed) != MAGIC {
            return Err(if version == 0 {
                AttachError::NotReady
            } else {
                AttachError::Magic
            });
        }
        match version {
            0 => return Err(AttachError::NotReady),
            VERSION => {}
            other => return Err(AttachError::Version(other)),
        }
        if header.layout_hash.load(Ordering::Relaxed) != LAYOUT_HASH {
            return Err(AttachError::Layout);
        }
        let shape = Shape {
            workers: header.workers.load(Ordering::Relaxed),
            slots: header.slots.load(Ordering::Relaxed),
        };
        if shape.workers == 0 || shape.workers as usize > crate::MAX_WORKERS {
            return Err(AttachError::Shape("number of workers"));
        }
        if !shape.slots.is_power_of_two() || shape.slots > 1 << 20 {
            return Err(AttachError::Shape("slots per lane"));
        }
        if shape.bytes() > len || header.total_bytes.load(Ordering::Relaxed) != shape.bytes() as u64
        {
            return Err(AttachError::Shape("total size"));
        }
        Ok(Self { base, shape })
    }

    /// What the segment was made for.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Who made it.
    #[must_use]
    pub fn identity(&self) -> Identity {
        let header = self.header();
        Identity {
            supervisor_pid: header.supervisor_pid.load(Ordering::Relaxed),
            supervisor_start: header.supervisor_start.load(Ordering::Relaxed),
            exe_hash: header.exe_hash.load(Ordering::Relaxed),
            clock: header.clock.load(Ordering::Relaxed),
        }
    }

    /// The header.
    #[must_use]
    pub fn header(&self) -> &Header {
        // SAFETY: the constructors' callers vouch for the mapping; Header is at its start,
        // and all its fields are atomic.
        unsafe { self.base.cast::<Header>().as_ref() }
    }

    /// The result slot.
    #[must_use]
    pub fn result(&self) -> &ResultSlot {
        // SAFETY: inside the mapping by the assertions above; guarded by its own protocol.
        unsafe { self.base.add(RESULT_AT).cast::<ResultSlot>().as_ref() }
    }

    /// The arena's directory.
    #[must_use]
    pub fn directory(&self) -> NonNull<Directory> {
        // SAFETY: inside the mapping by the assertions above.
        unsafe { self.base.add(DIRECTORY_AT) }.cast()
    }

    /// The page of worker `index`.
    ///
    /// # Panics
    /// If there is no such worker.
    #[must_use]
    pub fn page(&self, index: usize) -> &WorkerPage {
        // SAFETY: inside the mapping, since the index was checked; all its fields are atomic.
        unsafe { self.area(index).cast::<WorkerPage>().as_ref() }
    }

    /// The slots of the lane of worker `index`; `shape().slots` of them.
    ///
    /// # Panics
    /// If there is no such worker.
    #[must_use]
    pub fn lane(&self, index: usize) -> NonNull<Slot> {
        // SAFETY: inside the mapping, since the index was checked.
        unsafe { self.area(index).add(size_of::<WorkerPage>()) }.cast()
    }

    /// What the lane of worker `index` has besides its slots.
    ///
    /// # Panics
    /// If there is no such worker.
    #[must_use]
    pub fn lane_head(&self, index: usize) -> NonNull<LaneHead> {
        NonNull::from(&self.page(index).lane)
    }

    /// The result word of the slot at `position` of the lane of worker `index`.
    ///
    /// # Panics
    /// If there is no such worker.
    #[must_use]
    pub fn result_word(&self, index: usize, position: u64) -> &AtomicU32 {
        let slot = position as usize & (self.shape.slots as usize - 1);
        // SAFETY: the lane has `slots` slots, a power of two; a slot's words are atomic.
        unsafe { self.lane(index).add(slot).as_ref() }.result_word()
    }

    fn area(&self, index: usize) -> NonNull<u8> {
        assert!(
            index < self.shape.workers as usize,
            "the segment has {} workers, not a worker {index}",
            self.shape.workers
        );
        // SAFETY: inside the mapping: `bytes()` counts `workers` strides from WORKERS_AT.
        unsafe { self.base.add(WORKERS_AT + index * self.shape.stride()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::mem::offset_of;
    use std::alloc::{Layout, alloc_zeroed, dealloc};

    const SHAPE: Shape = Shape {
        workers: 2,
        slots: 4,
    };
    const IDENTITY: Identity = Identity {
        supervisor_pid: 11,
        supervisor_start: 22,
        exe_hash: 33,
        clock: 44,
    };

    /// What is attached to when `change` was made to a sound segment, of which `len` bytes are
    /// mapped.
    fn attached(len: usize, change: impl FnOnce(*mut u8)) -> Result<Control, AttachError> {
        let layout = Layout::from_size_align(SHAPE.bytes(), crate::layout::PAGE).expect("small");
        // SAFETY: the layout has a size.
        let base = NonNull::new(unsafe { alloc_zeroed(layout) }).expect("memory");
        // SAFETY: zero, page-aligned and as long as the shape says; freed last. What is returned
        // is compared, and never used to reach the memory.
        unsafe {
            let made = Control::create(base, SHAPE, IDENTITY);
            assert_eq!(made.identity(), IDENTITY);
            change(base.as_ptr());
            let attached = Control::attach(base, len);
            if let Ok(control) = &attached {
                assert_eq!((control.shape(), control.identity()), (SHAPE, IDENTITY));
            }
            dealloc(base.as_ptr(), layout);
            attached
        }
    }

    /// The refusal when one field of the header is another.
    fn refusal<const N: usize>(at: usize, bytes: [u8; N]) -> AttachError {
        let attached = attached(SHAPE.bytes(), |base| {
            // SAFETY: inside of the header.
            unsafe { base.add(at).cast::<[u8; N]>().write(bytes) };
        });
        attached.expect_err("the field is looked at")
    }

    #[test]
    fn case_46_each_field_that_differs_is_refused_by_name() {
        assert!(attached(SHAPE.bytes(), |_| ()).is_ok());
        let magic = refusal(offset_of!(Header, magic), *b"forkyarn");
        assert_eq!(magic, AttachError::Magic);
        let version = refusal(offset_of!(Header, version), 2_u32.to_ne_bytes());
        assert_eq!(version, AttachError::Version(2));
        assert!(
            version
                .to_string()
                .contains("layout version 2, this build has 1")
        );
        let unready = refusal(offset_of!(Header, version), [0; 4]);
        assert_eq!(unready, AttachError::NotReady);
        let hash = refusal(
            offset_of!(Header, layout_hash),
            (LAYOUT_HASH ^ 1).to_ne_bytes(),
        );
        assert_eq!(hash, AttachError::Layout);
        for workers in [0, 256, u32::MAX] {
            let found = refusal(offset_of!(Header, workers), workers.to_ne_bytes());
            assert_eq!(found, AttachError::Shape("number of workers"));
        }
        for slots in [0, 3, 1 << 21, u32::MAX] {
            let found = refusal(offset_of!(Header, slots), slots.to_ne_bytes());
            assert_eq!(found, AttachError::Shape("slots per lane"));
        }
        // One more than there is room for, and a total that is not theirs.
        let found = refusal(offset_of!(Header, workers), 3_u32.to_ne_bytes());
        assert_eq!(found, AttachError::Shape("total size"));
        let found = refusal(offset_of!(Header, total_bytes), [0xff; 8]);
        assert_eq!(found, AttachError::Shape("total size"));
    }

    #[test]
    fn case_46_a_segment_that_was_cut_is_refused() {
        let cut = attached(SHAPE.bytes() - 1, |_| ());
        assert_eq!(cut.map(|_| ()), Err(AttachError::Shape("total size")));
        let short = attached(100, |_| ());
        assert!(matches!(
            short,
            Err(AttachError::TooShort { have: 100, .. })
        ));
    }

    #[test]
    fn nothing_is_ready_before_its_version() {
        let layout = Layout::from_size_align(SHAPE.bytes(), crate::layout::PAGE).expect("small");
        // SAFETY: the layout has a size.
        let base = NonNull::new(unsafe { alloc_zeroed(layout) }).expect("memory");
        // SAFETY: page-aligned and as long as said; freed last.
        let attached = unsafe { Control::attach(base, SHAPE.bytes()) };
        assert_eq!(attached.map(|_| ()), Err(AttachError::NotReady));
        // SAFETY: from `alloc_zeroed` with this layout.
        unsafe { dealloc(base.as_ptr(), layout) };
    }
}
