//! Starting a manager, and ending it: its process is the one worker of a pool of its own.
//!
//! The pool's first task makes the value and listens, its second and last takes calls until it
//! is told to end; with that the pool is closing from its start, so that nobody takes the place
//! of a manager that has died.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use forkyard_os::process::Birth;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::client::{self, Site};
use super::error::{ManagerError, ManagerStartError};
use super::folder;
use super::frame::Token;
use super::server::{self, NoSocket, Orders};
use crate::error::TaskError;
use crate::{Handle, Pool, PoolBuilder, trace, trampoline};

/// How long a call that is under way may take when the last handle of the owner is dropped.
const DROP_GRACE: Duration = Duration::from_millis(100);

/// How long the news of a death may take from the closed line to the pool.
const NEWS_OF_DEATH: Duration = Duration::from_secs(2);

/// Who started a manager. Its drop ends the manager.
#[derive(Debug)]
pub(super) struct Owner {
    site: Arc<Site>,
    birth: Birth,
    serving: Mutex<Serving>,
    /// `None` only while it is dropped.
    pool: Option<Pool>,
}

#[derive(Debug)]
enum Serving {
    Yes(Handle<()>),
    /// The manager's process is gone; why, unless it was told to end.
    Ended(Option<ManagerError>),
}

/// Starts a manager: its process makes the value by `make(argument)`.
pub(super) fn start<T, F, A>(
    builder: PoolBuilder,
    make: F,
    argument: A,
) -> Result<(Arc<Site>, Arc<Owner>), ManagerStartError>
where
    T: Send + 'static,
    F: Fn(A) -> T + Copy + 'static,
    A: Serialize + DeserializeOwned + 'static,
{
    let _ = make; // it holds nothing; its type is what crosses
    sweep();
    let token = random_token()?;
    let pool = builder.of_a_manager().build()?;
    let folder = folder::of(pool.core().memory.name());
    let orders = Orders {
        folder: folder.clone(),
        token,
    };
    let prepared = pool.submit(prepare::<T, F, A>, (orders, argument)).join();
    let pid = prepared
        .map_err(ManagerStartError::from)
        .and_then(|prepared| prepared.map_err(no_socket))
        // Its process may have died when it had made the folder.
        .inspect_err(|_| folder::remove(&folder))?;
    let serving = pool.submit(|()| server::serve(), ());
    pool.take_no_more();
    let site = client::site(folder, pid, token);
    let owner = Arc::new(Owner {
        site: Arc::clone(&site),
        birth: Birth::here(),
        serving: Mutex::new(Serving::Yes(serving)),
        pool: Some(pool),
    });
    let _ = site.owner.set(Arc::downgrade(&owner));
    Ok((site, owner))
}

/// The first task of a manager's process.
fn prepare<T, F, A>((orders, argument): (Orders, A)) -> Result<i32, NoSocket>
where
    T: Send + 'static,
    F: Fn(A) -> T + Copy + 'static,
{
    let make = trampoline::conjure::<F>();
    server::prepare(&orders, make(argument))
}

fn no_socket(error: NoSocket) -> ManagerStartError {
    match error {
        NoSocket::TooLong(bytes) => ManagerStartError::PathTooLong {
            folder: std::env::temp_dir(),
            bytes,
        },
        NoSocket::Os(why) => ManagerStartError::Socket(why),
    }
}

fn sweep() {
    match folder::sweep() {
        Ok(swept) if swept.is_empty() => {}
        Ok(swept) => trace::swept("folders of managers", swept.len()),
        Err(error) => trace::not_swept("folders of managers", &error),
    }
}

fn random_token() -> Result<Token, ManagerStartError> {
    let mut token = Token::default();
    let read = File::open("/dev/urandom").and_then(|mut from| from.read_exact(&mut token));
    let no_token = |error: io::Error| {
        ManagerStartError::Socket(format!("no random numbers from /dev/urandom: {error}"))
    };
    read.map(|()| token).map_err(no_token)
}

impl Owner {
    /// How the manager's process died, once that is known; waits a little for it, since whoever
    /// asks has seen its line closed.
    pub(super) fn death(&self) -> Option<ManagerError> {
        if !self.birth.is_here() {
            return None;
        }
        let mut serving = self.serving.lock().unwrap_or_else(PoisonError::into_inner);
        if let Serving::Yes(handle) = &mut *serving {
            let ended = match handle.join_timeout(NEWS_OF_DEATH)? {
                Err(TaskError::WorkerDied(death)) => Some(ManagerError::Died {
                    pid: death.pid,
                    cause: Some(death.cause),
                }),
                // It was told to end.
                Ok(()) | Err(_) => None,
            };
            *serving = Serving::Ended(ended);
        }
        match &*serving {
            Serving::Ended(death) => death.clone(),
            Serving::Yes(_) => None,
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        client::forget(&self.site);
        let Some(pool) = self.pool.take() else { return };
        if !self.birth.is_here() {
            return; // a forked child's copy; the pool's own drop knows it, too
        }
        pool.abort_handle().abort(DROP_GRACE);
        // The manager sleeps until somebody calls; now it looks at the flag. One that is gone
        // cannot be called, and one that cannot be woken gets signals.
        let _ = UnixStream::connect(folder::socket_in(&self.site.folder));
        pool.abort(DROP_GRACE);
        folder::remove(&self.site.folder);
    }
}
