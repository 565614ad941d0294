//! Looking at pools from outside, also from another process.
//!
//! A pool's control segment is mapped for reading only, and what stands there is copied out. The
//! pool's processes do not notice: no lock is taken, nobody is woken, nothing is written.
//!
//! ```no_run
//! for pool in forkyard::inspect::pools()? {
//!     print!("{}", pool.stats());
//! }
//! # Ok::<(), forkyard::inspect::InspectError>(())
//! ```
//!
//! Seen are pools of the same user, on the same machine, of programs that were built with the
//! same layout of shared memory. What a segment says is checked before it is believed: that it is
//! one of ours, of this version, and made by the process that its name is of. The numbers in it
//! can be written over by any process of the pool; then they are shown as they are.

use forkyard_os::process::Pid;
use forkyard_os::segment::{SegmentError, SegmentName, SegmentView, living};
use forkyard_shm::control::AttachError;
use forkyard_shm::look::Onlooker;

use crate::driver::own_pools;
use crate::mapped::look_on;
use crate::stats::{Clock, PoolStats, of_core, of_onlooker};
use crate::trace;

/// Why a pool cannot be looked at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InspectError {
    /// That process has no pool, or there is no such process.
    #[error(
        "process {pid} has no pool; is it a supervisor, is it this user's, and does it still run?"
    )]
    NoPool {
        /// The process.
        pid: i32,
    },
    /// That process has more than one.
    #[error("process {pid} has {} pools; name one of {}", segments.len(), segments.join(", "))]
    SeveralPools {
        /// The process.
        pid: i32,
        /// The names of their segments, for [`attach_to`].
        segments: Vec<String>,
    },
    /// The segment cannot be mapped.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// What is mapped is no pool that this build can read.
    #[error("the pool of segment {segment} cannot be read: {source}")]
    Attach {
        /// The segment.
        segment: String,
        /// What is wrong with it.
        source: AttachError,
    },
    /// The segment was made by another process than its name says.
    #[error("the segment {segment} says that process {pid} made it, which its name does not say")]
    Owner {
        /// The segment.
        segment: String,
        /// The process.
        pid: u32,
    },
    /// The pool counts time in another way than this process can.
    #[error(
        "the pool of segment {segment} counts time by the processor's counter, which this process \
         cannot: the system's clock source was changed in between"
    )]
    Clock {
        /// The segment.
        segment: String,
    },
}

/// A pool that is looked at; from [`pools`] or [`attach`].
///
/// It stays readable when the pool ends, as it was then; see [`is_alive`](Self::is_alive).
#[derive(Debug)]
pub struct Inspected {
    onlooker: Onlooker,
    clock: Clock,
    /// Keeps what the onlooker looks at.
    view: SegmentView,
}

impl Inspected {
    fn open(name: &SegmentName) -> Result<Self, InspectError> {
        let view = SegmentView::open(name)?;
        let segment = || name.to_string();
        let onlooker = look_on(&view).map_err(|source| InspectError::Attach {
            segment: segment(),
            source,
        })?;
        let identity = onlooker.identity();
        let pid = Pid::from_raw(identity.supervisor_pid.cast_signed());
        if !pid.is_some_and(|pid| name.is_of(pid, identity.supervisor_start)) {
            return Err(InspectError::Owner {
                segment: segment(),
                pid: identity.supervisor_pid,
            });
        }
        let clock =
            Clock::of(identity).ok_or_else(|| InspectError::Clock { segment: segment() })?;
        Ok(Self {
            onlooker,
            clock,
            view,
        })
    }

    /// The pool at this moment.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        of_onlooker(self.segment(), &self.onlooker, &self.clock)
    }

    /// Process id of its supervisor.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.view.name().creator_pid().as_raw()
    }

    /// The name of its control segment.
    #[must_use]
    pub fn segment(&self) -> &str {
        self.view.name().as_str()
    }

    /// Whether the pool is still there: its supervisor lives, and has not taken the segment away.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.view.name().creator_is_alive() && self.view.is_named()
    }
}

