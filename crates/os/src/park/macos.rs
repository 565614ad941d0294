//! `os_sync_wait_on_address` with the SHARED flag (macOS 14.4 and later); below that the `__ulock` calls under it; and
//! if a system had neither, short naps. All are looked up at run time, so that one binary runs on all.

use std::ffi::{CStr, c_int, c_void};
use std::mem;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::Wake;

const WORD_BYTES: usize = 4;
const SHARED: u32 = 1;
/// `OS_CLOCK_MACH_ABSOLUTE_TIME`, the only clock that the call knows.
const CLOCK: u32 = 32;
const UL_COMPARE_AND_WAIT_SHARED: u32 = 3;
const ULF_WAKE_ALL: u32 = 0x100;
const ULF_NO_ERRNO: u32 = 0x0100_0000;
/// How long one nap of the last resort is.
const NAP: Duration = Duration::from_micros(50);

type WaitFn = unsafe extern "C" fn(*mut c_void, u64, usize, u32) -> c_int;
type WaitTimeoutFn = unsafe extern "C" fn(*mut c_void, u64, usize, u32, u32, u64) -> c_int;
type WakeFn = unsafe extern "C" fn(*mut c_void, usize, u32) -> c_int;
type UlockWaitFn = unsafe extern "C" fn(u32, *mut c_void, u64, u32) -> c_int;
type UlockWakeFn = unsafe extern "C" fn(u32, *mut c_void, u64) -> c_int;

#[derive(Clone, Copy)]
enum Backend {
    OsSync {
        wait: WaitFn,
        wait_timeout: WaitTimeoutFn,
        wake_any: WakeFn,
        wake_all: WakeFn,
    },
    Ulock {
        wait: UlockWaitFn,
        wake: UlockWakeFn,
    },
    Naps,
}

fn symbol(name: &CStr) -> Option<*mut c_void> {
    // SAFETY: RTLD_DEFAULT searches the loaded images for a NUL-terminated name and has no other precondition.
    let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    (!address.is_null()).then_some(address)
}

fn find_backend() -> Backend {
    let os_sync = (
        symbol(c"os_sync_wait_on_address"),
        symbol(c"os_sync_wait_on_address_with_timeout"),
        symbol(c"os_sync_wake_by_address_any"),
        symbol(c"os_sync_wake_by_address_all"),
    );
    if let (Some(wait), Some(wait_timeout), Some(any), Some(all)) = os_sync {
        // SAFETY: these are the system's functions of those names, and the types are their declarations in
        // <os/os_sync_wait_on_address.h>.
        return unsafe {
            Backend::OsSync {
                wait: mem::transmute::<*mut c_void, WaitFn>(wait),
                wait_timeout: mem::transmute::<*mut c_void, WaitTimeoutFn>(wait_timeout),
                wake_any: mem::transmute::<*mut c_void, WakeFn>(any),
                wake_all: mem::transmute::<*mut c_void, WakeFn>(all),
            }
        };
    }
    if let (Some(wait), Some(wake)) = (symbol(c"__ulock_wait"), symbol(c"__ulock_wake")) {
        // SAFETY: as above, with the declarations of xnu's <sys/ulock.h>, unchanged since macOS 10.12.
        return unsafe {
            Backend::Ulock {
                wait: mem::transmute::<*mut c_void, UlockWaitFn>(wait),
                wake: mem::transmute::<*mut c_void, UlockWakeFn>(wake),
            }
        };
    }
    Backend::Naps
}

fn backend() -> Backend {
    static BACKEND: OnceLock<Backend> = OnceLock::new();
    *BACKEND.get_or_init(find_backend)
}

