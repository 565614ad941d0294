//! A short text in shared memory.

use crate::steps::step;
use crate::sync::{AtomicU64, Ordering};

/// Bytes of a [`LinkName`].
pub const LINK_NAME_BYTES: usize = 256;

/// A short text that is written before its reader starts.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct LinkName([AtomicU64; LINK_NAME_BYTES / 8]);

impl LinkName {
    /// Writes `name`; `false` when it is too long.
    #[must_use]
    pub fn set(&self, name: &str) -> bool {
        if name.len() > LINK_NAME_BYTES || name.contains('\0') {
            return false;
        }
        let mut bytes = [0; LINK_NAME_BYTES];
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        for (word, chunk) in self.0.iter().zip(bytes.as_chunks::<8>().0) {
            step();
            word.store(u64::from_ne_bytes(*chunk), Ordering::Relaxed);
        }
        true
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
            .filter(|name| !name.is_empty())
    }
}
