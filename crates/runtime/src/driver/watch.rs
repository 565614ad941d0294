//! Who is told when a submitted task ends, instead of waiting for it.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Instant;

use super::locked::{Callback, Locked, Notice, is_told};
use super::{Core, Driver, Patience, Reply};

/// What is done when a task of a batch of one ends.
pub(crate) enum Watcher {
    /// A future that was polled.
    Waker(Waker),
    /// It is given the reply.
    Call(Callback),
    /// Its number in a group is noted.
    Group {
        group: Arc<Group>,
        number: usize,
        /// Nobody drives this pool for the group's sake.
        in_background: bool,
    },
}

impl Watcher {
    /// Whether the pool must be driven for it by somebody else.
    fn is_in_background(&self) -> bool {
        match self {
            Self::Waker(_) | Self::Call(_) => true,
            Self::Group { in_background, .. } => *in_background,
        }
    }
}

impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Waker(_) => "Waker",
            Self::Call(_) => "Call",
            Self::Group { .. } => "Group",
        })
    }
}

/// Tasks of which somebody wants to know in what order they end.
#[derive(Debug, Default)]
pub(crate) struct Group {
    ended: Mutex<VecDeque<usize>>,
    bell: Condvar,
}

impl Group {
    fn list(&self) -> MutexGuard<'_, VecDeque<usize>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, number: usize) {
        self.list().push_back(number);
        self.bell.notify_all();
    }

    /// The number of the one that ended first of those not taken yet.
    pub(crate) fn pop(&self) -> Option<usize> {
        self.list().pop_front()
    }

    /// The same, waiting for it until `deadline`.
    pub(crate) fn wait(&self, deadline: Option<Instant>) -> Option<usize> {
        let mut list = self.list();
        loop {
            if let Some(number) = list.pop_front() {
                return Some(number);
            }
            let Some(deadline) = deadline else {
                list = self.bell.wait(list).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            let waited = self.bell.wait_timeout(list, left);
            list = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Core {
    /// Has `watcher` told when the task of a batch of one ends, in place of whoever watched
    /// before. Hands it back when the task has ended already.
    pub(crate) fn watch_batch(
        self: &Arc<Self>,
        driver: &mut Locked<'_>,
        key: u32,
        watcher: Watcher,
    ) -> Result<(), Watcher> {
        // A callback that has the next one called must not take the results of all the others: who
        // waits for one result would run callbacks for ever.
        if !is_told() {
            self.glance(driver);
        }
        driver.forget_watcher(key);
        let in_background = watcher.is_in_background();
        match driver.batches.get_mut(key as usize) {
            Some(batch) if batch.replies.is_empty() => batch.watcher = Some(watcher),
            _ => {
                Self::ensure_fed(self, driver); // what was looked at may have freed others
                return Err(watcher);
            }
        }
        if in_background {
            driver.waits_elsewhere += 1;
            driver.waiting[Patience::Next as usize] += 1;
            driver.wake_leader(self, Patience::Next);
            Self::ensure_fed(self, driver);
        }
        Ok(())
    }
}

impl Driver {
    /// Takes the reply of a batch of one, and the batch with it.
    pub(crate) fn take_only_reply(&mut self, key: u32) -> Option<Reply> {
        let replies = &mut self.batches.get_mut(key as usize)?.replies;
        let reply = std::mem::take(replies.as_mut_slice().first_mut()?);
        self.close_batch(key);
        Some(reply)
    }

    /// Whether the reply of a batch of one says that there is no result.
    pub(crate) fn has_failed(&self, key: u32) -> bool {
        let batch = self.batches.get(key as usize);
        let reply = batch.and_then(|batch| batch.replies.iter().next());
        reply.is_some_and(Reply::is_error)
    }

    /// Nobody is told of a batch any more.
    pub(crate) fn forget_watcher(&mut self, key: u32) {
        if let Some(watcher) = self.unwatch(key) {
            self.notices.push(Notice::Forget(watcher));
        }
    }

    /// Takes a batch's watcher away.
    pub(super) fn unwatch(&mut self, key: u32) -> Option<Watcher> {
        let watcher = self.batches.get_mut(key as usize)?.watcher.take()?;
        if watcher.is_in_background() {
            self.waits_elsewhere -= 1;
            self.waiting[Patience::Next as usize] -= 1;
        }
        Some(watcher)
    }

    /// The task of a batch that is watched has ended.
    #[cold]
    pub(super) fn tell_watcher(&mut self, key: u32) {
        match self.unwatch(key) {
            None => {}
            Some(Watcher::Waker(waker)) => self.notices.push(Notice::Wake(waker)),
            Some(Watcher::Group { group, number, .. }) => group.push(number),
            Some(Watcher::Call(call)) => {
                if let Some(reply) = self.take_only_reply(key) {
                    self.notices.push(Notice::Call(call, reply));
                }
            }
        }
    }
}
