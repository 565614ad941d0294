//! Values of any shape that processes share: a process owns one, and others call functions on it.
//!
//! ```text
//!   owner ──── pool of one worker ────> the manager's process: the value, a thread per line
//!   any process of the program ──── socket ───────^   one call at a time, in order of coming
//! ```
//!
//! `owner` starts and ends it, `server` is its process, `client` calls it; `frame` is what they
//! say, `folder` where they meet. `dict` and `list` are ready-made ones. Why sockets, and not
//! shared memory, is in `docs/decisions/0011-how-managers-are-called.md`.

mod client;
mod dict;
mod error;
mod folder;
mod frame;
mod list;
mod owner;
mod server;
mod turns;

use std::fmt;
use std::marker::PhantomData;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use forkyard_wire::codec;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use dict::Dict;
pub use error::{CallPanic, ManagerError, ManagerStartError};
pub use folder::{leftovers, sweep};
pub use list::List;

pub(crate) use folder::take_folder_away;
pub(crate) use server::Call;

use crate::job::{ItemError, caught};
use crate::time::after;
use crate::trampoline::{self, CallEntry};
use crate::{Pool, PoolBuilder};
use client::{Request, Site};
use error::Refusal;
use owner::Owner;

/// A value of any shape in a process of its own, on which others call functions.
///
/// This is the most general way to share state, and the costliest: each call encodes its
/// argument, wakes the manager's process, and waits for its answer, which takes hundreds of
/// times as long as a [`SharedCell`](crate::SharedCell) or a [`SharedMutex`](crate::SharedMutex)
/// does. Take it for what changes its shape (maps, lists, trees) and is asked for now and then;
/// take a cell for a number or a flag, an array for many, a mutex for plain data of one size, a
/// queue for handing work on. And do much in one call rather than little in many.
///
/// ```no_run
/// use std::collections::HashMap;
///
/// use forkyard::{Manager, Pool};
///
/// type Words = HashMap<String, u64>;
///
/// fn count((words, text): (Manager<Words>, String)) -> Result<usize, forkyard::ManagerError> {
///     words.call(
///         |words, text: String| {
///             for word in text.split_whitespace() {
///                 *words.entry(word.to_owned()).or_insert(0) += 1;
///             }
///             words.len()
///         },
///         text,
///     )
/// }
///
/// forkyard::init();
/// let words = Manager::start(Words::new)?;
/// let pool = Pool::builder().build()?;
/// let texts = ["a b a", "b c"].map(|text| (words.clone(), text.to_owned()));
/// for known in pool.map(count, texts) {
///     println!("{} words are known", known??);
/// }
/// assert_eq!(words.call(|words, word: String| words[&word], "a".to_owned())?, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Who may call, and who owns it
/// A handle can be sent to tasks of any pool of this program, alone or within any argument or
/// result, and to other managers; whoever has it may call, from any number of threads.
///
/// The handle that [`start`](Self::start) returns, and its clones in that process, own the
/// manager: when the last of them is dropped the manager ends, and later calls by others get
/// [`ManagerError::Ended`]. Calls that are under way have a tenth of a second to finish. Handles
/// that were received own nothing.
///
/// # Calls
/// One function at a time runs on the value, each caller in its turn; what a call does is seen
/// whole or not at all by the others. So a read-modify-write belongs into *one* call: an update
/// made of a call that reads and another that writes loses what came between.
///
/// A function that panics is an error to its caller alone. The value lives on as the function
/// left it, perhaps half-changed: [`is_poisoned`](Self::is_poisoned) tells. A caller that dies
/// disturbs nobody; the function it called runs to its end.
///
/// A function must not call its own manager, directly or by way of another manager, which is
/// [`ManagerError::Nested`]. Nor may it wait for a task that does: that is not noticed, and
/// neither ends ([`call_timeout`](Self::call_timeout) does).
///
/// # What it takes
/// A process, and in it a thread and a descriptor for each thread elsewhere that calls at the
/// same time. `T` is dropped when the manager ends in good order, in its process.
///
/// The socket lies in a folder below the one for temporary files (`TMPDIR`) that only this user
/// may enter.
pub struct Manager<T> {
    site: Arc<Site>,
    /// Keeps the manager alive; only where it was started.
    owner: Option<Arc<Owner>>,
    of: PhantomData<fn() -> T>,
}

