//! A short text in shared memory.

use crate::steps::step;
use crate::sync::{AtomicU64, Ordering};

/// Bytes of a [`LinkName`].
pub const LINK_NAME_BYTES: usize = 256;
/// Bytes of a [`Note`].
pub const NOTE_BYTES: usize = 1024;

/// Where a pipe is connected: written before its reader starts.
pub type LinkName = Text<{ LINK_NAME_BYTES / 8 }>;
/// Why a worker cannot start: written before the phase that says so.
pub type Note = Text<{ NOTE_BYTES / 8 }>;

/// A short text of up to `WORDS` times eight bytes, by one writer. Who reads it while it is
/// written, or after somebody wrote over it, reads another text, or none.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Text<const WORDS: usize>([AtomicU64; WORDS]);

impl<const WORDS: usize> Text<WORDS> {
    /// Writes `text`; `false` when it is too long, or holds a zero byte.
    #[must_use]
    pub fn set(&self, text: &str) -> bool {
        if text.len() > WORDS * 8 || text.contains('\0') {
            return false;
        }
        let bytes = text.as_bytes();
        for (index, word) in self.0.iter().enumerate() {
            let mut eight = [0; 8];
            let rest = bytes.get(index * 8..).unwrap_or_default();
            let len = rest.len().min(8);
            eight[..len].copy_from_slice(&rest[..len]);
            step();
            word.store(u64::from_ne_bytes(eight), Ordering::Relaxed);
        }
        true
    }

    /// Writes as much of `text` as there is room for, cut between characters and before a zero
    /// byte.
    pub fn set_front(&self, text: &str) {
        let text = text.split('\0').next().unwrap_or_default();
        let mut end = text.len().min(WORDS * 8);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let _ = self.set(&text[..end]);
    }

    /// Makes it empty.
    pub(crate) fn clear(&self) {
        if let Some(first) = self.0.first() {
            step();
            first.store(0, Ordering::Relaxed);
        }
    }

    /// Reads it; `None` when it is empty or no text.
    #[must_use]
    pub fn get(&self) -> Option<String> {
        let bytes: Vec<u8> = self
            .0
            .iter()
            .flat_map(|word| word.load(Ordering::Relaxed).to_ne_bytes())
            .take_while(|byte| *byte != 0)
            .collect();
        String::from_utf8(bytes)
            .ok()
            .filter(|text| !text.is_empty())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_is_refused_or_cut_between_characters() {
        let text = Text::<2>([AtomicU64::new(0), AtomicU64::new(0)]);
        assert_eq!(text.get(), None);
        assert!(text.set("sixteen bytes ok"));
        assert_eq!(text.get().as_deref(), Some("sixteen bytes ok"));
        assert!(!text.set("seventeen bytes -") && !text.set("a\0b"));
        assert!(text.set("short"));
        assert_eq!(text.get().as_deref(), Some("short"));
        text.set_front("fifteen bytes..\u{e4}");
        assert_eq!(text.get().as_deref(), Some("fifteen bytes.."));
        text.set_front("front\0back");
        assert_eq!(text.get().as_deref(), Some("front"));
        text.clear();
        assert_eq!(text.get(), None);
    }
}
