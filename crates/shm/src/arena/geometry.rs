//! Where things lie in an extent.
//!
//! ```text
//!  0         64        128                    payload_offset (a multiple of 4096)
//!  +---------+---------+--  --+---------+-----+-----------+-----------+--  --+-----------+
//!  | header  | header  | ...  | header  | pad | payload   | payload   | ...  | payload   |
//!  | block 0 | block 1 |      | n-1     |     | block 0   | block 1   |      | n-1       |
//!  +---------+---------+--  --+---------+-----+-----------+-----------+--  --+-----------+
//!  |<------------- 64 * n ------------->|     |<-- block_bytes * n ------------------------>|
//! ```
//!
//! Headers and payloads lie apart, so that a search for a free block reads one cache line
//! per block and touches no payload.

use super::class::{LARGEST_BLOCK, SMALLEST_BLOCK};

/// The unit in which extents are measured, and the alignment of the first payload.
pub(super) const PAGE_BYTES: u64 = 4096;
/// Bytes of one header.
pub(super) const HEADER_BYTES: u64 = 64;
/// The most blocks of one extent.
pub const MAX_BLOCKS: u32 = 1 << 20;
/// The size that the first extents of a class aim at.
const FIRST_EXTENT_BYTES: u64 = 64 << 10;
/// The size beyond which extents of several blocks do not grow.
const GROWN_EXTENT_BYTES: u64 = 1 << 30;
/// So many extents of a class stay at the first size; then each doubles.
const EXTENTS_BEFORE_GROWTH: u32 = 4;

/// Size and number of the blocks of one extent. A value of this type is consistent: every
/// offset that its methods give lies within [`bytes`](Self::bytes).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    block_bytes: u64,
    blocks: u32,
}

impl Geometry {
    /// `None` unless the block size is a multiple of 64 within the limits and there are
    /// between one and [`MAX_BLOCKS`] blocks. Nothing overflows after that:
    /// 2^20 * (2^43 + 64) + 2^12 < 2^64.
    #[must_use]
    pub fn new(block_bytes: u64, blocks: u32) -> Option<Self> {
        let size_ok = (SMALLEST_BLOCK..=LARGEST_BLOCK).contains(&block_bytes)
            && block_bytes.is_multiple_of(64);
        let fits = size_ok && (1..=MAX_BLOCKS).contains(&blocks);
        let geometry = fits.then_some(Self {
            block_bytes,
            blocks,
        })?;
        // The directory counts pages in 32 bits.
        u32::try_from(geometry.bytes() / PAGE_BYTES).ok()?;
        Some(geometry)
    }

    /// The extent to make next for blocks of this size, when the arena has `existing` for
    /// them: small at first, so that a 64 MB `/dev/shm` serves many classes, then doubling,
    /// so that 256 directory entries last.
    pub(super) fn plan(block_bytes: u64, existing: u32) -> Option<Self> {
        let first = FIRST_EXTENT_BYTES.max(block_bytes);
        let doublings = (existing + 1).saturating_sub(EXTENTS_BEFORE_GROWTH).min(20);
        let target = (first << doublings).min(GROWN_EXTENT_BYTES).max(first);
        let blocks = (target / block_bytes).min(u64::from(MAX_BLOCKS));
        Self::new(block_bytes, u32::try_from(blocks).ok()?)
    }

    /// The same blocks, half as many; `None` when there is but one.
    pub(super) fn halved(self) -> Option<Self> {
        Self::new(self.block_bytes, self.blocks / 2)
    }

    /// Bytes of the whole extent, a multiple of 4096.
    #[must_use]
    pub fn bytes(self) -> u64 {
        (self.payload_offset() + self.block_bytes * u64::from(self.blocks))
            .next_multiple_of(PAGE_BYTES)
    }

    /// Bytes of one block.
    #[must_use]
    pub fn block_bytes(self) -> u64 {
        self.block_bytes
    }

    /// Number of blocks.
    #[must_use]
    pub fn blocks(self) -> u32 {
        self.blocks
    }

    pub(super) fn payload_offset(self) -> u64 {
        (HEADER_BYTES * u64::from(self.blocks)).next_multiple_of(PAGE_BYTES)
    }

    /// Offset of a block's header. The block must be one of the extent's.
    pub(super) fn header_at(self, block: u32) -> u64 {
        assert!(block < self.blocks);
        HEADER_BYTES * u64::from(block)
    }

    /// Offset of a block's payload. The block must be one of the extent's.
    pub(super) fn payload_at(self, block: u32) -> u64 {
        assert!(block < self.blocks);
        self.payload_offset() + self.block_bytes * u64::from(block)
    }
}

const _: () = assert!(usize::BITS == 64, "extents are addressed in 64 bits");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_payload_ends_within_the_extent() {
        for (block_bytes, blocks) in [(256, 1), (320, 1000), (5 << 20, 3), (LARGEST_BLOCK, 1)] {
            let g = Geometry::new(block_bytes, blocks).unwrap();
            assert!(g.payload_at(blocks - 1) + block_bytes <= g.bytes());
            assert!(g.header_at(blocks - 1) + HEADER_BYTES <= g.payload_offset());
            assert_eq!(g.payload_offset() % PAGE_BYTES, 0);
        }
    }

    #[test]
    fn what_no_extent_can_be_is_refused() {
        for (block_bytes, blocks) in [
            (0, 1),
            (128, 1),
            (257, 1),
            (256, 0),
            (256, MAX_BLOCKS + 1),
            (u64::MAX, u32::MAX),
            (LARGEST_BLOCK * 2, 1),
            (LARGEST_BLOCK, 3),
        ] {
            assert_eq!(
                Geometry::new(block_bytes, blocks),
                None,
                "{block_bytes} x {blocks}"
            );
        }
    }

    #[test]
    fn extents_begin_small_and_then_double() {
        let bytes = |n| Geometry::plan(256, n).unwrap().bytes();
        assert!(bytes(0) <= 128 << 10 && bytes(3) == bytes(0));
        assert!(bytes(4) > bytes(3) && bytes(6) < 1 << 20);
        assert_eq!(Geometry::plan(100 << 20, 0).unwrap().blocks(), 1);
        assert_eq!(Geometry::plan(100 << 20, 4).unwrap().blocks(), 2);
        assert_eq!(Geometry::plan(4 << 30, 200).unwrap().blocks(), 1);
        assert!(Geometry::plan(256, 255).unwrap().blocks() <= MAX_BLOCKS);
    }
}