/// Sleeps while `word` holds `expected`, until [`wake`], the timeout (`None`: for ever), or for no reason.
///
/// Comparing and falling asleep are one step for the kernel, so a wake that follows a change of the word is not lost.
/// The word may lie in memory that several processes map, at different addresses. macOS does not tell a word that
/// had changed from a wake, so [`Wake::Changed`] comes only from a look before the call.
pub fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) -> Wake {
    // Relaxed: only a hint; the caller looks again with the ordering that its protocol needs.
    if word.load(Ordering::Relaxed) != expected {
        return Wake::Changed;
    }
    if timeout == Some(Duration::ZERO) {
        return Wake::TimedOut;
    }
    match backend() {
        Backend::OsSync {
            wait, wait_timeout, ..
        } => wait_os_sync(wait, wait_timeout, word, expected, timeout),
        Backend::Ulock { wait, .. } => wait_ulock(wait, word, expected, timeout),
        Backend::Naps => wait_by_naps(word, expected, timeout),
    }
}

fn wait_os_sync(
    wait: WaitFn,
    wait_timeout: WaitTimeoutFn,
    word: &AtomicU32,
    expected: u32,
    timeout: Option<Duration>,
) -> Wake {
    let address = word.as_ptr().cast();
    let value = u64::from(expected);
    // SAFETY: `address` is a live, aligned word of WORD_BYTES for as long as the reference; the kernel only reads it.
    let result = unsafe {
        match timeout {
            None => wait(address, value, WORD_BYTES, SHARED),
            Some(limit) => {
                let ns = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
                wait_timeout(address, value, WORD_BYTES, SHARED, CLOCK, ns)
            }
        }
    };
    if result < 0 && Errno::last() == Errno::ETIMEDOUT {
        Wake::TimedOut
    } else {
        Wake::Woken
    }
}

fn wait_ulock(
    wait: UlockWaitFn,
    word: &AtomicU32,
    expected: u32,
    timeout: Option<Duration>,
) -> Wake {
    // Zero means for ever, and longer than an hour comes back early, which a caller takes as a wake for no reason.
    let micros = timeout.map_or(0, |limit| {
        u32::try_from(limit.as_micros().max(1)).unwrap_or(3_600_000_000)
    });
    let cut_short = timeout.is_some_and(|limit| limit.as_micros() > u128::from(u32::MAX));
    // SAFETY: as in `wait_os_sync`; the operation compares a u32 at the address.
    let result = unsafe {
        wait(
            UL_COMPARE_AND_WAIT_SHARED | ULF_NO_ERRNO,
            word.as_ptr().cast(),
            u64::from(expected),
            micros,
        )
    };
    if result == -libc::ETIMEDOUT && !cut_short {
        Wake::TimedOut
    } else {
        Wake::Woken
    }
}

fn wait_by_naps(word: &AtomicU32, expected: u32, timeout: Option<Duration>) -> Wake {
    let start = Instant::now();
    // Relaxed: see `wait`.
    while word.load(Ordering::Relaxed) == expected {
        if timeout.is_some_and(|limit| start.elapsed() >= limit) {
            return Wake::TimedOut;
        }
        std::thread::sleep(NAP);
    }
    Wake::Changed
}

/// Wakes up to `how_many` sleepers of `word`, in whatever process. Costs a system call even when nobody sleeps; more
/// than eight are woken all at once, and too many awake are allowed.
pub fn wake(word: &AtomicU32, how_many: u32) {
    let address: *mut c_void = word.as_ptr().cast();
    let (rounds, all) = if how_many > 8 {
        (1, true)
    } else {
        (how_many, false)
    };
    for _ in 0..rounds {
        // SAFETY: a wake takes the address as a key only and does not touch what is there.
        let result = unsafe {
            match backend() {
                Backend::OsSync { wake_all, .. } if all => wake_all(address, WORD_BYTES, SHARED),
                Backend::OsSync { wake_any, .. } => wake_any(address, WORD_BYTES, SHARED),
                Backend::Ulock { wake, .. } => {
                    let flags = if all { ULF_WAKE_ALL } else { 0 };
                    wake(
                        UL_COMPARE_AND_WAIT_SHARED | ULF_NO_ERRNO | flags,
                        address,
                        0,
                    )
                }
                Backend::Naps => return,
            }
        };
        if result < 0 {
            return; // nobody sleeps there any more
        }
    }
}
