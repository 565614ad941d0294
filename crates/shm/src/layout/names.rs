//! What tasks are called, for those who look on. A message names its function by a number that
//! means something in its program only; here stands what people call it. No worker reads it, and
//! nothing depends on it.
//!
//! ```text
//!         Names, by the supervisor, once for each function
//!  0x0000 +------------------------------------------------+
//!  0x0000 |   entries           48 u64  0: no name          |
//!  0x0180 |   names             48 texts of 64 bytes        |
//!  0x0d80 +------------------------------------------------+
//! ```

use core::mem::{offset_of, size_of};

use super::Ordering;
use crate::link_name::Text;
use crate::packed::packed;
use crate::steps::step;
use crate::sync::AtomicU64;

/// How many functions of a pool have a name at a time.
pub const NAMED: usize = 48;
/// Bytes of a function's name.
pub const NAME_BYTES: usize = 64;

/// See the module.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Names {
    pub(super) entries: [AtomicU64; NAMED],
    pub(super) names: [Text<{ NAME_BYTES / 8 }>; NAMED],
}

impl Names {
    /// From now on the function that messages name by `entry` is called `name`, as far as there is
    /// room for it, and the one that had this place has no name.
    ///
    /// # Panics
    /// If there is no such place.
    pub fn set(&self, place: usize, entry: u64, name: &str) {
        // Who looks on meanwhile is to see no name rather than another's.
        step();
        self.entries[place].store(0, Ordering::Relaxed);
        self.names[place].set_front(name);
        step();
        self.entries[place].store(entry, Ordering::Relaxed);
    }

    /// Every function that has a name, and its name.
    pub(crate) fn get(&self) -> Vec<(u64, String)> {
        let entries = self.entries.iter().zip(&self.names);
        entries
            .filter_map(|(entry, name)| {
                let entry = entry.load(Ordering::Relaxed);
                if entry == 0 {
                    return None;
                }
                Some((entry, name.get()?))
            })
            .collect()
    }
}

packed!(Names { entries, names } then 0 unused);

const _: () = {
    assert!(offset_of!(Names, entries) == 0x0000);
    assert!(offset_of!(Names, names) == 0x0180);
    assert!(size_of::<Names>() == 0x0d80);
};

/// Where every field lies, and how much they take.
pub(super) const NAMES: &[usize] = &[
    offset_of!(Names, entries),
    offset_of!(Names, names),
    NAMED,
    size_of::<Names>(),
];
