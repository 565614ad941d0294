//! Names of segments: who made it, when that process started, and a part that nobody guesses.
//!
//! ```text
//! /fy-<pid>-<start>-<random>[.<child>]      each part in base 36
//! 4    1..=5 1 1..=7 1  9    1 1..=3        31 bytes at most, the limit of macOS
//! ```

use std::{fmt, io};

use super::SegmentError;
use crate::OsError;
use crate::process::{self, Pid};

/// How many children one name can have: three digits in base 36.
pub const MAX_CHILDREN: u16 = 46_656;

const PREFIX: &str = "/fy-";
const BASE: u64 = 36;
const START_DIGITS: u32 = 7;
const RANDOM_DIGITS: u32 = 9;
const START_LIMIT: u64 = BASE.pow(START_DIGITS);
const RANDOM_LIMIT: u64 = BASE.pow(RANDOM_DIGITS);

/// The name of a control segment, or of one of its children (the extents of its arena). At most 31 bytes, begins with a
/// slash, and carries 46 random bits.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SegmentName {
    text: String,
    creator: Pid,
    start: u64,
}

impl SegmentName {
    /// A new name that says that the calling process made it.
    ///
    /// # Errors
    /// [`SegmentError::Os`] when the system gives no random numbers or no start time of this process.
    pub fn fresh() -> Result<Self, SegmentError> {
        let creator = Pid::current();
        let start = process::own_start_time().map_err(|error| {
            let doing = match error.kind() {
                io::ErrorKind::NotFound => {
                    "read the start time of this process (is /proc mounted?)"
                }
                _ => "read the start time of this process",
            };
            OsError::new(doing, error)
        })?;
        let start = start % START_LIMIT;
        let mut bytes = [0; 8];
        super::platform::random(&mut bytes)?;
        let random = u64::from_le_bytes(bytes) % RANDOM_LIMIT;
        let text = format!(
            "{PREFIX}{}-{}-{:0>9}",
            base36(u64::from(creator.as_raw().unsigned_abs())),
            base36(start),
            base36(random),
        );
        Ok(Self {
            text,
            creator,
            start,
        })
    }

    /// Reads a name, with or without the leading slash (directory listings come without it).
    ///
    /// # Errors
    /// [`SegmentError::BadName`] for anything that this type does not write.
    pub fn parse(text: &str) -> Result<Self, SegmentError> {
        Self::parse_parts(text).ok_or_else(|| SegmentError::BadName { text: text.into() })
    }

    fn parse_parts(text: &str) -> Option<Self> {
        let rest = text.strip_prefix('/').unwrap_or(text);
        let (stem, child) = match rest.split_once('.') {
            Some((stem, child)) => (stem, Some(child)),
            None => (rest, None),
        };
        let mut parts = stem.strip_prefix(&PREFIX[1..])?.split('-');
        let (pid, start, random) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || random.len() != RANDOM_DIGITS as usize {
            return None;
        }
        from_base36(random, RANDOM_DIGITS)?;
        if let Some(child) = child {
            from_base36(child, 3).filter(|_| canonical(child))?;
        }
        let pid_number = from_base36(pid, 5).filter(|_| canonical(pid))?;
        let start_number = from_base36(start, START_DIGITS).filter(|_| canonical(start))?;
        Some(Self {
            text: format!("/{rest}"),
            creator: Pid::from_raw(i32::try_from(pid_number).ok()?)?,
            start: start_number,
        })
    }

    /// The name of child number `index`; of a child, the name of its sibling.
    ///
    /// # Panics
    /// When `index` is not below [`MAX_CHILDREN`].
    #[must_use]
    pub fn child(&self, index: u16) -> Self {
        assert!(
            index < MAX_CHILDREN,
            "a segment has at most {MAX_CHILDREN} children"
        );
        let pool = self.pool();
        Self {
            text: format!("{}.{}", pool.text, base36(u64::from(index))),
            ..pool
        }
    }

    /// The name of the control segment that this one belongs to: itself, or its parent.
    #[must_use]
    pub fn pool(&self) -> Self {
        let stem = self.text.split('.').next().unwrap_or(&self.text);
        Self {
            text: stem.to_owned(),
            creator: self.creator,
            start: self.start,
        }
    }

    /// The name with its slash, as `shm_open` takes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The process that made the name, as its own pid namespace counts.
    #[must_use]
    pub fn creator_pid(&self) -> Pid {
        self.creator
    }

    /// When that process started, in the unit of [`process::start_time`], modulo 36⁷.
    #[must_use]
    pub fn creator_start(&self) -> u64 {
        self.start
    }

    /// Whether the process of that pid, started at that time, made the name.
    #[must_use]
    pub fn is_of(&self, creator: Pid, start: u64) -> bool {
        self.creator == creator && start % START_LIMIT == self.start
    }

    /// Whether the very process that made the name (not a later one of the same pid) still runs.
    ///
    /// Two containers that share `/dev/shm` but not their pids cannot judge each other's segments.
    #[must_use]
    pub fn creator_is_alive(&self) -> bool {
        process::is_alive(self.creator)
            && process::start_time(self.creator)
                .is_none_or(|start| start % START_LIMIT == self.start)
    }
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SegmentName({})", self.text)
    }
}

fn base36(mut number: u64) -> String {
    let mut digits = Vec::new();
    loop {
        let digit = u32::try_from(number % BASE).unwrap_or(0);
        digits.extend(char::from_digit(digit, 36));
        number /= BASE;
        if number == 0 {
            return digits.iter().rev().collect();
        }
    }
}

fn from_base36(text: &str, most_digits: u32) -> Option<u64> {
    let fits = (1..=most_digits as usize).contains(&text.len());
    let plain = text
        .bytes()
        .all(|b| b.is_ascii_digit() || b.is_ascii_lowercase());
    (fits && plain).then(|| u64::from_str_radix(text, 36).ok())?
}

/// Whether a number has no leading zeros, so that one name is spelt in one way.
fn canonical(digits: &str) -> bool {
    digits == "0" || !digits.starts_with('0')
}
