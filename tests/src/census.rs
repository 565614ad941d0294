//! Who is there: processes, segments, descriptors and threads, as Linux tells of them.
//!
//! On a system without `/proc` nobody is ever seen; [`has_proc`] says so.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Whether processes can be counted here.
#[must_use]
pub fn has_proc() -> bool {
    Path::new("/proc/self/environ").exists()
}

/// The same, for a test that does nothing where they cannot, and says so.
#[must_use]
pub fn can_see() -> bool {
    let can = has_proc();
    if !can {
        eprintln!("skipped: without /proc nobody can be seen");
    }
    can
}

/// The live processes that have `entry` ("NAME=value") in their environment: a victim and all
/// that descends from it, wherever it was moved to.
#[must_use]
pub fn tagged(entry: &str) -> Vec<i32> {
    pids()
        .filter(|pid| {
            fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environ| {
                environ
                    .split(|byte| *byte == 0)
                    .any(|found| found == entry.as_bytes())
            })
        })
        .collect()
}

/// The children of `parent` that have ended and were not reaped.
#[must_use]
pub fn zombies_of(parent: u32) -> Vec<i32> {
    let parent = parent.cast_signed();
    pids()
        .filter(|pid| standing(*pid).is_some_and(|now| now.state == 'Z' && now.parent == parent))
        .collect()
}

/// What a process is doing, and whose child it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Of its first thread: `R` runs, `S` and `D` sleep, `T` is stopped, `Z` has ended.
    pub state: char,
    /// The process id of its parent.
    pub parent: i32,
}

/// How a process stands now; `None` when there is none of that id.
#[must_use]
pub fn standing(pid: i32) -> Option<Standing> {
    let fields = stat_fields(&format!("/proc/{pid}/stat"))?;
    Some(Standing {
        state: fields.first()?.chars().next()?,
        parent: fields.get(1)?.parse().ok()?,
    })
}

/// Where each thread of a process is in the kernel, a line for each, for a failure's report.
#[must_use]
pub fn whereabouts(pid: i32) -> String {
    let mut text = String::new();
    for thread in threads_of(pid) {
        let look = |what: &str| {
            let path = format!("/proc/{pid}/task/{thread}/{what}");
            let found = fs::read_to_string(path).unwrap_or_default();
            found.trim().replace('\n', " < ")
        };
        let state = stat_fields(&format!("/proc/{pid}/task/{thread}/stat"));
        let state = state.map_or_else(String::new, |fields| fields[0].clone());
        let _ = writeln!(
            text,
            "{pid}/{thread} {} {state} {} {} {}",
            look("comm"),
            look("wchan"),
            look("syscall"),
            look("stack")
        );
    }
    text
}

/// The processes that there are.
pub fn pids() -> impl Iterator<Item = i32> {
    entries("/proc")
        .into_iter()
        .filter_map(|name| name.to_str()?.parse().ok())
}

/// The threads of a process.
#[must_use]
pub fn threads_of(pid: i32) -> Vec<i32> {
    entries(format!("/proc/{pid}/task"))
        .into_iter()
        .filter_map(|name| name.to_str()?.parse().ok())
        .collect()
}

/// How many descriptors this process has open.
#[must_use]
pub fn open_files() -> usize {
    entries("/proc/self/fd").len()
}

/// Resident memory of this process in bytes.
#[must_use]
pub fn resident_bytes() -> u64 {
    let text = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    pages.unwrap_or(0) * 4096
}

/// Nanoseconds that all threads of a process have run so far.
#[must_use]
pub fn cpu_ns(pid: i32) -> u64 {
    threads_of(pid)
        .into_iter()
        .filter_map(|thread| {
            let text = fs::read_to_string(format!("/proc/{pid}/task/{thread}/schedstat")).ok()?;
            text.split(' ').next()?.parse::<u64>().ok()
        })
        .sum()
}

/// Whether the first thread of a process sleeps now.
#[must_use]
pub fn sleeps(pid: i32) -> bool {
    stat_fields(&format!("/proc/{pid}/task/{pid}/stat")).is_some_and(|fields| fields[0] == "S")
}

/// The fields of a stat line from the third (the state) on.
fn stat_fields(path: &str) -> Option<Vec<String>> {
    let text = fs::read_to_string(path).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    Some(rest.split_ascii_whitespace().map(str::to_owned).collect())
}

/// The segments that process `pid` made, by the names of their files.
#[must_use]
pub fn segments_of(pid: u32) -> Vec<PathBuf> {
    let prefix = format!("fy-{}-", base36(pid));
    entries("/dev/shm")
        .into_iter()
        .filter(|name| name.to_str().is_some_and(|name| name.starts_with(&prefix)))
        .map(|name| Path::new("/dev/shm").join(name))
        .collect()
}

fn base36(number: u32) -> String {
    let mut rest = number;
    let mut digits = Vec::new();
    while rest > 0 || digits.is_empty() {
        digits.extend(char::from_digit(rest % 36, 36));
        rest /= 36;
    }
    digits.into_iter().rev().collect()
}

/// The names in a folder; none when it is not there.
#[must_use]
pub fn entries(folder: impl AsRef<Path>) -> Vec<std::ffi::OsString> {
    let listing = fs::read_dir(folder).into_iter().flatten();
    listing
        .filter_map(|entry| entry.ok().map(|entry| entry.file_name()))
        .filter(|name| name != OsStr::new("."))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_spelt_as_segments_spell_them() {
        assert_eq!(base36(0), "0");
        assert_eq!(base36(35), "z");
        assert_eq!(base36(36 * 36 + 1), "101");
    }

    #[test]
    fn this_process_is_seen() {
        if has_proc() {
            assert!(open_files() > 2);
            assert!(resident_bytes() > 0);
            assert!(!threads_of(std::process::id().cast_signed()).is_empty());
        }
    }
}
