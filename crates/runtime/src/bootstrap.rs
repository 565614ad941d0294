//! How a new process finds its pool: by the name of the control segment.

use std::sync::OnceLock;

use forkyard_os::clock::{TickSource, adopt_tick_source, tick_source};
use forkyard_os::process::{Pid, start_time};
use forkyard_os::segment::{Segment, SegmentName, unlink, unlink_pool};
use forkyard_os::{exe, segment};
use forkyard_shm::control::{AttachError, Control, Identity};

use crate::mapped;

/// A process's view of its pool's shared memory.
#[derive(Debug)]
pub(crate) struct Attachment {
    pub(crate) control: Control,
    pub(crate) name: SegmentName,
    /// Found out once, by a zygote for all its workers.
    pub(crate) same_build: OnceLock<bool>,
    /// Keeps the mapping; `None` where it was inherited by fork and is never unmapped.
    pub(crate) _segment: Option<Segment>,
}

/// Why a process cannot attach to its pool.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BootstrapError {
    #[error("the pool's segment has no proper name: {0}")]
    Name(#[from] segment::SegmentError),
    #[error(transparent)]
    Attach(#[from] AttachError),
    #[error("the segment {name} says that process {pid} made it, which its name does not say")]
    Owner { name: SegmentName, pid: u32 },
}

/// The identity that a supervisor writes and a worker compares.
pub(crate) fn identity() -> Identity {
    let me = Pid::current();
    Identity {
        supervisor_pid: me.as_raw().cast_unsigned(),
        supervisor_start: start_time(me).unwrap_or(0),
        exe_hash: exe::identity().map_or(0, |identity| identity.hash()),
        clock: match tick_source() {
            TickSource::Nanoseconds => 0,
            TickSource::Counter => 1,
        },
    }
}

impl Attachment {
    /// Attaches to the segment of that name, as a process of that pool.
    pub(crate) fn open(name: &str) -> Result<Self, BootstrapError> {
        let attachment = Self::look(name)?;
        attachment.adopt_clock();
        Ok(attachment)
    }

    /// Attaches to the segment of that name, as one who is of another pool, or of none.
    pub(crate) fn look(name: &str) -> Result<Self, BootstrapError> {
        let name = SegmentName::parse(name)?;
        let segment = Segment::open(&name)?;
        let control = mapped::attach_control(&segment)?;
        let attachment = Self {
            control,
            name,
            same_build: OnceLock::new(),
            _segment: Some(segment),
        };
        if !attachment.is_its_makers() {
            return Err(BootstrapError::Owner {
                pid: control.identity().supervisor_pid,
                name: attachment.name,
            });
        }
        Ok(attachment)
    }

    /// Whether the supervisor that the segment names is the process that its name is of: the one
    /// whose end this process will wait for is then the one whose segment this is.
    fn is_its_makers(&self) -> bool {
        self.supervisor()
            .is_some_and(|(pid, start)| self.name.is_of(pid, start))
    }

    /// Counts ticks as the supervisor does.
    fn adopt_clock(&self) {
        adopt_tick_source(match self.control.identity().clock {
            1 => TickSource::Counter,
            _ => TickSource::Nanoseconds,
        });
    }

    /// Whether this process runs the same executable as its supervisor.
    pub(crate) fn is_same_build(&self) -> bool {
        *self.same_build.get_or_init(|| {
            let theirs = self.control.identity().exe_hash;
            theirs == 0 || exe::identity().map_or(0, |identity| identity.hash()) == theirs
        })
    }

    /// The supervisor, and when it was started.
    pub(crate) fn supervisor(&self) -> Option<(Pid, u64)> {
        let identity = self.control.identity();
        let pid = Pid::from_raw(identity.supervisor_pid.cast_signed())?;
        Some((pid, identity.supervisor_start))
    }
}

/// Takes every name of a pool away: its control segment's and its extents'. What is mapped
/// stays. Harmless when repeated.
///
/// The directory says which extents there are, and any process of the pool can have written over
/// it; so what the system itself lists goes too. (Not every system lists shared memory.)
pub(crate) fn unlink_all(name: &SegmentName, control: &Control) {
    for id in mapped::directory(control).extents() {
        let _ = unlink(&mapped::extent_name(name, id));
    }
    let _ = unlink(name);
    let _ = unlink_pool(name);
}

/// The same, if its supervisor is gone: a process that ends for another reason leaves the names to
/// those that go on.
pub(crate) fn unlink_if_orphaned(name: &SegmentName, control: &Control) {
    if !name.creator_is_alive() {
        unlink_all(name, control);
    }
}

#[cfg(test)]
mod tests {
    use forkyard_shm::layout::Shape;

    use super::*;

    const SHAPE: Shape = Shape {
        workers: 1,
        slots: 2,
    };

    fn opened(identity: Identity) -> Result<Attachment, BootstrapError> {
        let memory = mapped::PoolMemory::create(SHAPE, identity).expect("a segment");
        Attachment::open(memory.name().as_str())
    }

    #[test]
    fn case_46_a_segment_of_another_owner_is_refused_by_name() {
        let mine = identity();
        let attachment = opened(mine).expect("it is this process's");
        assert!(attachment.is_same_build());
        for other in [
            Identity {
                supervisor_pid: mine.supervisor_pid + 1,
                ..mine
            },
            Identity {
                supervisor_pid: 0,
                ..mine
            },
            Identity {
                supervisor_start: mine.supervisor_start + 1,
                ..mine
            },
        ] {
            let refused = opened(other).expect_err("it is not");
            assert!(matches!(refused, BootstrapError::Owner { .. }), "{refused}");
        }
    }

    #[test]
    fn case_46_another_build_is_told_from_this_one() {
        let other = Identity {
            exe_hash: identity().exe_hash ^ 1,
            ..identity()
        };
        assert!(!opened(other).expect("a segment").is_same_build());
    }
}