/// Every living pool of this user that can be looked at, oldest process first. Those of other
/// builds are left out; [`attach`] says what is wrong with one of them.
///
/// # Errors
/// [`InspectError::Segment`], when the system does not list shared memory.
pub fn pools() -> Result<Vec<Inspected>, InspectError> {
    let names = living()?;
    let opened = names.iter().filter_map(|name| match Inspected::open(name) {
        Ok(inspected) => Some(inspected),
        Err(error) => {
            trace::not_inspected(name, &error);
            None
        }
    });
    Ok(opened.collect())
}

/// The pool of a supervisor.
///
/// # Errors
/// [`InspectError`], by what is wrong: no pool there, several, or one that cannot be read.
pub fn attach(pid: i32) -> Result<Inspected, InspectError> {
    let mut names = living()?;
    names.retain(|name| name.creator_pid().as_raw() == pid);
    match &names[..] {
        [] => Err(InspectError::NoPool { pid }),
        [name] => Inspected::open(name),
        several => Err(InspectError::SeveralPools {
            pid,
            segments: several.iter().map(ToString::to_string).collect(),
        }),
    }
}

/// The pool with that control segment, such as [`PoolStats::segment`] names it.
///
/// # Errors
/// [`InspectError`], by what is wrong.
pub fn attach_to(segment: &str) -> Result<Inspected, InspectError> {
    Inspected::open(&SegmentName::parse(segment)?)
}

/// Every pool of this process. Takes no lock of a pool, so that it also tells of one that hangs.
#[must_use]
pub fn here() -> Vec<PoolStats> {
    own_pools().iter().map(|core| of_core(core)).collect()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use forkyard_os::segment::Segment;
    use forkyard_shm::layout::Shape;

    use super::*;
    use crate::bootstrap::identity;
    use crate::mapped::PoolMemory;
    use crate::stats::introduce;
    use crate::{StartMethod, Transport};

    const SHAPE: Shape = Shape {
        workers: 3,
        slots: 2,
    };

    #[test]
    fn what_a_pool_says_of_itself_is_seen_through_its_name() {
        let memory = PoolMemory::create(SHAPE, identity()).expect("a segment");
        let name = "a name, too\u{7} long: ".repeat(40);
        introduce(
            memory.control(),
            Some(&name),
            StartMethod::Fork,
            Transport::Copy,
        );
        let pool = attach_to(memory.name().as_str()).expect("it is sound");
        assert_eq!(pool.pid(), std::process::id().cast_signed());
        let stats = pool.stats();
        assert_eq!(
            (stats.start_method, stats.transport),
            (StartMethod::Fork, Transport::Copy)
        );
        assert_eq!(stats.name, name.replace('\u{7}', "")[..256]);
        assert_eq!(stats.workers.len(), 3);
        assert!(pool.is_alive());
        drop(memory);
        assert!(!pool.is_alive());
        assert_eq!(pool.stats().workers, stats.workers);
    }

    #[test]
    fn case_46_what_is_no_pool_of_its_maker_is_refused_by_name() {
        let mine = identity();
        let other = forkyard_shm::control::Identity {
            supervisor_pid: mine.supervisor_pid + 1,
            ..mine
        };
        let memory = PoolMemory::create(SHAPE, other).expect("a segment");
        let refused = attach_to(memory.name().as_str()).expect_err("it is not its maker's");
        assert!(matches!(refused, InspectError::Owner { .. }), "{refused}");

        for (bytes, expected) in [(100, "100 bytes"), (SHAPE.bytes(), "is not ready")] {
            let bytes = NonZeroUsize::new(bytes).expect("not zero");
            let segment = Segment::create_fresh(bytes).expect("a segment");
            let refused = attach_to(segment.name().as_str()).expect_err("nothing is there");
            assert!(matches!(refused, InspectError::Attach { .. }), "{refused}");
            assert!(refused.to_string().contains(expected), "{refused}");
        }
        let missing = attach_to("/fy-1-1-000000000").expect_err("no such segment");
        assert!(matches!(
            missing,
            InspectError::Segment(SegmentError::Missing { .. })
        ));
        let stranger = attach(i32::MAX).expect_err("no such process");
        assert!(
            matches!(stranger, InspectError::NoPool { .. }),
            "{stranger}"
        );
    }
}
