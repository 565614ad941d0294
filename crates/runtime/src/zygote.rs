//! The zygote: a single-threaded process that does nothing but fork workers, and tell how
//! they ended.
//!
//! ```text
//!   supervisor ──Fork──> zygote ──fork──> worker
//!              <─Forked──
//!              <─Exited── (reaped by the zygote, whose children they are)
//! ```
//!
//! It is forked, or executed, before the pool has threads, so that replacements can be
//! forked from a clean image at any time later. When the line to the supervisor closes, it
//! ends; its workers notice the same death themselves.

use std::os::fd::OwnedFd;

use forkyard_os::control::{
    ChildEvents, ControlError, ControlSocket, Either, MESSAGE_BYTES, wait_either,
};
use forkyard_os::process::{
    ForkError, Forked, become_worker, become_worker_again, discard_stdin, exit_now, fork, reap_any,
};
use forkyard_os::stderr::become_stderr;

use crate::bootstrap::{Attachment, unlink_all, unlink_if_orphaned};
use crate::setup::{Preparation, prepare};
use crate::start::{EXIT_NOT_ATTACHED, EXIT_ORPHANED, NotForked, ZygoteMessage};
use crate::worker;

/// What a turn of the loop leads to.
enum Next {
    /// The next turn.
    Serve,
    /// This process is now that worker, as soon as its zygote says so.
    Become {
        index: usize,
        generation: u32,
        stderr: Option<OwnedFd>,
        go: ControlSocket,
    },
    /// The line is closed: the supervisor is gone.
    Leave,
    /// The line is of no use, for a reason that says nothing of the supervisor.
    Fail,
}

impl From<ControlError> for Next {
    fn from(error: ControlError) -> Self {
        match error {
            ControlError::Closed => Self::Leave,
            _ => Self::Fail,
        }
    }
}

/// Waits until it is needed, forks the next spare while it is as clean as it was, then serves.
pub(crate) fn run_spare(
    mut socket: ControlSocket,
    attachment: Attachment,
    preparation: &Preparation,
) -> ! {
    loop {
        stand_alone();
        match socket.recv_with() {
            Err(ControlError::Closed) => leave(&attachment),
            Err(_) => fail(&attachment),
            Ok((_, None)) => break,
            Ok((_, Some(line))) => match fork_spare(&socket, line.into()) {
                Some(line) => socket = line, // this is that spare now
                None => break,
            },
        }
    }
    run(socket, attachment, preparation)
}

/// Forks the next spare, which is told its line, and is the one to return it. Without one the
/// supervisor is told of none, and has no other.
fn fork_spare(socket: &ControlSocket, line: ControlSocket) -> Option<ControlSocket> {
    let (go, held) = ControlSocket::pair().ok()?;
    match fork().ok()? {
        Forked::Child => {
            drop(go);
            // As a worker does: what the supervisor was never told of must not take the closing
            // of its line for the supervisor's end.
            if held.recv(None).is_err() {
                exit_now(EXIT_ORPHANED);
            }
            Some(line)
        }
        Forked::Parent(pid) => {
            let pid = pid.as_raw();
            if socket.send(&ZygoteMessage::Spare { pid }.encode()).is_ok() {
                let _ = go.send(&[0; MESSAGE_BYTES]);
            }
            None
        }
    }
}

/// Serves until the supervisor is gone.
pub(crate) fn run(socket: ControlSocket, attachment: Attachment, preparation: &Preparation) -> ! {
    stand_alone();
    let _ = worker::cores();
    // The functions of another build are elsewhere; its workers will say that it is one.
    if attachment.is_same_build() {
        prepare(preparation);
        // Whatever the preload did about signals; its workers do not look again.
        become_worker();
    }
    let Ok(children) = ChildEvents::install() else {
        exit_now(EXIT_NOT_ATTACHED)
    };
    loop {
        match serve_one(&socket, &children) {
            Next::Serve => {}
            Next::Become {
                index,
                generation,
                stderr,
                go,
            } => {
                // The supervisor must see the line close when the zygote itself ends.
                drop(socket);
                drop(children);
                if go.recv(None).is_err() {
                    exit_now(EXIT_ORPHANED);
                }
                drop(go);
                become_worker_again();
                // One that cannot be taken stays the zygote's.
                let _ = stderr.map(become_stderr);
                worker::run(attachment, index, generation)
            }
            Next::Leave => leave(&attachment),
            Next::Fail => fail(&attachment),
        }
    }
}

/// Nothing of the terminal, and of what the program reads, is for workers.
fn stand_alone() {
    become_worker();
    if discard_stdin().is_err() {
        exit_now(EXIT_NOT_ATTACHED);
    }
}

/// The supervisor is gone.
fn leave(attachment: &Attachment) -> ! {
    unlink_all(&attachment.name, &attachment.control);
    exit_now(EXIT_ORPHANED)
}

/// Want of memory, or the like. The supervisor sees the line close, and takes another zygote: the
/// pool's names are still needed.
fn fail(attachment: &Attachment) -> ! {
    unlink_if_orphaned(&attachment.name, &attachment.control);
    exit_now(EXIT_NOT_ATTACHED)
}

fn serve_one(socket: &ControlSocket, children: &ChildEvents) -> Next {
    match wait_either(socket, children) {
        Ok(Either::ChildChanged) => match report_exits(socket) {
            Ok(()) => Next::Serve,
            Err(error) => error.into(),
        },
        Ok(Either::Message) => match socket.recv_with() {
            Ok((bytes, stderr)) => match ZygoteMessage::decode(&bytes) {
                Some(ZygoteMessage::Fork { index, generation }) => {
                    fork_worker(socket, index, generation, stderr)
                }
                _ => Next::Serve,
            },
            Err(error) => error.into(),
        },
        Ok(Either::PeerGone) => Next::Leave,
        Err(_) => Next::Fail,
    }
}

fn fork_worker(
    socket: &ControlSocket,
    index: usize,
    generation: u32,
    stderr: Option<OwnedFd>,
) -> Next {
    let not_forked = |why| ZygoteMessage::NotForked {
        index,
        generation,
        why,
    };
    let Ok((go, held)) = ControlSocket::pair() else {
        return answer(socket, not_forked(NotForked::Other));
    };
    match fork() {
        Ok(Forked::Child) => {
            drop(go);
            Next::Become {
                index,
                generation,
                stderr,
                go: held,
            }
        }
        Ok(Forked::Parent(pid)) => {
            let pid = pid.as_raw();
            let next = answer(
                socket,
                ZygoteMessage::Forked {
                    index,
                    generation,
                    pid,
                },
            );
            // Only now. A worker that its supervisor was never told of, because this process died
            // before it could, must not sit down where another will be: it sees the line close,
            // and ends. One that has died already needs no word.
            let _ = go.send(&[0; MESSAGE_BYTES]);
            next
        }
        Err(error) => {
            let why = match error {
                ForkError::ProcessLimit => NotForked::Limit,
                ForkError::Threads { .. } => NotForked::Threads,
                _ => NotForked::Other,
            };
            answer(socket, not_forked(why))
        }
    }
}

fn answer(socket: &ControlSocket, message: ZygoteMessage) -> Next {
    match socket.send(&message.encode()) {
        Ok(()) => Next::Serve,
        Err(error) => error.into(),
    }
}

fn report_exits(socket: &ControlSocket) -> Result<(), ControlError> {
    while let Some(exit) = reap_any() {
        socket.send(&ZygoteMessage::Exited(exit).encode())?;
    }
    Ok(())
}