impl<T: Send + 'static> Manager<T> {
    /// Starts a manager whose value is what `make` returns, in its process.
    ///
    /// # Errors
    /// [`ManagerStartError`].
    pub fn start<F>(make: F) -> Result<Self, ManagerStartError>
    where
        F: Fn() -> T + Copy + 'static,
    {
        let _ = make;
        Self::with(made::<T, F>, ())
    }

    /// Starts a manager whose value is what `make` makes of `argument`, in its process: the
    /// argument crosses, the value need not.
    ///
    /// ```no_run
    /// use forkyard::Manager;
    /// use std::collections::BTreeSet;
    ///
    /// forkyard::init();
    /// let primes = Manager::with(BTreeSet::from_iter, vec![2, 3, 5, 7])?;
    /// assert!(primes.call(|primes, n| primes.contains(&n), 5)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ManagerStartError`].
    pub fn with<F, A>(make: F, argument: A) -> Result<Self, ManagerStartError>
    where
        F: Fn(A) -> T + Copy + 'static,
        A: Serialize + DeserializeOwned + 'static,
    {
        Self::start_on(Pool::builder(), make, argument)
    }

    /// As [`with`](Self::with), with settings for the manager's process, which is the only
    /// worker of a pool of its own: its start method, for one.
    ///
    /// A builder that others use, too, will do. What it says of tasks and of the coming and going of
    /// workers is not for a manager, and is left out: `workers`, `task_timeout`, `task_grace`,
    /// `on_crash`, `max_tasks_per_child`, `recycle_after_growth`, `min_workers` and `idle_timeout`.
    ///
    /// # Errors
    /// [`ManagerStartError`].
    pub fn start_on<F, A>(
        builder: PoolBuilder,
        make: F,
        argument: A,
    ) -> Result<Self, ManagerStartError>
    where
        F: Fn(A) -> T + Copy + 'static,
        A: Serialize + DeserializeOwned + 'static,
    {
        let (site, owner) = owner::start(builder, make, argument)?;
        let manager = Self {
            site,
            owner: Some(owner),
            of: PhantomData,
        };
        // From here on its process takes calls, and a death of it is that of the task that does.
        manager
            .is_poisoned()
            .map_err(ManagerStartError::FirstCall)?;
        Ok(manager)
    }

    /// Calls `f` on the value, in the manager's process, and waits for what it returns.
    ///
    /// `f` is a function by its name, or a closure that captures nothing: all that it needs
    /// travels in `argument`.
    ///
    /// # Errors
    /// [`ManagerError`].
    #[expect(clippy::needless_pass_by_value, reason = "as tasks are given theirs")]
    pub fn call<F, In, Out>(&self, f: F, argument: In) -> Result<Out, ManagerError>
    where
        F: Fn(&mut T, In) -> Out + Copy + 'static,
        In: Serialize + DeserializeOwned,
        Out: Serialize + DeserializeOwned,
    {
        self.call_lent::<F, In, Out, In>(f, &argument, None)
    }

    /// [`call`](Self::call) that waits no longer than `timeout` (from when the manager could be
    /// connected to). A call that was sent is not taken back: its function may run, and nobody
    /// learns what it returned.
    ///
    /// # Errors
    /// [`ManagerError`], with [`TimedOut`](ManagerError::TimedOut) among them.
    #[expect(clippy::needless_pass_by_value, reason = "as tasks are given theirs")]
    pub fn call_timeout<F, In, Out>(
        &self,
        f: F,
        argument: In,
        timeout: Duration,
    ) -> Result<Out, ManagerError>
    where
        F: Fn(&mut T, In) -> Out + Copy + 'static,
        In: Serialize + DeserializeOwned,
        Out: Serialize + DeserializeOwned,
    {
        self.call_lent::<F, In, Out, In>(f, &argument, Some(after(timeout)))
    }

    /// Calls with an argument that is lent: `Sent` encodes as `In` does.
    fn call_lent<F, In, Out, Sent>(
        &self,
        f: F,
        argument: &Sent,
        deadline: Option<Instant>,
    ) -> Result<Out, ManagerError>
    where
        F: Fn(&mut T, In) -> Out + Copy + 'static,
        In: DeserializeOwned,
        Out: Serialize + DeserializeOwned,
        Sent: Serialize + ?Sized,
    {
        let _ = f; // it holds nothing; its type is what crosses
        self.send(called::<T, F, In, Out>, argument, deadline)
    }
}

