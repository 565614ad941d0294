//! News that a child has ended, as a descriptor: a handler of SIGCHLD that writes to a pipe.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicI32, Ordering};

use nix::sys::signal::{self, SaFlags, SigAction, SigHandler, SigSet};

use crate::OsError;

/// Where the handler writes; -1 without one.
static NEWS: AtomicI32 = AtomicI32::new(-1);

/// Becomes readable when a child of this process ends. One at a time in a process; drop takes the handler away.
///
/// A child forked while it exists inherits the handler, and [`crate::process::become_worker`] removes it there.
#[derive(Debug)]
pub struct ChildEvents {
    news: UnixStream,
}

impl ChildEvents {
    /// Installs the handler.
    ///
    /// # Errors
    /// When there is one already, or there are no more descriptors to be had.
    pub fn install() -> Result<Self, OsError> {
        let doing = "watch for the end of children";
        let (news, writer) = UnixStream::pair().map_err(|error| OsError::new(doing, error))?;
        for end in [&news, &writer] {
            end.set_nonblocking(true)
                .map_err(|error| OsError::new(doing, error))?;
        }
        let writer = writer.into_raw_fd();
        // AcqRel: the Acquire side pairs with the Release of the swap in `drop`; failure is only reported, so Relaxed.
        let taken = NEWS.compare_exchange(-1, writer, Ordering::AcqRel, Ordering::Relaxed);
        if taken.is_err() {
            close(writer);
            return Err(OsError::new(doing, io::ErrorKind::AlreadyExists));
        }
        let events = Self { news };
        let action = SigAction::new(
            SigHandler::Handler(on_child),
            SaFlags::SA_RESTART | SaFlags::SA_NOCLDSTOP,
            SigSet::empty(),
        );
        // SAFETY: the handler only does what a signal handler may: a relaxed load, one send, and errno put back.
        unsafe { signal::sigaction(signal::Signal::SIGCHLD, &action) }
            .map_err(|errno| OsError::new(doing, errno))?;
        Ok(events)
    }

    /// Forgets the news so far. Forget first and reap then, all there are: the other way round loses some.
    pub(super) fn drain(&self) {
        let mut bytes = [0; 64];
        while matches!((&self.news).read(&mut bytes), Ok(1..)) {}
    }
}

impl AsFd for ChildEvents {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.news.as_fd()
    }
}

impl Drop for ChildEvents {
    fn drop(&mut self) {
        let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
        // SAFETY: the default disposition runs no code of this process.
        if let Err(errno) = unsafe { signal::sigaction(signal::Signal::SIGCHLD, &default) } {
            tracing::warn!(%errno, "the handler of SIGCHLD could not be removed");
        }
        // Acquire pairs with the Release of the exchange in `install`, and Release with its Acquire.
        close(NEWS.swap(-1, Ordering::AcqRel));
    }
}

fn close(fd: i32) {
    if fd >= 0 {
        // SAFETY: the descriptor comes from `into_raw_fd` in `install` and was taken out of `NEWS`, or never went in, so
        // nobody else closes it.
        drop(unsafe { OwnedFd::from_raw_fd(fd) });
    }
}

extern "C" fn on_child(_signal: i32) {
    let errno = nix::errno::Errno::last_raw();
    // Relaxed: the number stands for itself. A pipe that is full holds news enough.
    let fd = NEWS.load(Ordering::Relaxed);
    if fd >= 0 {
        // SAFETY: send is allowed in a signal handler; it reads one live byte, and on a descriptor that is closed or full
        // it fails without effect.
        unsafe {
            libc::send(fd, [0_u8].as_ptr().cast(), 1, libc::MSG_DONTWAIT);
        }
    }
    nix::errno::Errno::set_raw(errno);
}
