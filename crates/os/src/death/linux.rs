//! pidfds, an eventfd and plain descriptors in one epoll instance.

use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::DeathEvents;
use crate::OsError;
use crate::error::retry;
use crate::process::{self, Pid};

/// The key of the eventfd; the others count up from 1.
const WAKER_KEY: u64 = 0;

/// Watches any number of processes, and a few descriptors, for any number of pools.
#[derive(Debug)]
pub struct DeathWatch {
    epoll: Epoll,
    waker: Arc<EventFd>,
    watched: Mutex<Watched>,
}

#[derive(Debug, Default)]
struct Watched {
    last_key: u64,
    by_key: HashMap<u64, Watch>,
    dead_on_arrival: Vec<u64>,
}

#[derive(Debug)]
enum Watch {
    /// The pidfd is held open, and closing it ends the watch.
    Process { _pidfd: OwnedFd, token: u64 },
    /// The descriptor is its owner's.
    Fd { raw: i32, token: u64 },
}

/// Wakes a [`DeathWatch`] from any thread.
#[derive(Debug, Clone)]
pub struct DeathWaker(Arc<EventFd>);

impl DeathWaker {
    /// Makes the present wait, or else the next one, come back with `woken`. Does not block, and many are as one.
    pub fn wake(&self) {
        // The only failure is a counter that is full, and then the wake is pending already.
        let _ = retry(|| self.0.write(1));
    }
}

impl DeathWatch {
    /// A watch over nobody yet.
    ///
    /// # Errors
    /// When there are no more descriptors to be had (it takes two, and one for each process).
    pub fn new() -> Result<Self, OsError> {
        let failed = |errno| OsError::new("set up a watch over processes", errno);
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(failed)?;
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let waker = EventFd::from_value_and_flags(0, flags).map_err(failed)?;
        epoll
            .add(&waker, EpollEvent::new(EpollFlags::EPOLLIN, WAKER_KEY))
            .map_err(failed)?;
        Ok(Self {
            epoll,
            waker: Arc::new(waker),
            watched: Mutex::default(),
        })
    }

    /// A handle that ends a wait early.
    #[must_use]
    pub fn waker(&self) -> DeathWaker {
        DeathWaker(Arc::clone(&self.waker))
    }

    /// Watches a process until it dies, and then tells `token` once; at once if no such process is there. A process
    /// counts as dead before it is reaped. May be called while another thread waits.
    ///
    /// # Errors
    /// When there are no more descriptors, or the kernel is older than 5.3.
    pub fn watch(&self, pid: Pid, token: u64) -> Result<(), OsError> {
        match open_pidfd(pid)? {
            Some(pidfd) => {
                let mut watched = self.lock();
                let key = watched.next_key();
                self.add(pidfd.as_fd(), key)?;
                let _pidfd = pidfd;
                watched.by_key.insert(key, Watch::Process { _pidfd, token });
            }
            None => {
                self.lock().dead_on_arrival.push(token);
                self.waker().wake();
            }
        }
        Ok(())
    }

    /// Watches a descriptor, and tells `token` for as long as it is readable or its other side is closed. May be
    /// called while another thread waits. Call [`DeathWatch::unwatch_fd`] before the descriptor is closed.
    ///
    /// # Errors
    /// When the descriptor is watched already, or is a plain file.
    pub fn watch_fd(&self, fd: BorrowedFd<'_>, token: u64) -> Result<(), OsError> {
        let mut watched = self.lock();
        let key = watched.next_key();
        self.add(fd, key)?;
        let raw = fd.as_raw_fd();
        watched.by_key.insert(key, Watch::Fd { raw, token });
        Ok(())
    }

    /// Ends the watch over a descriptor; without effect when it is not watched.
    pub fn unwatch_fd(&self, fd: BorrowedFd<'_>) {
        let raw_fd = fd.as_raw_fd();
        let mut watched = self.lock();
        watched
            .by_key
            .retain(|_, watch| !matches!(watch, Watch::Fd { raw, .. } if *raw == raw_fd));
        // Not watched is as good as no longer watched.
        let _ = self.epoll.delete(fd);
    }

