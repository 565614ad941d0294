//! Many handles at once: in the order in which their tasks end, or until enough have.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use super::{Handle, State, decode};
use crate::driver::{Core, Group, Patience, Watcher};
use crate::error::TaskError;
use crate::time::after;

/// The results of many tasks, in the order in which they end; see [`as_completed`].
#[must_use = "the results come by iterating"]
pub struct AsCompleted<Out> {
    handles: Vec<Option<Handle<Out>>>,
    watch: Watch,
    left: usize,
}

impl<Out> fmt::Debug for AsCompleted<Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsCompleted")
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

/// The results of these tasks in the order in which they end, each with its handle's place in the
/// input (counted from zero). The handles may be of several pools.
///
/// Iterating waits for the next one; [`next_timeout`](AsCompleted::next_timeout) waits for so long
/// at most. What is not wanted any more is [cancelled](AsCompleted::cancel_rest), or thrown away when
/// this is dropped before its end, as by dropping the handles.
///
/// ```no_run
/// # forkyard::init();
/// let pool = forkyard::Pool::builder().build()?;
/// let pages = [31_u64, 7, 19];
/// let handles = pages.map(|page| pool.submit(|page: u64| page * 2, page));
/// for (at, result) in forkyard::as_completed(handles) {
///     println!("page {} is done: {:?}", pages[at], result);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Panics
/// When the result of one of the handles was taken already.
pub fn as_completed<Out>(handles: impl IntoIterator<Item = Handle<Out>>) -> AsCompleted<Out> {
    let mut handles: Vec<_> = handles.into_iter().map(Some).collect();
    let watch = Watch::begin(handles.iter_mut().flatten());
    AsCompleted {
        left: handles.len(),
        handles,
        watch,
    }
}

impl<Out> AsCompleted<Out> {
    /// [Cancels](Handle::cancel) every task whose result was not returned yet; how many had none.
    /// These go on to be returned, with [`TaskError::Cancelled`], and what had its result with that.
    ///
    /// ```no_run
    /// # forkyard::init();
    /// let pool = forkyard::Pool::builder().build()?;
    /// let seeds = 0..8_u64;
    /// let tries = seeds.map(|seed| pool.submit(|seed: u64| (seed % 3 == 2).then_some(seed), seed));
    /// let mut tries = forkyard::as_completed(tries);
    /// let found = tries.find_map(|(_, result)| result.ok().flatten());
    /// tries.cancel_rest();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cancel_rest(&self) -> usize {
        let rest = self.handles.iter().flatten();
        rest.filter(|handle| handle.cancel()).count()
    }
}

impl<Out: DeserializeOwned> AsCompleted<Out> {
    /// The next one, waiting for at most `timeout`. After [`Done::NoneYet`] nothing is lost: ask
    /// again.
    pub fn next_timeout(&mut self, timeout: Duration) -> Done<Out> {
        if self.left == 0 {
            return Done::NoneLeft;
        }
        match self.next_until(Some(after(timeout))) {
            Some((at, result)) => Done::One(at, result),
            None => Done::NoneYet,
        }
    }

    fn next_until(&mut self, deadline: Option<Instant>) -> Option<(usize, Result<Out, TaskError>)> {
        let at = self.watch.next(deadline)?;
        self.left -= 1;
        match self.handles.get_mut(at).and_then(Option::take) {
            Some(mut handle) => Some((at, take_ended(&mut handle))),
            None => unreachable!("each handle is watched once"),
        }
    }
}

impl<Out: DeserializeOwned> Iterator for AsCompleted<Out> {
    type Item = (usize, Result<Out, TaskError>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        self.next_until(None)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<Out: DeserializeOwned> ExactSizeIterator for AsCompleted<Out> {}

/// What [`AsCompleted::next_timeout`], and those of [`Imap`](crate::Imap) and
/// [`ImapUnordered`](crate::ImapUnordered), have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done<Out> {
    /// A task has ended: the place of its handle or item, and its result.
    One(usize, Result<Out, TaskError>),
    /// None has ended in time.
    NoneYet,
    /// All have been returned.
    NoneLeft,
}

/// When [`wait`] returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitFor {
    /// When one of the tasks has ended.
    First,
    /// When all have.
    All,
    /// When one has failed, or all have ended. What fails only when it is decoded here counts as
    /// ended.
    FirstError,
}

