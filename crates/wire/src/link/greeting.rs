//! How the two ends meet.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use ipc_channel::ipc::{
    IpcBytesReceiver, IpcBytesSender, IpcOneShotServer, IpcSender, bytes_channel,
};
use serde::{Deserialize, Serialize};

use super::{LinkError, SupervisorEnd, WorkerEnd, place};

/// What a worker sends first: the ends that the supervisor is to hold.
#[derive(Debug, Serialize, Deserialize)]
struct Hello {
    tasks: IpcBytesSender,
    results: IpcBytesReceiver,
}

/// Waits for one worker under a name of its own.
pub struct Listener(IpcOneShotServer<Hello>);

impl Listener {
    /// A listener, and the name that its worker calls [`connect`] with. On Linux the name is a socket in a fresh directory
    /// for this user alone under `TMPDIR`, which goes with the listener (or with [`Listener::accept`]).
    ///
    /// # Errors
    /// [`LinkError::TemporaryFolder`], [`LinkError::NameTooLong`], [`LinkError::Os`] when there are too few descriptors.
    pub fn bind() -> Result<(Self, String), LinkError> {
        send_the_first()?;
        let doing = "listen for a worker (raise ulimit -n)";
        spare(doing)?;
        Self::check()?;
        // What makes its folder may still find it gone, and then ipc-channel panics.
        let made = catch_unwind(IpcOneShotServer::new).unwrap_or_else(|_| {
            let why = "no folder could be made for its socket: look at TMPDIR";
            Err(io::Error::other(why))
        });
        let (server, name) = made.map_err(|source| LinkError::Os {
            doing: "listen for a worker",
            source,
        })?;
        Ok((Self(server), name))
    }

    /// Whether there is a place to listen at, as far as can be said beforehand.
    ///
    /// # Errors
    /// [`LinkError::TemporaryFolder`], [`LinkError::NameTooLong`].
    pub fn check() -> Result<(), LinkError> {
        place::check(&std::env::temp_dir())
    }

    /// The supervisor's end of the line. Call it only when the worker has said, over shared memory, that its
    /// [`connect`] came back: until then this waits, for ever if the worker has died.
    ///
    /// # Errors
    /// [`LinkError::PeerGone`] when the worker died in between, [`LinkError::Protocol`] when it sent something else,
    /// [`LinkError::Os`] when there are too few descriptors.
    pub fn accept(self) -> Result<SupervisorEnd, LinkError> {
        let doing = "accept a worker (raise ulimit -n)";
        // ipc-channel counts on the descriptors that a message should carry, and panics when there was no room for
        // them. Other threads may take what is spare now.
        spare(doing)?;
        let accepted = catch_unwind(AssertUnwindSafe(|| self.0.accept()));
        let (_greeting, hello) = accepted
            .map_err(|_| LinkError::Os {
                doing,
                source: io::Error::other("its connection came without descriptors"),
            })?
            .map_err(|error| LinkError::ipc("accept a worker", error))?;
        Ok(SupervisorEnd::new(hello.tasks, hello.results))
    }
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listener").finish_non_exhaustive()
    }
}

/// The worker's end of the line to the listener of that name. Does not wait for the supervisor: once it is back,
/// [`Listener::accept`] finds all it needs.
///
/// # Errors
/// [`LinkError::PeerGone`] when nobody listens there (any more), [`LinkError::Os`] otherwise.
pub fn connect(name: &str) -> Result<WorkerEnd, LinkError> {
    let doing = "connect to the supervisor";
    let failed = |error| LinkError::os(doing, error);
    send_the_first()?;
    let greeting = IpcSender::connect(name.to_owned()).map_err(failed)?;
    let (tasks, own_tasks) = bytes_channel().map_err(failed)?;
    let (own_results, results) = bytes_channel().map_err(failed)?;
    greeting
        .send(Hello { tasks, results })
        .map_err(|error| LinkError::ipc(doing, error))?;
    Ok(WorkerEnd::new(own_tasks, own_results))
}

/// Sends the first packet of this process, to itself, when there are descriptors to spare for it.
///
/// ipc-channel measures at the first packet how much a socket takes. When there is none to be had for that, it panics,
/// and does so at every further packet as long as the process lives.
fn send_the_first() -> Result<(), LinkError> {
    static SENT: OnceLock<()> = OnceLock::new();
    if SENT.get().is_some() {
        return Ok(());
    }
    let doing = "open sockets (raise ulimit -n)";
    let failed = |error| LinkError::os(doing, error);
    // Two for the line, and two that it measures with.
    spare(doing)?;
    let (sender, _receiver) = bytes_channel().map_err(failed)?;
    sender.send(&[0]).map_err(failed)?;
    let _ = SENT.set(());
    Ok(())
}

/// Four descriptors could be had.
fn spare(doing: &'static str) -> Result<(), LinkError> {
    let failed = |error| LinkError::os(doing, error);
    let four = [io::pipe().map_err(failed)?, io::pipe().map_err(failed)?];
    drop(four);
    Ok(())
}