impl<T> Manager<T> {
    /// The manager's process id.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.site.pid
    }

    /// Whether a called function has panicked, and may have left the value half-changed.
    ///
    /// ```no_run
    /// use forkyard::Manager;
    ///
    /// forkyard::init();
    /// let pair = Manager::start(|| (0_u64, 0_u64))?;
    /// let broken = pair.call(|pair, ()| { pair.0 += 1; assert_ne!(pair.0, 1); pair.1 += 1 }, ());
    /// assert!(broken.is_err() && pair.is_poisoned()?);
    /// pair.call(|pair, ()| pair.1 = pair.0, ())?;
    /// pair.clear_poison()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ManagerError`], when the manager is gone.
    pub fn is_poisoned(&self) -> Result<bool, ManagerError> {
        self.send(|call| call.poisoned(false), &(), None)
    }

    /// The value is in order again: forgets that a function has panicked, and says whether one
    /// had.
    ///
    /// # Errors
    /// [`ManagerError`], when the manager is gone.
    pub fn clear_poison(&self) -> Result<bool, ManagerError> {
        self.send(|call| call.poisoned(true), &(), None)
    }

    fn send<Out, Sent>(
        &self,
        entry: CallEntry,
        argument: &Sent,
        deadline: Option<Instant>,
    ) -> Result<Out, ManagerError>
    where
        Out: DeserializeOwned,
        Sent: Serialize + ?Sized,
    {
        let chain = server::chain_to(&self.site.token).ok_or(ManagerError::Nested)?;
        let request = Request {
            entry: trampoline::offset_of_call(entry),
            chain,
            deadline,
        };
        let put = |buffer: &mut Vec<u8>| {
            let put = || codec::encode_to_vec(argument, buffer);
            guarded(put).map_err(ManagerError::EncodeArgument)
        };
        self.site
            .here()
            .call(&request, put, |status, bytes| match status {
                frame::STATUS_VALUE => {
                    guarded(|| codec::decode(bytes)).map_err(ManagerError::DecodeResult)
                }
                _ => Err(codec::decode::<Refusal>(bytes).map_or_else(
                    |error| ManagerError::Refused(format!("its reason cannot be decoded: {error}")),
                    |why| why.at_caller(std::any::type_name::<T>()),
                )),
            })
    }
}

/// Runs user code that encodes or decodes; its error, or its panic, in words.
fn guarded<R>(body: impl FnOnce() -> Result<R, codec::CodecError>) -> Result<R, String> {
    caught(|| body().map_err(|error| ItemError::Decode(error.to_string()))).map_err(|error| {
        match error {
            ItemError::Decode(why) => why,
            ItemError::Panicked(panic) => format!("it panicked: {}", panic.message),
            other => format!("{other:?}"),
        }
    })
}

fn made<T, F: Fn() -> T + Copy + 'static>((): ()) -> T {
    trampoline::conjure::<F>()()
}

/// The trampoline of a call.
fn called<T, F, In, Out>(call: &mut Call<'_>)
where
    T: Send + 'static,
    F: Fn(&mut T, In) -> Out + Copy + 'static,
    In: DeserializeOwned,
    Out: Serialize,
{
    call.run::<T, In, Out>(trampoline::conjure::<F>());
}

impl<T> Clone for Manager<T> {
    fn clone(&self) -> Self {
        Self {
            site: Arc::clone(&self.site),
            owner: self.owner.clone(),
            of: PhantomData,
        }
    }
}

impl<T> fmt::Debug for Manager<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manager")
            .field("pid", &self.site.pid)
            .field("owner", &self.owner.is_some())
            .finish_non_exhaustive()
    }
}

impl<T> Serialize for Manager<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let folder = self.site.folder.as_os_str().as_bytes();
        (folder, self.site.pid, self.site.token).serialize(serializer)
    }
}

impl<'de, T> Deserialize<'de> for Manager<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (folder, pid, token) = <(Vec<u8>, i32, frame::Token)>::deserialize(deserializer)?;
        let folder = PathBuf::from(std::ffi::OsString::from_vec(folder));
        if !folder.is_absolute() || folder::segment_of(&folder).is_none() || pid <= 0 {
            return Err(D::Error::custom("this is not the handle of a manager"));
        }
        Ok(Self {
            site: client::site(folder, pid, token),
            owner: None,
            of: PhantomData,
        })
    }
}
