//! How the two ends meet.

use std::io;
use std::sync::OnceLock;

use ipc_channel::ipc::{
    IpcBytesReceiver, IpcBytesSender, IpcOneShotServer, IpcSender, bytes_channel,
};
use serde::{Deserialize, Serialize};

use super::{LinkError, SupervisorEnd, WorkerEnd};

/// A socket's name has 108 bytes on Linux and 104 on macOS, the closing zero included; ipc-channel cuts longer ones
/// silently.
const LONGEST_NAME_BYTES: usize = 103;

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
    /// [`LinkError::Os`] when there are no more descriptors or no writable `TMPDIR`, [`LinkError::NameTooLong`].
    pub fn bind() -> Result<(Self, String), LinkError> {
        send_the_first()?;
        let (server, name) = IpcOneShotServer::new().map_err(|source| LinkError::Os {
            doing: "listen for a worker (is TMPDIR writable and short?)",
            source,
        })?;
        if name.len() > LONGEST_NAME_BYTES {
            return Err(LinkError::NameTooLong { name });
        }
        Ok((Self(server), name))
    }

    /// The supervisor's end of the line. Call it only when the worker has said, over shared memory, that its
    /// [`connect`] came back: until then this waits, for ever if the worker has died.
    ///
    /// # Errors
    /// [`LinkError::PeerGone`] when the worker died in between, [`LinkError::Protocol`] when it sent something else.
    pub fn accept(self) -> Result<SupervisorEnd, LinkError> {
        let (_greeting, hello) = self
            .0
            .accept()
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
    let doing = "open sockets";
    let failed = |error| LinkError::os(doing, error);
    // Two for the line, and two that it measures with.
    let spare = [io::pipe().map_err(failed)?, io::pipe().map_err(failed)?];
    drop(spare);
    let (sender, _receiver) = bytes_channel().map_err(failed)?;
    sender.send(&[0]).map_err(failed)?;
    let _ = SENT.set(());
    Ok(())
}
