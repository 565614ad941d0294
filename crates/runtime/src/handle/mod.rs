//! One submitted task, as its submitter holds it.

mod cancel;
mod completed;
mod timed;

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use forkyard_shm::lane::Message;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Transport;
use crate::arena::Unpacking;
use crate::chunk::encode_error;
use crate::driver::{Core, Driver, Patience, Reply, Terms, Watcher, Whereabouts, tell_in_turn};
use crate::error::TaskError;
use crate::job::caught;
use crate::packing::Packing;
use crate::parcel::{Parcel, Put, Ready, Ticket};
use crate::reply::Decoder;
use crate::sink::{PutError, Sink};
use crate::time::after;
use crate::trampoline::Function;

pub use cancel::CancelHandle;
pub use completed::{AsCompleted, Done, WaitFor, as_completed, wait};
pub(crate) use timed::{Stamped, timed_task};
pub use timed::{TaskTimings, Timed};

/// The result to come of a task given to [`Pool::submit`](crate::Pool::submit).
///
/// It can be waited for ([`join`](Self::join)), asked ([`try_join`](Self::try_join)), handed to a
/// function ([`on_done`](Self::on_done)), awaited in any executor (it is a [`Future`]), and waited
/// for together with others ([`as_completed`], [`wait`]).
///
/// Dropping it does not cancel the task, which runs, and whose result is thrown away. What is not
/// wanted any more is [cancelled](Self::cancel), also while somebody waits for it
/// ([`cancel_handle`](Self::cancel_handle)), or when its handle is dropped, if it was asked for
/// ([`cancel_on_drop`](Self::cancel_on_drop)).
///
/// ```no_run
/// # forkyard::init();
/// let pool = forkyard::Pool::builder().build()?;
/// let mut handle = pool.submit(|n: u64| n * n, 12);
/// match handle.try_join() {
///     Some(result) => println!("there already: {}", result?),
///     None => println!("a moment later: {}", handle.join()?),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "the result comes through join"]
pub struct Handle<Out> {
    core: Arc<Core>,
    state: State,
    /// Its end is the task's.
    cancels: bool,
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
    function: Function,
    terms: Terms,
    argument: In,
) -> Handle<Out> {
    let state = match pack(core, function.entry, argument) {
        Err(error) => State::Failed(error),
        Ok(parcel) => {
            let mut driver = core.lock();
            let batch = driver.open_batch(core, function, terms);
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
        cancels: false,
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
    if core.options.transport == Transport::Shared {
        match parcel.put(message, &argument)? {
            Put::Whole => return Ok(parcel),
            Put::Moves => {
                drop(argument);
                return parcel.settle().map(|()| parcel);
            }
            Put::TooLong => {}
        }
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
    ///
    /// # Panics
    /// When the result was taken already.
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

    /// The result, if it is there; `None` when it is not, and the handle can be asked again.
    ///
    /// # Panics
    /// When the result was taken already.
    pub fn try_join(&mut self) -> Option<Result<Out, TaskError>> {
        let batch = match self.sent() {
            Ok(batch) => batch,
            Err(error) => return Some(Err(error)),
        };
        let mut driver = self.core.lock();
        let take = |driver: &mut Driver| driver.take_only_reply(batch);
        let reply = self.core.look(&mut driver, take);
        drop(driver);
        Some(self.decode(reply?))
    }

    /// Has `callback` run with the result, once it is there, instead of waiting for it.
    ///
    /// It runs on whichever thread takes the result: one that waits for something of this pool or
    /// asks for it (also by [`is_done`](Self::is_done)), or one of the pool's own, or, when the
    /// result is there already, this one, before this returns. A callback within a callback is run
    /// when the outer one has returned, on the same thread.
    ///
    /// Results may not be taken meanwhile, so it should be short, and not wait. It may submit, and
    /// drop the pool. When it panics, that is reported on standard error, and nothing else comes
    /// of it.
    ///
    /// Where the system has no other thread for it, the one that looks after the pool runs it, up
    /// to a second late. There it must not close the pool, nor wait for anything of it.
    ///
    /// ```no_run
    /// # forkyard::init();
    /// # let pool = forkyard::Pool::builder().build()?;
    /// let (sender, results) = std::sync::mpsc::channel();
    /// for n in 0..10_u64 {
    ///     let sender = sender.clone();
    ///     pool.submit(|n: u64| n * n, n).on_done(move |result| {
    ///         let _ = sender.send((n, result));
    ///     });
    /// }
    /// drop(sender);
    /// for (n, result) in results {
    ///     println!("{n} squared is {}", result?);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Panics
    /// When the result was taken already.
    pub fn on_done(mut self, callback: impl FnOnce(Result<Out, TaskError>) + Send + 'static)
    where
        Out: 'static,
    {
        let batch = match self.sent() {
            Ok(batch) => batch,
            Err(error) => return tell_in_turn(move || callback(Err(error))),
        };
        self.state = State::Taken;
        let core = Arc::clone(&self.core);
        let call = move |reply| callback(decode(&core, reply));
        let mut driver = self.core.lock();
        let watching = self
            .core
            .watch_batch(&mut driver, batch, Watcher::Call(Box::new(call)));
        if let Err(Watcher::Call(call)) = watching {
            let reply = driver.take_only_reply(batch);
            drop(driver);
            if let Some(reply) = reply {
                tell_in_turn(move || call(reply));
            }
        }
    }

    fn wait(&mut self, deadline: Option<Instant>) -> Option<Result<Out, TaskError>> {
        let batch = match self.sent() {
            Ok(batch) => batch,
            Err(error) => return Some(Err(error)),
        };
        let reply = self.core.drive(Patience::Next, deadline, |driver| {
            driver.take_only_reply(batch)
        })?;
        Some(self.decode(reply))
    }

    /// Where its reply will be, or why there will be none; this takes the result then.
    ///
    /// # Panics
    /// When the result was taken already.
    fn sent(&mut self) -> Result<u32, TaskError> {
        match &self.state {
            State::Sent(batch) => Ok(*batch),
            State::Failed(error) => {
                let error = error.clone();
                self.state = State::Taken;
                Err(error)
            }
            State::Taken => panic!("the result of this handle was taken already"),
        }
    }

    fn decode(&mut self, reply: Reply) -> Result<Out, TaskError> {
        self.state = State::Taken;
        decode(&self.core, reply)
    }

    /// Whether a worker is at the task now.
    #[must_use]
    pub fn is_running(&self) -> bool {
        let State::Sent(batch) = self.state else {
            return false;
        };
        let whereabouts = |driver: &mut Driver| Some(driver.whereabouts(&self.core, batch));
        self.core.look(&mut self.core.lock(), whereabouts) == Some(Whereabouts::Running)
    }

    /// Whether the result is there.
    #[must_use]
    pub fn is_done(&self) -> bool {
        let State::Sent(batch) = self.state else {
            return true;
        };
        let is_done = |driver: &mut Driver| {
            let batch = driver.batches.get(batch as usize);
            batch
                .is_none_or(|batch| !batch.replies.is_empty())
                .then_some(())
        };
        self.core.look(&mut self.core.lock(), is_done).is_some()
    }
}

/// The one result of a reply.
fn decode<Out: DeserializeOwned>(core: &Core, mut reply: Reply) -> Result<Out, TaskError> {
    // A result that speaks of no block is decoded without the arena.
    let speaks_of_blocks = reply.parcel.message.round > 0;
    let _unpacking = speaks_of_blocks.then(|| Unpacking::from(&core.arena));
    let mut result = None;
    Decoder::of(&mut reply).decode(|_, decoded| result = Some(decoded));
    result.unwrap_or_else(|| Err(TaskError::Fault("a reply of no result".into())))
}

/// Ready with what [`join`](Handle::join) returns. It needs no executor of any kind: while a task
/// is awaited, and no thread waits for anything of its pool, the pool's own thread takes results.
///
/// # Panics
/// When it is polled after the result was taken.
impl<Out: DeserializeOwned> Future for Handle<Out> {
    type Output = Result<Out, TaskError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let batch = match self.sent() {
            Ok(batch) => batch,
            Err(error) => return Poll::Ready(Err(error)),
        };
        let waker = Watcher::Waker(context.waker().clone());
        let mut driver = self.core.lock();
        let watching = self.core.watch_batch(&mut driver, batch, waker);
        if watching.is_ok() {
            return Poll::Pending;
        }
        let reply = driver.take_only_reply(batch);
        drop(driver); // before the waker, whose drop is the user's code
        match reply {
            Some(reply) => Poll::Ready(self.decode(reply)),
            None => unreachable!("a batch of one that is not watched has its reply"),
        }
    }
}

impl<Out> Drop for Handle<Out> {
    fn drop(&mut self) {
        if let State::Sent(batch) = self.state
            && self.core.is_ours()
        {
            if self.cancels {
                self.cancel();
            }
            self.core.lock().close_batch(batch);
        }
    }
}
