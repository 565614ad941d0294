//! Off the front of a payload, item by item.

use super::{ERROR_BIT, FENCE_BYTES, HEAD_BYTES};

/// The items that are left of a payload.
#[derive(Debug)]
pub(crate) struct Items<'a> {
    rest: &'a [u8],
    /// Bytes of each, or zero where each has its fence.
    each: usize,
}

/// One of them, still encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Item<'a> {
    Value(&'a [u8]),
    Error(&'a [u8]),
    /// The payload ends before it does.
    Torn,
}

impl<'a> Items<'a> {
    /// `None` when the payload is too short for so many, or too long.
    pub(crate) fn of(payload: &'a [u8], count: u32) -> Option<Self> {
        let (each, rest) = payload.split_first_chunk::<HEAD_BYTES>()?;
        let each = usize::try_from(u64::from_le_bytes(*each)).ok()?;
        let count = count as usize;
        let is_sound = match each {
            0 => count <= rest.len() / FENCE_BYTES,
            _ => each.checked_mul(count) == Some(rest.len()),
        };
        is_sound.then_some(Self { rest, each })
    }

    /// Hands the next `count` to `each`. When that panics, the item that it was given is behind.
    #[inline(always)]
    pub(crate) fn take(&mut self, count: usize, mut each: impl FnMut(Item<'a>)) {
        for _ in 0..count {
            // The way it turns is the same each time.
            let item = if self.each == 0 {
                self.fenced()
            } else if let Some((item, rest)) = self.rest.split_at_checked(self.each) {
                self.rest = rest;
                Item::Value(item)
            } else {
                Item::Torn
            };
            each(item);
        }
    }

    #[inline]
    fn fenced(&mut self) -> Item<'a> {
        let Some((fence, rest)) = self.rest.split_first_chunk::<FENCE_BYTES>() else {
            return Item::Torn;
        };
        let fence = u32::from_le_bytes(*fence);
        let Some((item, rest)) = rest.split_at_checked((fence & !ERROR_BIT) as usize) else {
            return Item::Torn;
        };
        self.rest = rest;
        if fence & ERROR_BIT == 0 {
            Item::Value(item)
        } else {
            Item::Error(item)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(payload: &[u8], count: u32) -> Option<Vec<Item<'_>>> {
        let mut items = Vec::new();
        Items::of(payload, count)?.take(count as usize, |item| items.push(item));
        Some(items)
    }

    #[test]
    fn even_ones_stand_side_by_side() {
        let payload = [2, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4];
        let two = vec![Item::Value(&[1, 2]), Item::Value(&[3, 4])];
        assert_eq!(all(&payload, 2), Some(two));
        assert_eq!(all(&payload, 1), None, "bytes too many");
        assert_eq!(all(&payload, 3), None, "bytes too few");
    }

    #[test]
    fn others_have_their_fences() {
        let payload = [
            0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 9, 0, 0, 0, 0, 1, 0, 0, 0x80, 7,
        ];
        let three = vec![Item::Value(&[9]), Item::Value(&[]), Item::Error(&[7])];
        assert_eq!(all(&payload, 3), Some(three));
        let cut = vec![Item::Value(&[9]), Item::Value(&[]), Item::Torn];
        assert_eq!(all(&payload[..21], 3), Some(cut));
        assert_eq!(all(&payload, 4), None, "more than there can be");
    }

    #[test]
    fn lengths_that_mean_nothing_are_refused() {
        assert_eq!(all(&[1, 0, 0], 1), None);
        assert_eq!(all(&[0xff; 40], 4), None);
    }
}
