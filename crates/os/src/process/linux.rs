//! Processes as `/proc` tells of them.

use std::ffi::CString;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::{fs, io};

use super::Pid;
use crate::OsError;

/// When a process started, in an opaque unit of this machine since boot (clock ticks); `None` when no such process is
/// there. With the pid it names a process for good: pids come again, this pair does not.
#[must_use]
pub fn start_time(pid: Pid) -> Option<u64> {
    stat_field(&stat(pid).ok()?, 22)?.parse().ok()
}

/// As [`start_time`], of the calling process, with what the system says where it does not tell.
pub(crate) fn own_start_time() -> io::Result<u64> {
    let field = stat_field(&stat(Pid::current())?, 22).and_then(|field| field.parse().ok());
    field.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// How many threads the calling process has, the calling one included.
///
/// # Errors
/// When `/proc` is not mounted.
pub fn thread_count() -> Result<usize, OsError> {
    let unreadable = |error| OsError::new("count the threads of this process in /proc", error);
    // A folder has a link from each folder in it, and two more: one call, and no text to be made and read.
    if let Ok(tasks) = fs::metadata("/proc/self/task")
        && let Some(count @ 1..) = tasks.nlink().checked_sub(2)
    {
        return Ok(usize::try_from(count).unwrap_or(usize::MAX));
    }
    let text = fs::read_to_string("/proc/self/stat").map_err(unreadable)?;
    stat_field(&text, 20)
        .and_then(|field| field.parse().ok())
        .ok_or_else(|| unreadable(io::ErrorKind::InvalidData.into()))
}

/// Names the calling thread, and when that is the first one the process, in process listings. At most 15 bytes are
/// kept. It is a courtesy: what cannot be named stays as it is.
pub fn set_name(name: &str) {
    let mut end = name.len().min(15);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    let Ok(name) = CString::new(&name[..end]) else {
        return;
    };
    // SAFETY: PR_SET_NAME reads at most 16 bytes of a NUL-terminated string that outlives the call.
    unsafe {
        libc::prctl(libc::PR_SET_NAME, name.as_ptr());
    }
}

/// Whether a process has ended and only waits to be reaped. Unknown counts as no.
pub(super) fn has_ended(pid: Pid) -> bool {
    stat(pid).is_ok_and(|text| matches!(stat_field(&text, 3), Some("Z" | "X" | "x")))
}

/// What to execute to start this very image once more. The link is resolved in the child, which shares the image until
/// then, so replacing the file on disk does not mix builds.
#[expect(
    clippy::unnecessary_wraps,
    reason = "the signature is the one of macOS"
)]
pub(super) fn program() -> io::Result<PathBuf> {
    Ok(PathBuf::from("/proc/self/exe"))
}

pub(crate) fn stat(pid: Pid) -> io::Result<String> {
    let bytes = fs::read(format!("/proc/{pid}/stat"))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Field `number`, counted from 1 as in proc(5), of a stat line; from 3 on, after the name, which may hold anything.
pub(crate) fn stat_field(line: &str, number: usize) -> Option<&str> {
    let (_, after_name) = line.rsplit_once(')')?;
    after_name
        .split_ascii_whitespace()
        .nth(number.checked_sub(3)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_behind_any_name() {
        let line = "12 (a) b (c)) S 1 12 12 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 9 0 777 1 2";
        assert_eq!(stat_field(line, 3), Some("S"));
        assert_eq!(stat_field(line, 20), Some("9"));
        assert_eq!(stat_field(line, 22), Some("777"));
        assert_eq!(stat_field(line, 99), None);
        assert_eq!(stat_field("garbage", 3), None);
    }

    #[test]
    fn the_threads_of_a_test_are_counted() {
        let before = thread_count().unwrap();
        assert!(before >= 1);
        let (release, held) = std::sync::mpsc::channel::<()>();
        let other = std::thread::spawn(move || held.recv());
        // Other tests start and end threads meanwhile; ours is there all the time.
        assert!(thread_count().unwrap() >= 2);
        drop(release);
        assert!(other.join().unwrap().is_err());
    }

    #[test]
    fn naming_cuts_between_characters() {
        std::thread::spawn(|| {
            set_name("aaaaaaaaaaaaaa\u{e4}bc");
            let name = fs::read_to_string("/proc/thread-self/comm").unwrap();
            assert_eq!(name.trim_end(), "aaaaaaaaaaaaaa");
        })
        .join()
        .unwrap();
    }
}
