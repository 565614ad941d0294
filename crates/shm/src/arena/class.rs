//! Which sizes blocks come in.
//!
//! Four sizes per doubling, as in jemalloc, so that at most a fifth of a block goes unused:
//!
//! ```text
//!   256 | 320 384 448 512 | 640 768 896 1024 | 1280 ...
//! ```
//!
//! Blocks above 1 MiB are made to sixteen sizes per doubling (at most 1/17 unused, which at
//! that size is what counts) and still looked for by class.

/// The smallest block, in bytes. A lane slot holds up to 112 bytes in place.
pub const SMALLEST_BLOCK: u64 = 256;
/// The largest block, in bytes: 8 TiB.
pub const LARGEST_BLOCK: u64 = 1 << 43;
/// Above this many bytes a block is made to finer sizes, and an idle one is taken for
/// less than it holds only within a quarter.
pub(super) const FINE_ABOVE: u64 = 1 << 20;
/// Number of classes: one for the smallest size and four for each doubling above it.
pub(super) const CLASSES: usize = 1 + 4 * (LARGEST_BLOCK.ilog2() - SMALLEST_BLOCK.ilog2()) as usize;

/// A request: the bytes asked for, and the block to look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) bytes: u64,
    pub(super) block_bytes: u64,
    pub(super) class: usize,
}

impl Request {
    /// `None` when no block is that large.
    pub(super) fn new(bytes: usize) -> Option<Self> {
        let bytes = u64::try_from(bytes).ok()?;
        let block_bytes = block_bytes(bytes)?;
        Some(Self {
            bytes,
            block_bytes,
            class: class_of(block_bytes),
        })
    }

    /// The classes where a fitting block may be: one, or for large blocks also the next.
    pub(super) fn classes(&self) -> core::ops::RangeInclusive<usize> {
        let next = self.block_bytes > FINE_ABOVE && self.class + 1 < CLASSES;
        self.class..=self.class + usize::from(next)
    }

    /// Whether an idle block of this size should serve the request.
    pub(super) fn fits(&self, block_bytes: u64) -> bool {
        block_bytes >= self.block_bytes && block_bytes <= self.block_bytes + self.block_bytes / 4
    }
}

/// The block size for a payload of `bytes`; `None` when no block is that large.
pub(super) fn block_bytes(bytes: u64) -> Option<u64> {
    let bytes = bytes.max(SMALLEST_BLOCK);
    if bytes > LARGEST_BLOCK {
        return None;
    }
    let steps_log2 = if bytes > FINE_ABOVE { 4 } else { 2 };
    // The doubling (2^e, 2^(e+1)] that `bytes` falls into has steps of 2^(e - steps_log2).
    let step = 1u64 << ((bytes - 1).ilog2() - steps_log2);
    Some(bytes.next_multiple_of(step))
}

/// The class that blocks of this size are kept under.
pub(super) fn class_of(block_bytes: u64) -> usize {
    if block_bytes <= SMALLEST_BLOCK {
        return 0;
    }
    let doubling = (block_bytes - 1).ilog2();
    let quarter = (block_bytes - 1 - (1 << doubling)) >> (doubling - 2);
    1 + 4 * (doubling - SMALLEST_BLOCK.ilog2()) as usize + quarter as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_run_as_drawn() {
        let mut sizes = Vec::new();
        let mut bytes = 0;
        while sizes.len() < 9 {
            let block = block_bytes(bytes).unwrap();
            sizes.push(block);
            bytes = block + 1;
        }
        assert_eq!(sizes, [256, 320, 384, 448, 512, 640, 768, 896, 1024]);
        assert_eq!(
            block_bytes(FINE_ABOVE + 1),
            Some(FINE_ABOVE + FINE_ABOVE / 16)
        );
        assert_eq!(block_bytes(100 << 20), Some(100 << 20));
    }

    #[test]
    fn every_size_holds_its_request_wastes_a_fifth_at_most_and_has_a_class() {
        let mut last = 0;
        let mut bytes = 1u64;
        while bytes < LARGEST_BLOCK {
            for near in [bytes - 1, bytes, bytes + 1] {
                let block = block_bytes(near).unwrap();
                assert!(
                    block >= near && block.is_multiple_of(64),
                    "{near} in {block}"
                );
                assert!(
                    near < 257 || (block - near) * 5 <= block,
                    "{near} in {block}"
                );
                let class = class_of(block);
                assert!(class >= last && class < CLASSES);
                last = class_of(block_bytes(bytes - 1).unwrap());
            }
            bytes += bytes / 7 + 1;
        }
        assert_eq!(class_of(LARGEST_BLOCK), CLASSES - 1);
        assert_eq!(block_bytes(LARGEST_BLOCK + 1), None);
        assert_eq!(Request::new(usize::MAX), None);
    }
}
