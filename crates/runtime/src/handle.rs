//! One submitted task, as its submitter holds it.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

use forkyard_shm::lane::Message;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Transport;
use crate::arena::Unpacking;
use crate::chunk::encode_error;
use crate::driver::{Cancelled, Core, Driver, Patience, Reply, Whereabouts};
use crate::error::TaskError;
use crate::job::caught;
use crate::packing::Packing;
use crate::parcel::{Parcel, Ready, Ticket};
use crate::reply::Decoder;
use crate::sink::{PutError, Sink};
use crate::time::after;

/// The result to come of a task given to [`Pool::submit`](crate::Pool::submit).
///
/// Dropping it lets the task run and throws its result away.
#[must_use = "the result comes through join"]
pub struct Handle<Out> {
    core: Arc<Core>,
    state: State,
    of: PhantomData<fn() -> Out>,
}

#[derive(Debug)]
enum State {
    /// The only message of this batch.
    Sent(u32),
    /// It never left.
    Failed(TaskError),
    /// Its result was taken.
    Taken,
}

impl<Out> fmt::Debug for Handle<Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// Encodes and sends one task.
pub(crate) fn submit<In: Serialize, Out>(
    core: &Arc<Core>,
    entry: u64,
    argument: In,
) -> Handle<Out> {
    let state = match pack(core, entry, argument) {
        Err(error) => State::Failed(error),
        Ok(parcel) => {
            let mut driver = core.lock();
            let batch = driver.open_batch(entry, core.options.terms);
            let ticket = Ticket {
                batch,
                first: 0,
                items: 1,
                deaths: 0,
            };
            match driver.submit_one(core, Ready { ticket, parcel }) {
                Ok(()) => {
                    Core::ensure_fed(core, &mut driver);
                    State::Sent(batch)
                }
                Err(error) => {
                    driver.close_batch(batch);
                    State::Failed(error)
                }
            }
        }
    };
    Handle {
        core: Arc::clone(core),
        state,
        of: PhantomData,
    }
}

fn pack<In: Serialize>(core: &Arc<Core>, entry: u64, argument: In) -> Result<Parcel, TaskError> {
    let _packing = Packing::begin(&core.arena);
    let message = Message {
        entry,
        items: 1,
        ..Message::default()
    };
    let mut parcel = Parcel::default();
    if core.options.transport == Transport::Shared && parcel.put(message, &argument)? {
        return Ok(parcel);
    }
    let mut sink = Sink::new(core.options.transport, Arc::clone(&core.arena));
    let packed = caught(|| {
        let put = sink.put(&argument);
        drop(argument); // what it has in shared memory moves now
        Ok(put.and_then(|()| sink.take(message, &mut parcel)))
    });
    match packed {
        Ok(Ok(())) => Ok(parcel),
        Ok(Err(PutError::Codec(why))) => Err(TaskError::EncodeArgument(why.into())),
        Ok(Err(PutError::SharedMemory(why))) => Err(TaskError::SharedMemory(why.into())),
        Err(panic) => Err(encode_error(panic)),
    }
}

impl<Out: DeserializeOwned> Handle<Out> {
    /// Waits for the result.
    ///
    /// # Errors
    /// [`TaskError`]: why there is none.
    pub fn join(mut self) -> Result<Out, TaskError> {
        match self.wait(None) {
            Some(result) => result,
            None => unreachable!("without a deadline a wait ends with a result"),
        }
    }

    /// Waits for the result for at most `timeout`; `None` when it is not there by then, and
    /// the handle can be asked again.
    ///
    /// # Panics
    /// When the result was taken already.
    pub fn join_timeout(&mut self, timeout: Duration) -> Option<Result<Out, TaskError>> {
        self.wait(Some(after(timeout)))
    }

    fn wait(&mut self, deadline: Option<Instant>) -> Option<Result<Out, TaskError>> {
        let batch = match &self.state {
            State::Sent(batch) => *batch,
            State::Failed(error) => {
                let error = error.clone();
                self.state = State::Taken;
                return Some(Err(error));
            }
            State::Taken => panic!("the result of this handle was taken already"),
        };
        let mut reply = self
            .core
            .drive(Patience::Next, deadline, |driver| reply_of(driver, batch))?;
        self.state = State::Taken;
        // A result that speaks of no block is decoded without the arena.
        let speaks_of_blocks = reply.parcel.message.round > 0;
        let _unpacking = speaks_of_blocks.then(|| Unpacking::from(&self.core.arena));
        let mut result = None;
        Decoder(&mut reply).decode(|_, decoded| result = Some(decoded));
        result
    }

    /// Ends the task, if it has not ended: one that waits never runs, one that runs is asked to
    /// stop ([`Context::is_stopped`](crate::Context::is_stopped)), and its process is ended when
    /// it does not within its [grace](crate::PoolBuilder::task_grace). Then the result is
    /// [`TaskError::Cancelled`]. Returns `false` when there was a result already, which stays.
    ///
    /// Does not wait. A task that runs may come to its end before it is asked; its result is then
    /// dropped all the same.
    pub fn cancel(&mut self) -> bool {
        let State::Sent(batch) = self.state else {
            return false;
        };
        let mut driver = self.core.lock();
        let met = driver.cancel(&self.core, batch);
        driver.feed(&self.core);
        Core::ensure_fed(&self.core, &mut driver);
        drop(driver);
        self.core.ring();
        met != Cancelled::Done
    }

    /// Whether a worker is at the task now.
    #[must_use]
    pub fn is_running(&self) -> bool {
        let State::Sent(batch) = self.state else {
            return false;
        };
        let mut driver = self.core.lock();
        self.core.glance(&mut driver);
        driver.whereabouts(&self.core, batch) == Whereabouts::Running
    }

    /// Whether the result is there.
    #[must_use]
    pub fn is_done(&self) -> bool {
        let State::Sent(batch) = self.state else {
            return true;
        };
        let mut driver = self.core.lock();
        self.core.glance(&mut driver);
        driver
            .batches
            .get(batch as usize)
            .is_none_or(|batch| !batch.replies.is_empty())
    }
}

/// Takes the reply of a batch of one, and the batch with it.
fn reply_of(driver: &mut Driver, batch: u32) -> Option<Reply> {
    let replies = &mut driver.batches.get_mut(batch as usize)?.replies;
    let reply = std::mem::take(replies.as_mut_slice().first_mut()?);
    driver.close_batch(batch);
    Some(reply)
}

impl<Out> Drop for Handle<Out> {
    fn drop(&mut self) {
        if let State::Sent(batch) = self.state
            && self.core.is_ours()
        {
            self.core.lock().close_batch(batch);
        }
    }
}