    /// Waits until something happens or the timeout (`None`: for ever) runs out. Several threads may wait; each event
    /// but readable descriptors goes to one of them.
    ///
    /// # Errors
    /// When the system cannot wait.
    pub fn wait(&self, timeout: Option<Duration>) -> Result<DeathEvents, OsError> {
        let deadline = timeout.and_then(|limit| Instant::now().checked_add(limit));
        loop {
            let mut buffer = [EpollEvent::empty(); 64];
            let count = match self.epoll.wait(&mut buffer, epoll_timeout(deadline)) {
                Err(Errno::EINTR) => 0,
                other => other.map_err(|errno| OsError::new("wait for processes", errno))?,
            };
            let events = self.sort(&buffer[..count]);
            let over = deadline.is_some_and(|end| Instant::now() >= end);
            if over || !events.is_empty() {
                return Ok(events);
            }
        }
    }

    fn sort(&self, raw: &[EpollEvent]) -> DeathEvents {
        let mut events = DeathEvents::default();
        let mut watched = self.lock();
        for key in raw.iter().map(EpollEvent::data) {
            if key == WAKER_KEY {
                // Read before the list is taken below: a death on arrival that comes later wakes again.
                events.woken |= retry(|| self.waker.read()).is_ok();
                continue;
            }
            match watched.by_key.get(&key) {
                Some(Watch::Fd { token, .. }) => events.readable.push(*token),
                Some(Watch::Process { token, .. }) => {
                    events.died.push(*token);
                    watched.by_key.remove(&key);
                }
                None => {}
            }
        }
        events.died.append(&mut watched.dead_on_arrival);
        events
    }

    fn add(&self, fd: BorrowedFd<'_>, key: u64) -> Result<(), OsError> {
        self.epoll
            .add(fd, EpollEvent::new(EpollFlags::EPOLLIN, key))
            .map_err(|errno| OsError::new("watch a descriptor", errno))
    }

    fn lock(&self) -> MutexGuard<'_, Watched> {
        // No code of others runs under the lock, and each step leaves the map whole.
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    fn next_key(&mut self) -> u64 {
        self.last_key += 1;
        self.last_key
    }
}

/// Blocks until the process `pid` that started at `started` (see [`process::start_time`]) is gone. Comes back at once
/// if that very process is not there. It need not be a child.
///
/// # Errors
/// When there are no more descriptors, or the kernel is older than 5.3.
pub fn wait_for_exit(pid: Pid, started: u64) -> Result<(), OsError> {
    let Some(pidfd) = open_pidfd(pid)? else {
        return Ok(());
    };
    // The pidfd holds on to one process. If the start time read now is the expected one, that process is the one.
    if process::start_time(pid) != Some(started) {
        return Ok(());
    }
    let mut fds = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
    retry(|| nix::poll::poll(&mut fds, PollTimeout::NONE))
        .map(drop)
        .map_err(|errno| OsError::new("wait for the end of a process", errno))
}

/// A descriptor that becomes readable when the process ends; `None` when there is no such process.
fn open_pidfd(pid: Pid) -> Result<Option<OwnedFd>, OsError> {
    // SAFETY: the call takes two integers and touches no memory; its descriptor is always close-on-exec.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
    match i32::try_from(fd) {
        // SAFETY: the kernel has just given this descriptor to us, and nobody else knows it.
        Ok(fd @ 0..) => Ok(Some(unsafe { OwnedFd::from_raw_fd(fd) })),
        _ => match Errno::last() {
            Errno::ESRCH => Ok(None),
            errno => Err(OsError::new(
                "open a pidfd (Linux 5.3 or later is needed)",
                errno,
            )),
        },
    }
}

/// What is left until the deadline, rounded up so that a wait does not spin through its last millisecond.
fn epoll_timeout(deadline: Option<Instant>) -> EpollTimeout {
    deadline.map_or(EpollTimeout::NONE, |end| {
        let left = end.saturating_duration_since(Instant::now());
        i32::try_from(left.as_nanos().div_ceil(1_000_000))
            .ok()
            .and_then(|millis| EpollTimeout::try_from(millis).ok())
            .unwrap_or(EpollTimeout::MAX)
    })
}
