//! How far items may run ahead of whoever takes their results one at a time.

/// Items on their way or not asked for, for each worker, unless somebody says otherwise.
const ITEMS: usize = 16_384;
/// Bytes of results that are to come or were not asked for, for each worker, likewise. As many as
/// arguments may have on their way.
const BYTES: u64 = 32 << 20;

/// What is taken in and was not handed out yet, held against two limits.
///
/// ```text
///   0 ..... yielded ..... replied ..... next
///           |  have come  | on their way  |
///           |  held_bytes | at item_bytes each
/// ```
#[derive(Debug)]
pub(crate) struct Window {
    /// Items between `yielded` and `next` at most.
    items: u64,
    /// Bytes of results of these at most, encoded: what values take is not known.
    bytes: u64,
    /// So many items there may be whatever they weigh: one for each worker.
    least: u64,
    /// Items that were handed out.
    yielded: u64,
    held_bytes: u64,
    /// What a result takes that has not come: the most that one took of late.
    item_bytes: u64,
}

impl Window {
    /// Without limits, for whoever collects everything anyway.
    pub(crate) const fn endless() -> Self {
        Self {
            items: u64::MAX,
            bytes: u64::MAX,
            least: u64::MAX,
            yielded: 0,
            held_bytes: 0,
            item_bytes: 0,
        }
    }

    pub(crate) fn new(workers: usize, items: Option<usize>, bytes: Option<u64>) -> Self {
        // All that there are stands for no limits at all.
        let items = (items.unwrap_or(ITEMS * workers) as u64).min(u64::MAX - 1);
        Self {
            items,
            bytes: bytes.unwrap_or(BYTES * workers as u64),
            least: items.min(workers as u64),
            ..Self::endless()
        }
    }

    pub(crate) fn is_endless(&self) -> bool {
        self.items == u64::MAX
    }

    pub(crate) fn yielded(&self) -> u64 {
        self.yielded
    }

    /// How many more items may be taken in, after `next`, of which `replied` were replied to.
    #[inline]
    pub(crate) fn room(&self, next: u64, replied: u64) -> u64 {
        if self.is_endless() {
            return u64::MAX;
        }
        let ahead = next - self.yielded;
        let items = self.items.saturating_sub(ahead);
        let to_come = (next - replied).saturating_mul(self.item_bytes);
        let bytes = self
            .bytes
            .saturating_sub(self.held_bytes.saturating_add(to_come));
        if items.saturating_mul(self.item_bytes) <= bytes {
            return items;
        }
        (bytes / self.item_bytes).max(self.least.saturating_sub(ahead))
    }

    /// The results of so many items have come, of so many bytes in all. Returns the share of each.
    #[inline]
    pub(crate) fn came(&mut self, items: u32, bytes: u64) -> u64 {
        let each = if items == 1 {
            bytes
        } else {
            bytes / u64::from(items)
        };
        self.held_bytes += each * u64::from(items);
        self.item_bytes = each.max(self.item_bytes - self.item_bytes / 8);
        each
    }

    /// The result of an item was handed out, which had that share.
    #[inline]
    pub(crate) fn hand_out(&mut self, bytes: u64) {
        self.yielded += 1;
        self.held_bytes -= bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn small_results_are_limited_by_their_number() {
        let mut window = Window::new(2, None, None);
        assert_eq!(window.room(0, 0), 2 * ITEMS as u64);
        assert_eq!(window.came(1000, 9000), 9);
        assert_eq!(window.room(1500, 1000), 2 * ITEMS as u64 - 1500);
        window.hand_out(9);
        assert_eq!(window.room(1500, 1000), 2 * ITEMS as u64 - 1499);
    }

    #[test]
    fn large_results_are_limited_by_their_bytes() {
        let mut window = Window::new(2, None, None);
        // Two have come and ten are on their way: 64 MiB have room for 52 more.
        assert_eq!(window.came(2, 2 * MIB), MIB);
        assert_eq!(window.room(12, 2), 52);
        window.hand_out(MIB);
        assert_eq!(window.room(12, 2), 53);
        assert_eq!(window.room(100, 2), 0);
    }

    #[test]
    fn each_worker_has_one_whatever_it_weighs() {
        let mut window = Window::new(3, None, Some(1));
        window.came(1, 1000 * MIB);
        assert_eq!((window.room(1, 1), window.room(3, 1)), (2, 0));
        window.hand_out(1000 * MIB);
        assert_eq!(window.room(3, 3), 1);
        assert_eq!(Window::new(3, Some(1), Some(0)).room(1, 0), 0);
    }

    #[test]
    fn however_many_items_their_bytes_are_limited() {
        let mut window = Window::new(2, Some(usize::MAX), Some(10 * MIB));
        window.came(1, MIB);
        assert_eq!(window.room(1, 1), 9);
    }

    #[test]
    fn what_was_large_once_is_forgotten() {
        let mut window = Window::new(1, None, None);
        window.came(1, 1000 * MIB);
        window.hand_out(1000 * MIB);
        for _ in 0..200 {
            window.came(1, 8);
            window.hand_out(8);
        }
        assert_eq!(window.room(201, 201), ITEMS as u64);
    }

    #[test]
    fn whoever_collects_everything_has_no_limit() {
        let window = Window::endless();
        assert_eq!(window.room(u64::MAX - 1, 0), u64::MAX);
    }
}
