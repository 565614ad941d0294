//! A list that processes share.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Manager, ManagerError, ManagerStartError};
use crate::{PoolBuilder, trampoline};

/// A list in a process of its own: a [`Manager`] of a `Vec`, with the usual calls.
///
/// Each method is one call, and so whole; many items in one [`extend`](Self::extend) cost little
/// more than one in a [`push`](Self::push). Items are copied out; changing a copy changes
/// nothing here, [`update`](Self::update) does.
///
/// ```no_run
/// use forkyard::{List, Pool};
///
/// forkyard::init();
/// let found = List::start()?;
/// let pool = Pool::builder().build()?;
/// let look = |(found, n): (List<u64>, u64)| if n % 7 == 0 { found.push(n) } else { Ok(()) };
/// for looked in pool.map(look, (1..30).map(|n| (found.clone(), n))) {
///     looked??;
/// }
/// let mut all = found.snapshot()?;
/// all.sort_unstable();
/// assert_eq!(all, [7, 14, 21, 28]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct List<T>(Manager<Vec<T>>);

impl<T> List<T>
where
    T: Serialize + DeserializeOwned + Send + 'static,
{
    /// Starts an empty one.
    ///
    /// # Errors
    /// [`ManagerStartError`].
    pub fn start() -> Result<Self, ManagerStartError> {
        Manager::start(Vec::new).map(Self)
    }

    /// Starts an empty one with settings for its process; see [`Manager::start_on`].
    ///
    /// # Errors
    /// [`ManagerStartError`].
    pub fn start_on(builder: PoolBuilder) -> Result<Self, ManagerStartError> {
        Manager::start_on(builder, |()| Vec::new(), ()).map(Self)
    }

    /// The manager under it, for calls of one's own.
    #[must_use]
    pub fn manager(&self) -> &Manager<Vec<T>> {
        &self.0
    }

    /// Appends an item.
    ///
    /// # Errors
    /// [`ManagerError`].
    pub fn push(&self, item: T) -> Result<(), ManagerError> {
        self.0.call(Vec::push, item)
    }

    /// Appends items, with nobody else's between them.
    ///
    /// # Errors
    /// [`ManagerError`].
    pub fn extend(&self, items: Vec<T>) -> Result<(), ManagerError> {
        self.0.call(|list, items: Vec<T>| list.extend(items), items)
    }

    /// A copy of the item at `index`; `None` when there are fewer.
    ///
    /// # Errors
    /// [`ManagerError`].
    pub fn get(&self, index: usize) -> Result<Option<T>, ManagerError>
    where
        T: Clone,
    {
        self.0
            .call(|list, index: usize| list.get(index).cloned(), index)
    }

    /// Puts an item in the place of the one at `index`, and returns that; `None` when there are
    /// fewer, and then nothing has changed.
    ///
    /// # Errors
    /// [`ManagerError`].
    pub fn set(&self, index: usize, item: T) -> Result<Option<T>, ManagerError> {
        let set = |list: &mut Vec<T>, (index, item): (usize, T)| {
            list.get_mut(index)
                .map(|place| std::mem::replace(place, item))
        };
        self.0.call(set, (index, item))
    }

    /// Changes the item at `index` in its place; what `f` returns, or `None` when there are
    /// fewer items.
    ///
    /// # Errors
    /// [`ManagerError`].
    pub fn update<F, Out>(&self, index: usize, f: F) -> Result<Option<Out>, ManagerError>
    where
        F: Fn(&mut T) -> Out + Copy + 'static,
        Out: Serialize + DeserializeOwned + 'static,
    {
        let _ = f;
        self.0
            .call(|list, index| update::<T, F, Out>(list, index), index)
    }

    /// Takes the last item out.
    ///
    /// # Errors
    /// [`ManagerError`].
    pub fn pop(&self) -> Result<Option<T>, ManagerError> {
        self.0.call(|list, ()| list.pop(), ())
    }

    /// How many items there are.
    ///
    /// # Errors
    /// [`ManagerError`].
    pub fn len(&self) -> Result<usize, ManagerError> {
        self.0.call(|list, ()| list.len(), ())
    }

    /// Whether there is none.
    ///
    /// # Errors
    /// [`ManagerError`].
    pub fn is_empty(&self) -> Result<bool, ManagerError> {
        self.len().map(|len| len == 0)
    }

    /// A copy of all items, as they were at one moment.
    ///
    /// # Errors
    /// [`ManagerError`].
    pub fn snapshot(&self) -> Result<Vec<T>, ManagerError>
    where
        T: Clone,
    {
        self.0.call(|list, ()| list.clone(), ())
    }

    /// Takes all items out.
    ///
    /// # Errors
    /// [`ManagerError`].
    pub fn take(&self) -> Result<Vec<T>, ManagerError> {
        self.0.call(|list, ()| std::mem::take(list), ())
    }
}

fn update<T, F, Out>(list: &mut [T], index: usize) -> Option<Out>
where
    F: Fn(&mut T) -> Out + Copy + 'static,
{
    list.get_mut(index).map(trampoline::conjure::<F>())
}

impl<T> Clone for List<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> fmt::Debug for List<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("List").field(&self.0).finish()
    }
}

impl<T> Serialize for List<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, T> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Manager::deserialize(deserializer).map(Self)
    }
}
