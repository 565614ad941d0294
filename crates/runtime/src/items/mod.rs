//! Several items in one payload, each told from the next.
//!
//! ```text
//!   even     [ length of each: u64 ][ item ][ item ][ item ] …
//!   fenced   [ 0: u64 ][ length: u32 | item ][ length: u32 | item ] …
//! ```
//!
//! Most items are all as long as each other, and then nothing stands between them. Where they
//! are not, or one is of no bytes, or one is an error (the top bit of its length), each has its
//! length before it. [`Sink`](crate::sink::Sink) writes them, [`Items`] reads them.

mod read;

pub(crate) use read::{Item, Items};

/// Bytes of what stands before the items.
pub(crate) const HEAD_BYTES: usize = 8;
/// Bytes of an item's length before it, where lengths differ.
pub(crate) const FENCE_BYTES: usize = 4;
/// Marks an item's length as that of an [`ItemError`](crate::job::ItemError).
pub(crate) const ERROR_BIT: u32 = 1 << 31;
