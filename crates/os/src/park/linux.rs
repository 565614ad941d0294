//! The futex, of the kind that processes share (without `FUTEX_PRIVATE_FLAG`).

use std::ptr;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use nix::errno::Errno;

use super::Wake;

/// Sleeps while `word` holds `expected`, until [`wake`], the timeout (`None`: for ever), or for no reason.
///
/// Comparing and falling asleep are one step for the kernel, so a wake that follows a change of the word is not lost.
/// The word may lie in memory that several processes map, at different addresses.
pub fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) -> Wake {
    let limit = timeout.map(|limit| libc::timespec {
        tv_sec: libc::time_t::try_from(limit.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: libc::c_long::from(limit.subsec_nanos().cast_signed()),
    });
    let limit_ptr = limit.as_ref().map_or(ptr::null(), ptr::from_ref);
    // SAFETY: `word` is a live, aligned u32 for as long as the reference, and the kernel only reads it, atomically;
    // `limit_ptr` is null or points to `limit`, which outlives the call. FUTEX_WAIT uses no further argument.
    let result = unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT,
            expected,
            limit_ptr,
        )
    };
    if result == 0 {
        return Wake::Woken;
    }
    match Errno::last() {
        Errno::EAGAIN => Wake::Changed,
        Errno::ETIMEDOUT => Wake::TimedOut,
        _ => Wake::Woken,
    }
}

/// Wakes up to `how_many` sleepers of `word`, in whatever process. Costs a system call even when nobody sleeps.
pub fn wake(word: &AtomicU32, how_many: u32) {
    let how_many = i32::try_from(how_many).unwrap_or(i32::MAX);
    // SAFETY: FUTEX_WAKE takes the address as a key only and does not touch what is there.
    unsafe {
        libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, how_many);
    }
}
