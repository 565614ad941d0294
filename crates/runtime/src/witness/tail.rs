//! The end of a text that comes in pieces.

use std::sync::Arc;

/// Bytes that are kept.
pub(super) const TAIL_BYTES: usize = 2048;

/// Keeps the last [`TAIL_BYTES`] of what it is given.
#[derive(Debug, Default)]
pub(super) struct Tail {
    /// Up to twice as many bytes, so that they are not moved for each piece.
    bytes: Vec<u8>,
    /// There was more before it.
    is_cut: bool,
}

impl Tail {
    pub(super) fn push(&mut self, piece: &[u8]) {
        let left_out = piece.len().saturating_sub(TAIL_BYTES);
        self.is_cut |= left_out > 0;
        let piece = &piece[left_out..];
        if self.bytes.len() + piece.len() > 2 * TAIL_BYTES {
            let old = self.bytes.len().saturating_sub(TAIL_BYTES);
            self.is_cut |= old > 0;
            self.bytes.drain(..old);
        }
        self.bytes.extend_from_slice(piece);
    }

    /// The text, from its first whole character on; what is no UTF-8 is replaced.
    pub(super) fn text(&self) -> Arc<str> {
        let start = self.bytes.len().saturating_sub(TAIL_BYTES);
        let mut kept = &self.bytes[start..];
        if self.is_cut || start > 0 {
            let cut = kept.iter().take(3).take_while(|byte| **byte & 0xC0 == 0x80);
            kept = &kept[cut.count()..];
        }
        String::from_utf8_lossy(kept).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_kept_however_it_comes() {
        let all: Vec<u8> = (0..20_000_u32).map(|n| b'a' + (n % 26) as u8).collect();
        let wanted = std::str::from_utf8(&all[all.len() - TAIL_BYTES..]).unwrap();
        for piece in [1, 7, 2047, 2048, 2049, 5000, 20_000] {
            let mut tail = Tail::default();
            all.chunks(piece).for_each(|piece| tail.push(piece));
            assert_eq!(&*tail.text(), wanted, "pieces of {piece}");
            assert!(tail.bytes.len() <= 2 * TAIL_BYTES);
        }
    }

    #[test]
    fn characters_are_whole() {
        let mut tail = Tail::default();
        assert_eq!(&*tail.text(), "");
        tail.push("\u{20ac}".repeat(1000).as_bytes());
        let text = tail.text();
        assert!(text.chars().all(|c| c == '\u{20ac}'), "{text}");
        assert_eq!(text.chars().count(), TAIL_BYTES / 3);
        let mut tail = Tail::default();
        tail.push(b"a\xffb");
        assert_eq!(&*tail.text(), "a\u{fffd}b");
    }
}
