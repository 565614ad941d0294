//! How many items travel in a message, and how many messages ahead.
//!
//! ```text
//!   items                 |<- CHUNK_NS of work in each ->|
//!     1, 1, 8, 64, 512, 4096, 4096, 4096, … 4096, 2731, 1820, … 256, 256, 193
//!     `- grows as times come in (GROWTH) -'       `- shrinks near a known end -'
//! ```

use crate::ChunkSize;

/// How long a chunk should take in its worker.
pub(crate) const CHUNK_NS: u64 = 50_000;
/// Items in a chunk at most.
const MOST_ITEMS: usize = 1 << 16;
/// A chunk grows by at most this factor from one look at the times to the next.
const GROWTH: usize = 8;
/// So many chunks per worker are on their way at most. Their time is known from smaller ones, and
/// more than are needed would be of the wrong size for long.
const CHUNKS_AHEAD: usize = 8;
/// The same while they are to grow.
const CHUNKS_GROWING: usize = 2;
/// Near the end of an input chunks become smaller, down to this part of what they were.
const LEAST_PART: usize = 16;
/// So many chunks per worker are left over when an input of known length nears its end.
const CHUNKS_LEFT: usize = 4;

/// The sizes of one run's chunks. See the module.
#[derive(Debug)]
pub(crate) struct Sizing {
    chunk: ChunkSize,
    workers: usize,
    /// Items that a worker takes at most before it is replaced.
    most: usize,
    /// Items in a chunk, where it follows the measured time.
    items: usize,
    /// Chunks are to be larger than they may be made yet.
    is_growing: bool,
}

impl Sizing {
    pub(crate) fn new(chunk: ChunkSize, workers: usize, most: usize) -> Self {
        Self {
            chunk,
            workers,
            most,
            items: 1,
            is_growing: false,
        }
    }

    pub(crate) fn is_growing(&self) -> bool {
        self.is_growing
    }

    /// Follows the measured time of an item, so that a chunk takes about [`CHUNK_NS`].
    pub(crate) fn follow(&mut self, item_ps: u64) {
        if self.chunk != ChunkSize::Auto || item_ps == 0 {
            return;
        }
        let want = ((CHUNK_NS * 1000 / item_ps).max(1) as usize).min(MOST_ITEMS);
        self.items = want.min(self.items * GROWTH);
        self.is_growing = want > 2 * self.items;
    }

    /// How many items may be on their way at once. What travels one by one is bounded by the lanes.
    pub(crate) fn most_ahead(&self) -> u64 {
        if self.items == 1 {
            return u64::MAX;
        }
        let chunks = if self.is_growing {
            CHUNKS_GROWING
        } else {
            CHUNKS_AHEAD
        };
        (self.workers * chunks * self.items) as u64
    }

    /// How many items the next message should have, when so many are left, as far as that is
    /// known exactly.
    pub(crate) fn next(&self, left: Option<usize>) -> usize {
        match self.chunk {
            ChunkSize::Items(items) => items.get().min(u32::MAX as usize),
            ChunkSize::Auto => match left {
                Some(left) => {
                    let share = left / (self.workers * CHUNKS_LEFT);
                    self.items.min(share.max(self.items / LEAST_PART).max(1))
                }
                None => self.items,
            }
            .min(self.most),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroUsize;

    const TINY_PS: u64 = 5_000;

    fn auto() -> Sizing {
        Sizing::new(ChunkSize::Auto, 2, usize::MAX)
    }

    /// As it is after some looks at the times.
    fn settled(item_ps: u64) -> Sizing {
        let mut sizing = auto();
        (0..10).for_each(|_| sizing.follow(item_ps));
        sizing
    }

    #[test]
    fn what_takes_long_travels_alone() {
        assert_eq!(auto().next(None), 1);
        for item_ns in [CHUNK_NS, 2_000_000, u64::MAX / 1000] {
            let sizing = settled(item_ns * 1000);
            assert_eq!(sizing.next(Some(1_000_000)), 1);
            assert_eq!(
                (sizing.most_ahead(), sizing.is_growing()),
                (u64::MAX, false)
            );
        }
    }

    #[test]
    fn chunks_of_tiny_items_grow_step_by_step_to_the_time_that_one_should_take() {
        let mut sizing = auto();
        let mut sizes = Vec::new();
        for _ in 0..6 {
            sizing.follow(TINY_PS);
            sizes.push((sizing.next(None), sizing.is_growing()));
        }
        let grown = (CHUNK_NS * 1000 / TINY_PS) as usize;
        assert_eq!(
            sizes,
            [
                (8, true),
                (64, true),
                (512, true),
                (4096, true),
                (grown, false),
                (grown, false)
            ]
        );
        assert_eq!(sizing.most_ahead(), (2 * CHUNKS_AHEAD * grown) as u64);
        assert_eq!(settled(1).next(None), MOST_ITEMS);
    }

    #[test]
    fn chunks_follow_items_that_become_slower_at_once() {
        let mut sizing = settled(TINY_PS);
        sizing.follow(CHUNK_NS * 1000 / 4);
        assert_eq!(sizing.next(None), 4);
        sizing.follow(0); // no news
        assert_eq!(sizing.next(None), 4);
    }

    #[test]
    fn near_the_end_all_workers_have_a_part() {
        let sizing = settled(TINY_PS);
        let grown = sizing.next(None);
        assert_eq!(sizing.next(Some(100 * grown)), grown);
        assert_eq!(sizing.next(Some(4 * grown)), grown / 2);
        assert_eq!(sizing.next(Some(grown)), grown / 8);
        assert_eq!(sizing.next(Some(10)), grown / LEAST_PART);
        assert_eq!(auto().next(Some(0)), 1);
    }

    #[test]
    fn no_chunk_is_more_than_a_worker_is_good_for_unless_it_was_asked_for() {
        let mut few = Sizing::new(ChunkSize::Auto, 2, 3);
        (0..10).for_each(|_| few.follow(TINY_PS));
        assert_eq!(few.next(None), 3);
        let asked = NonZeroUsize::new(7).expect("not zero");
        let mut asked = Sizing::new(ChunkSize::Items(asked), 2, 3);
        asked.follow(TINY_PS);
        assert_eq!((asked.next(Some(2)), asked.most_ahead()), (7, u64::MAX));
    }
}
