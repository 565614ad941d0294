//! Taking stock of an arena.

use core::fmt;

use super::mapping::Mapping;
use super::process::Arena;
use super::state::Kind;
use super::word::EntryKind;

/// What [`Arena::stats`] found.
///
/// ```text
///   reserved_bytes                                    (of limit_bytes; at most peak_reserved_bytes)
///   +--------------------+--------------------+-----+
///   | blocks in use      | free blocks        | hdr |
///   | used_block_bytes   | free_bytes         |     |
///   +-------------+------+--------------------+-----+
///   | live_bytes  | internal fragmentation
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ArenaStats {
    /// Extents in use or being made.
    pub extents: usize,
    /// Bytes of these extents.
    pub reserved_bytes: u64,
    /// Most bytes that all extents together ever had: the high-water mark.
    pub peak_reserved_bytes: u64,
    /// The limit on the bytes of all extents; 0 for none.
    pub limit_bytes: u64,
    /// Blocks in use by any process.
    pub live_blocks: u64,
    /// Bytes of payload in them, as asked for.
    pub live_bytes: u64,
    /// Bytes of these blocks, which come in sizes.
    pub used_block_bytes: u64,
    /// Free blocks, of whatever size.
    pub free_blocks: u64,
    /// Bytes of the free blocks.
    pub free_bytes: u64,
    /// Bytes of the largest free block: what can be had without a new extent.
    pub largest_free_bytes: u64,
    /// Extents whose blocks could not be counted.
    pub extents_unreadable: usize,
}

impl ArenaStats {
    /// What share of the blocks in use holds no payload, because blocks come in sizes: 0 to 1.
    /// At most a fifth above 256 bytes, a seventeenth above 1 MiB, unless a larger block that
    /// was idle served.
    #[must_use]
    pub fn internal_fragmentation(&self) -> f64 {
        share(
            self.used_block_bytes.saturating_sub(self.live_bytes),
            self.used_block_bytes,
        )
    }

    /// What share of the free bytes is not in the largest free block: 0 when all that is free
    /// is one piece, near 1 when it is in many small ones. (An extent all of whose blocks are
    /// free is given back whole when room is short, whatever this says.)
    #[must_use]
    pub fn fragmentation(&self) -> f64 {
        share(
            self.free_bytes.saturating_sub(self.largest_free_bytes),
            self.free_bytes,
        )
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a share is told to a percent or so"
)]
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    part as f64 / whole as f64
}

/// A count of bytes for people.
struct Bytes(u64);

impl fmt::Display for Bytes {
    #[expect(clippy::cast_precision_loss, reason = "shown to a tenth")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = ["KiB", "MiB", "GiB", "TiB"];
        if self.0 < 1024 {
            return write!(f, "{} B", self.0);
        }
        let unit = (self.0.ilog2() / 10).min(4);
        let value = self.0 as f64 / (1u64 << (10 * unit)) as f64;
        write!(f, "{value:.1} {}", units[unit as usize - 1])
    }
}

/// Two lines for people.
impl fmt::Display for ArenaStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |n: u64| if n == 1 { "" } else { "s" };
        write!(
            f,
            "{} block{} in use with {}; {} reserved in {} extent{}, {} at most",
            self.live_blocks,
            plural(self.live_blocks),
            Bytes(self.live_bytes),
            Bytes(self.reserved_bytes),
            self.extents,
            plural(self.extents as u64),
            Bytes(self.peak_reserved_bytes),
        )?;
        if self.limit_bytes > 0 {
            write!(f, ", limit {}", Bytes(self.limit_bytes))?;
        }
        write!(
            f,
            "\n{} free, the largest block of it {}: fragmentation {:.0} %; {:.0} % of the blocks in \
             use is padding",
            Bytes(self.free_bytes),
            Bytes(self.largest_free_bytes),
            100.0 * self.fragmentation(),
            100.0 * self.internal_fragmentation(),
        )?;
        if self.extents_unreadable > 0 {
            write!(f, "\n{} extents could not be read", self.extents_unreadable)?;
        }
        Ok(())
    }
}

impl Arena {
    /// Takes stock of the whole arena: maps every extent and reads every header, so not for
    /// every task. Each number is right for some instant while it runs.
    #[must_use]
    pub fn stats(&self) -> ArenaStats {
        let directory = self.directory();
        let mut stats = ArenaStats {
            reserved_bytes: directory.reserved_bytes(),
            peak_reserved_bytes: directory.peak_bytes(),
            limit_bytes: directory.limit_bytes(),
            ..ArenaStats::default()
        };
        for (index, entry) in directory.entries() {
            let word = entry.look();
            stats.extents += usize::from(word.kind() != EntryKind::Empty);
            if !word.is_open() {
                continue;
            }
            match self.mapping(word.id(index)) {
                Ok(mapping) => count(&mapping, &mut stats),
                Err(_) => stats.extents_unreadable += usize::from(entry.has(word.id(index))),
            }
        }
        stats
    }
}

fn count(mapping: &Mapping, stats: &mut ArenaStats) {
    let block_bytes = mapping.geometry.block_bytes();
    for header in mapping.headers() {
        if header.look().kind() == Kind::Free {
            stats.free_blocks += 1;
            stats.free_bytes += block_bytes;
            stats.largest_free_bytes = stats.largest_free_bytes.max(block_bytes);
        } else {
            stats.live_blocks += 1;
            stats.live_bytes += header.len().min(block_bytes);
            stats.used_block_bytes += block_bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_what_there_is() {
        let none = ArenaStats::default();
        assert_eq!(none.fragmentation(), 0.0);
        assert_eq!(none.internal_fragmentation(), 0.0);
        let some = ArenaStats {
            live_blocks: 1,
            live_bytes: 750,
            used_block_bytes: 1000,
            free_bytes: 4000,
            largest_free_bytes: 1000,
            ..none
        };
        assert_eq!(some.internal_fragmentation(), 0.25);
        assert_eq!(some.fragmentation(), 0.75);
    }

    #[test]
    fn stats_read_as_sentences() {
        let stats = ArenaStats {
            extents: 2,
            reserved_bytes: 5 << 20,
            peak_reserved_bytes: (5 << 20) + (512 << 10),
            limit_bytes: 3 << 30,
            live_blocks: 1,
            live_bytes: 700,
            used_block_bytes: 1000,
            free_blocks: 3,
            free_bytes: 4096,
            largest_free_bytes: 1024,
            extents_unreadable: 0,
        };
        assert_eq!(
            stats.to_string(),
            "1 block in use with 700 B; 5.0 MiB reserved in 2 extents, 5.5 MiB at most, limit 3.0 GiB\n\
             4.0 KiB free, the largest block of it 1.0 KiB: fragmentation 75 %; 30 % of the blocks in use is padding"
        );
    }
}
