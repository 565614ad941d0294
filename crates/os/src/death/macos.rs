//! One kqueue: `EVFILT_PROC` for processes, `EVFILT_READ` for descriptors, `EVFILT_USER` for the waker.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::event::{EvFlags, EventFilter, FilterFlag, KEvent, Kqueue};

use super::DeathEvents;
use crate::OsError;
use crate::process::{self, Pid};

const WAKER_IDENT: usize = 0;

/// Watches any number of processes, and a few descriptors, for any number of pools.
#[derive(Debug)]
pub struct DeathWatch {
    queue: Arc<Kqueue>,
    dead_on_arrival: Mutex<Vec<u64>>,
}

/// Wakes a [`DeathWatch`] from any thread.
#[derive(Debug, Clone)]
pub struct DeathWaker(Arc<Kqueue>);

impl DeathWaker {
    /// Makes the present wait, or else the next one, come back with `woken`. Does not block, and many are as one.
    pub fn wake(&self) {
        let event = user_event(EvFlags::empty(), FilterFlag::NOTE_TRIGGER);
        if let Err(error) = change(&self.0, event) {
            tracing::warn!(%error, "a watch over processes could not be woken");
        }
    }
}

impl DeathWatch {
    /// A watch over nobody yet.
    ///
    /// # Errors
    /// When there are no more descriptors to be had (it takes one).
    pub fn new() -> Result<Self, OsError> {
        let queue =
            Kqueue::new().map_err(|errno| OsError::new("set up a watch over processes", errno))?;
        change(
            &queue,
            user_event(EvFlags::EV_ADD | EvFlags::EV_CLEAR, FilterFlag::empty()),
        )
        .map_err(|errno| OsError::new("set up a watch over processes", errno))?;
        Ok(Self {
            queue: Arc::new(queue),
            dead_on_arrival: Mutex::default(),
        })
    }

    /// A handle that ends a wait early.
    #[must_use]
    pub fn waker(&self) -> DeathWaker {
        DeathWaker(Arc::clone(&self.queue))
    }

    /// Watches a process until it dies, and then tells `token` once; at once if no such process is there. A process
    /// counts as dead before it is reaped. May be called while another thread waits.
    ///
    /// # Errors
    /// When the kernel refuses the watch.
    pub fn watch(&self, pid: Pid, token: u64) -> Result<(), OsError> {
        match change(&self.queue, exit_event(pid, token)) {
            Ok(()) => Ok(()),
            Err(Errno::ESRCH) => {
                self.dead_on_arrival
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(token);
                self.waker().wake();
                Ok(())
            }
            Err(errno) => Err(OsError::new("watch a process", errno)),
        }
    }

    /// Watches a descriptor, and tells `token` for as long as it is readable or its other side is closed. May be
    /// called while another thread waits. Call [`DeathWatch::unwatch_fd`] before the descriptor is closed.
    ///
    /// # Errors
    /// When the kernel refuses the watch.
    pub fn watch_fd(&self, fd: BorrowedFd<'_>, token: u64) -> Result<(), OsError> {
        change(&self.queue, read_event(fd, EvFlags::EV_ADD, token))
            .map_err(|errno| OsError::new("watch a descriptor", errno))
    }

    /// Ends the watch over a descriptor; without effect when it is not watched.
    pub fn unwatch_fd(&self, fd: BorrowedFd<'_>) {
        // Not watched is as good as no longer watched.
        let _ = change(&self.queue, read_event(fd, EvFlags::EV_DELETE, 0));
    }

    /// Waits until something happens or the timeout (`None`: for ever) runs out. Several threads may wait; each event
    /// but readable descriptors goes to one of them.
    ///
    /// # Errors
    /// When the system cannot wait.
    pub fn wait(&self, timeout: Option<Duration>) -> Result<DeathEvents, OsError> {
        let deadline = timeout.and_then(|limit| Instant::now().checked_add(limit));
        loop {
            let mut buffer = [user_event(EvFlags::empty(), FilterFlag::empty()); 64];
            let left = deadline.map(time_left);
            let count = match self.queue.kevent(&[], &mut buffer, left) {
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

    fn sort(&self, raw: &[KEvent]) -> DeathEvents {
        let mut events = DeathEvents::default();
        for event in raw {
            let token = event.udata() as u64;
            match event.filter() {
                Ok(EventFilter::EVFILT_PROC) => events.died.push(token),
                Ok(EventFilter::EVFILT_READ) => events.readable.push(token),
                _ => events.woken = true,
            }
        }
        let mut dead = self
            .dead_on_arrival
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        events.died.append(&mut dead);
        events
    }
}

/// Blocks until the process `pid` that started at `started` (see [`process::start_time`]) is gone. Comes back at once
/// if that very process is not there. It need not be a child.
///
/// # Errors
/// When there are no more descriptors, or the kernel refuses the watch.
pub fn wait_for_exit(pid: Pid, started: u64) -> Result<(), OsError> {
    let watch = DeathWatch::new()?;
    watch.watch(pid, 0)?;
    // The watch holds on to one process. If the start time read now is the expected one, that process is the one.
    if process::start_time(pid) != Some(started) {
        return Ok(());
    }
    while watch.wait(None)?.died.is_empty() {}
    Ok(())
}

/// Hands one change to the kernel and nothing back; an error of the change is the error of the call.
fn change(queue: &Kqueue, event: KEvent) -> nix::Result<()> {
    crate::error::retry(|| queue.kevent(&[event], &mut [], None).map(drop))
}

fn user_event(flags: EvFlags, notes: FilterFlag) -> KEvent {
    KEvent::new(WAKER_IDENT, EventFilter::EVFILT_USER, flags, notes, 0, 0)
}

fn exit_event(pid: Pid, token: u64) -> KEvent {
    KEvent::new(
        pid.as_raw().unsigned_abs() as usize,
        EventFilter::EVFILT_PROC,
        EvFlags::EV_ADD | EvFlags::EV_ONESHOT,
        FilterFlag::NOTE_EXIT,
        0,
        token.cast_signed() as isize,
    )
}

fn read_event(fd: BorrowedFd<'_>, flags: EvFlags, token: u64) -> KEvent {
    KEvent::new(
        fd.as_raw_fd().unsigned_abs() as usize,
        EventFilter::EVFILT_READ,
        flags,
        FilterFlag::empty(),
        0,
        token.cast_signed() as isize,
    )
}

fn time_left(deadline: Instant) -> libc::timespec {
    let left = deadline.saturating_duration_since(Instant::now());
    libc::timespec {
        tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(left.subsec_nanos()),
    }
}
