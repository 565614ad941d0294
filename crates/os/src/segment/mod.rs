//! Named shared memory: made, opened, mapped, unlinked.
//!
//! It maps bytes and says nothing about what they mean. [`Segment`] is the small control segment, through the
//! `shared_memory` crate; [`Extent`] is a large piece of arena, mapped here; [`SegmentName`] names both and says who
//! made them. Space is reserved when a segment is created, so that a full file system is an error there and
//! never a SIGBUS later.

mod advice;
mod control;
mod error;
mod extent;
mod name;
mod object;
mod sweep;
mod view;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(target_os = "linux")]
use linux as platform;
#[cfg(target_os = "macos")]
use macos as platform;

pub use advice::Advice;
pub use control::Segment;
pub use error::SegmentError;
pub use extent::Extent;
pub use name::{MAX_CHILDREN, SegmentName};
pub use object::unlink;
pub use sweep::{Leftover, leftovers, sweep, unlink_pool};
pub use view::{SegmentView, living};

#[cfg(test)]
mod tests;
