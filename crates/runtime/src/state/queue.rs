//! Items from many producers for many consumers.

use std::fmt;
use std::time::Duration;

use bytemuck::Pod;
use forkyard_shm::state::{PopError, PushError};

use super::handle::handle;
use super::kind::QueueKind;
use super::wait::StatePark;
use crate::mapped::Laid;

/// A bounded queue of plain data, for many producers and many consumers, any of which may die.
///
/// Made by [`Pool::queue`](crate::Pool::queue). No item is lost but with the consumer that had taken
/// it, and none comes twice: an item whose producer dies in the middle of the push never was,
/// one whose consumer dies in the middle of the pop is offered again.
///
/// Items of one producer come in its order. Nobody can tell whether there will be more, so
/// whoever knows that there will not [closes](Self::close) the queue; the end of the pool does.
///
/// ```no_run
/// use forkyard::{Pool, Queue};
///
/// forkyard::init();
/// let pool = Pool::builder().workers(2).build()?;
/// let numbers = pool.queue::<u64>(64)?;
/// let summing = pool.submit(|numbers: Queue<u64>| numbers.iter().sum::<u64>(), numbers.clone());
/// for n in 0..1000 {
///     numbers.push(n)?;
/// }
/// numbers.close();
/// assert_eq!(summing.join()?, 499_500);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Queue<T: Pod + Send + Sync> {
    pub(super) laid: Laid<QueueKind<T>>,
}

handle!(Queue<T: Pod, Send, Sync>);

impl<T: Pod + Send + Sync> Queue<T> {
    /// Pushes an item, sleeping while the queue is full.
    ///
    /// # Errors
    /// [`PushError`], but not `Full`.
    pub fn push(&self, item: T) -> Result<(), PushError> {
        self.laid.get().push(self.laid.owner(), item, &StatePark)
    }

    /// Pushes an item if there is room.
    ///
    /// # Errors
    /// [`PushError`].
    pub fn try_push(&self, item: T) -> Result<(), PushError> {
        let owner = self.laid.owner();
        self.laid.get().try_push(owner, item, &StatePark)
    }

    /// Pushes an item, sleeping while the queue is full, for `timeout` at most.
    ///
    /// # Errors
    /// [`PushError`].
    pub fn push_timeout(&self, item: T, timeout: Duration) -> Result<(), PushError> {
        let (queue, owner) = (self.laid.get(), self.laid.owner());
        queue.push_timeout(owner, item, timeout, &StatePark)
    }

    /// Pops the oldest item, sleeping while there is none.
    ///
    /// # Errors
    /// [`PopError`], but not `Empty`.
    pub fn pop(&self) -> Result<T, PopError> {
        self.laid.get().pop(self.laid.owner(), &StatePark)
    }

    /// Pops the oldest item if there is one.
    ///
    /// # Errors
    /// [`PopError`].
    pub fn try_pop(&self) -> Result<T, PopError> {
        self.laid.get().try_pop(self.laid.owner(), &StatePark)
    }

    /// Pops the oldest item, sleeping while there is none, for `timeout` at most.
    ///
    /// # Errors
    /// [`PopError`].
    pub fn pop_timeout(&self, timeout: Duration) -> Result<T, PopError> {
        let owner = self.laid.owner();
        self.laid.get().pop_timeout(owner, timeout, &StatePark)
    }

    /// Pops items, sleeping while there are none, until the queue is closed and empty (or
    /// damaged, which [`pop`](Self::pop) tells).
    pub fn iter(&self) -> QueueIter<'_, T> {
        QueueIter { queue: self }
    }

    /// Takes nothing in any more; what is in it can still be popped. Wakes all who wait.
    pub fn close(&self) {
        self.laid.get().close(&StatePark);
    }

    /// Whether it was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.laid.get().is_closed()
    }

    /// How many items fit.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.laid.count()
    }

    /// How many places were taken a moment ago, half pushed ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.laid.get().len()
    }

    /// Whether [`len`](Self::len) was 0.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The items of a [`Queue`], as they come.
#[derive(Debug)]
pub struct QueueIter<'a, T: Pod + Send + Sync> {
    queue: &'a Queue<T>,
}

impl<T: Pod + Send + Sync> Iterator for QueueIter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.queue.pop().ok()
    }
}

impl<'a, T: Pod + Send + Sync> IntoIterator for &'a Queue<T> {
    type Item = T;
    type IntoIter = QueueIter<'a, T>;

    fn into_iter(self) -> QueueIter<'a, T> {
        self.iter()
    }
}

impl<T: Pod + Send + Sync> fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .field("closed", &self.is_closed())
            .finish()
    }
}