/// Waits until tasks have ended, for at most `timeout` if there is one, and returns the places of
/// the handles whose results are there (in the order of the input). Nothing is taken: ask these
/// with [`join`](Handle::join), which does not wait then. A handle whose result was taken counts
/// as ended. The handles may be of several pools.
///
/// ```no_run
/// use std::time::Duration;
/// use forkyard::{WaitFor, wait};
///
/// # forkyard::init();
/// let pool = forkyard::Pool::builder().build()?;
/// let mut handles: Vec<_> = (1..=3).map(|n: u64| pool.submit(|n: u64| n * n, n)).collect();
/// let done = wait(&mut handles, WaitFor::First, Some(Duration::from_secs(1)));
/// for at in done.into_iter().rev() {
///     println!("{}", handles.swap_remove(at).join()?);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn wait<Out>(
    handles: &mut [Handle<Out>],
    until: WaitFor,
    timeout: Option<Duration>,
) -> Vec<usize> {
    let deadline = timeout.map(after);
    let mut ended = vec![false; handles.len()];
    let mut left = Vec::new();
    let mut enough = false;
    for (at, handle) in handles.iter().enumerate() {
        match handle.state {
            State::Sent(_) => left.push(at),
            State::Failed(_) => {
                ended[at] = true;
                enough |= until != WaitFor::All;
            }
            State::Taken => {
                ended[at] = true;
                enough |= until == WaitFor::First;
            }
        }
    }
    let mut watch = Watch::begin(
        handles
            .iter_mut()
            .filter(|handle| matches!(handle.state, State::Sent(_))),
    );
    let mut missing = left.len();
    // What is there already is noted, also when that is enough or the time is over.
    while missing > 0 {
        let deadline = if enough {
            Some(Instant::now())
        } else {
            deadline
        };
        let Some(number) = watch.next(deadline) else {
            break;
        };
        missing -= 1;
        let at = left[number];
        ended[at] = true;
        enough |= match until {
            WaitFor::First => true,
            WaitFor::All => false,
            WaitFor::FirstError => handles[at].has_failed(),
        };
    }
    for at in &left {
        if !ended[*at] {
            handles[*at].forget_watcher();
        }
    }
    (0..handles.len()).filter(|at| ended[*at]).collect()
}

/// Tasks that are watched together, by their numbers.
struct Watch {
    group: Arc<Group>,
    /// The pool that this thread drives while it waits; `None` when they are of several.
    core: Option<Arc<Core>>,
}

impl Watch {
    fn begin<'a, Out: 'a>(handles: impl Iterator<Item = &'a mut Handle<Out>>) -> Self {
        let group = Arc::<Group>::default();
        let handles: Vec<_> = handles.collect();
        let core = handles.first().map(|first| Arc::clone(&first.core));
        let core = core.filter(|core| {
            let is_of_it = |handle: &&mut Handle<Out>| Arc::ptr_eq(&handle.core, core);
            handles.iter().all(is_of_it)
        });
        for (number, handle) in handles.into_iter().enumerate() {
            let batch = match handle.state {
                State::Sent(batch) => batch,
                State::Failed(_) => {
                    group.push(number);
                    continue;
                }
                State::Taken => panic!("the result of this handle was taken already"),
            };
            let watcher = Watcher::Group {
                group: Arc::clone(&group),
                number,
                in_background: core.is_none(),
            };
            let mut driver = handle.core.lock();
            if handle
                .core
                .watch_batch(&mut driver, batch, watcher)
                .is_err()
            {
                group.push(number);
            }
        }
        Self { group, core }
    }

    /// The number of the next one that has ended; `None` when the time is over.
    fn next(&mut self, deadline: Option<Instant>) -> Option<usize> {
        if let Some(number) = self.group.pop() {
            return Some(number);
        }
        match &self.core {
            Some(core) => core.drive(Patience::Next, deadline, |_| self.group.pop()),
            None => self.group.wait(deadline),
        }
    }
}

impl<Out> Handle<Out> {
    /// Whether it is known that there will be an error.
    fn has_failed(&self) -> bool {
        match self.state {
            State::Sent(batch) => self.core.lock().has_failed(batch),
            State::Failed(_) => true,
            State::Taken => false,
        }
    }

    /// No group is told of it any more.
    fn forget_watcher(&self) {
        if let State::Sent(batch) = self.state {
            self.core.lock().forget_watcher(batch);
        }
    }
}

/// The result of a task that has ended.
fn take_ended<Out: DeserializeOwned>(handle: &mut Handle<Out>) -> Result<Out, TaskError> {
    let batch = handle.sent()?;
    let reply = handle.core.lock().take_only_reply(batch);
    handle.state = State::Taken;
    match reply {
        Some(reply) => decode(&handle.core, reply),
        None => unreachable!("who is told of a task finds its reply"),
    }
}
