//! A map that processes share.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Manager, ManagerError, ManagerStartError};
use crate::{PoolBuilder, trampoline};

/// A map in a process of its own: a [`Manager`] of a `HashMap`, with the usual calls.
///
/// Each method is one call, and so whole. What reads and then writes belongs into one:
/// [`update`](Self::update) and [`merge`](Self::merge) lose nothing to others who do so at the
/// same time, while a [`get`](Self::get) and an [`insert`](Self::insert) after it do. Values are
/// copied out; changing a copy changes nothing here.
///
/// ```no_run
/// use forkyard::{Dict, Pool};
///
/// fn count((counts, text): (Dict<String, u64>, String)) -> Result<(), forkyard::ManagerError> {
///     for word in text.split_whitespace() {
///         counts.merge(word.to_owned(), 1, |count, more| *count += more)?;
///     }
///     Ok(())
/// }
///
/// forkyard::init();
/// let counts = Dict::start()?;
/// let pool = Pool::builder().build()?;
/// let texts = ["a b a", "b c"].map(|text| (counts.clone(), text.to_owned()));
/// for counted in pool.map(count, texts) {
///     counted??;
/// }
/// assert_eq!(counts.get(&"a".to_owned())?, Some(2));
/// assert_eq!(counts.snapshot()?.values().sum::<u64>(), 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Dict<K, V>(Manager<HashMap<K, V>>);

impl<K, V> Dict<K, V>
where
    K: Eq + Hash + Serialize + DeserializeOwned + Send + 'static,
    V: Serialize + DeserializeOwned + Send + 'static,
{
    /// Starts an empty one.
    ///
    /// # Errors
    /// [`ManagerStartError`].
    pub fn start() -> Result<Self, ManagerStartError> {
        Manager::start(HashMap::new).map(Self)
    }

    /// Starts an empty one with settings for its process; see [`Manager::start_on`].
    ///
    /// # Errors
    /// [`ManagerStartError`].
    pub fn start_on(builder: PoolBuilder) -> Result<Self, ManagerStartError> {
        Manager::start_on(builder, |()| HashMap::new(), ()).map(Self)
    }

    /// The manager under it, for calls of one's own.
    #[must_use]
    pub fn manager(&self) -> &Manager<HashMap<K, V>> {
        &self.0
    }

    /// Inserts a value; the one that was there before.
    ///
    /// # Errors
    /// [`ManagerError`].
    pub fn insert(&self, key: K, value: V) -> Result<Option<V>, ManagerError> {
        self.0
            .call(|map, (key, value)| map.insert(key, value), (key, value))
    }

    /// A copy of the value.
    ///
    /// # Errors
    /// [`ManagerError`].
    pub fn get(&self, key: &K) -> Result<Option<V>, ManagerError>
    where
        V: Clone,
    {
        self.0
            .call_lent(|map, key: K| map.get(&key).cloned(), key, None)
    }

    /// Takes a value out.
    ///
    /// # Errors
    /// [`ManagerError`].
    pub fn remove(&self, key: &K) -> Result<Option<V>, ManagerError> {
        self.0.call_lent(|map, key: K| map.remove(&key), key, None)
    }

    /// Whether there is a value.
    ///
    /// # Errors
    /// [`ManagerError`].
    pub fn contains(&self, key: &K) -> Result<bool, ManagerError> {
        self.0
            .call_lent(|map, key: K| map.contains_key(&key), key, None)
    }

    /// How many values there are.
    ///
    /// # Errors
    /// [`ManagerError`].
    pub fn len(&self) -> Result<usize, ManagerError> {
        self.0.call(|map, ()| map.len(), ())
    }

    /// Whether there is none.
    ///
    /// # Errors
    /// [`ManagerError`].
    pub fn is_empty(&self) -> Result<bool, ManagerError> {
        self.len().map(|len| len == 0)
    }

    /// Removes all.
    ///
    /// # Errors
    /// [`ManagerError`].
    pub fn clear(&self) -> Result<(), ManagerError> {
        self.0.call(|map, ()| map.clear(), ())
    }

    /// Changes the value in its place; what `f` returns, or `None` when there is no value.
    ///
    /// # Errors
    /// [`ManagerError`].
    pub fn update<F, Out>(&self, key: &K, f: F) -> Result<Option<Out>, ManagerError>
    where
        F: Fn(&mut V) -> Out + Copy + 'static,
        Out: Serialize + DeserializeOwned + 'static,
    {
        let _ = f;
        self.0
            .call_lent(|map, key: K| update::<K, V, F, Out>(map, &key), key, None)
    }

    /// Has `f` merge `value` into the one that is there, or inserts it when there is none.
    ///
    /// # Errors
    /// [`ManagerError`].
    pub fn merge<F>(&self, key: K, value: V, f: F) -> Result<(), ManagerError>
    where
        F: Fn(&mut V, V) + Copy + 'static,
    {
        self.merge_all(vec![(key, value)], f)
    }

    /// [`merge`](Self::merge) of many in one call, which costs little more than one.
    ///
    /// # Errors
    /// [`ManagerError`].
    pub fn merge_all<F>(&self, pairs: Vec<(K, V)>, f: F) -> Result<(), ManagerError>
    where
        F: Fn(&mut V, V) + Copy + 'static,
    {
        let _ = f;
        self.0.call(merge_all::<K, V, F>, pairs)
    }

    /// A copy of all of it, as it was at one moment.
    ///
    /// # Errors
    /// [`ManagerError`].
    pub fn snapshot(&self) -> Result<HashMap<K, V>, ManagerError>
    where
        K: Clone,
        V: Clone,
    {
        self.0.call(|map, ()| map.clone(), ())
    }

    /// A copy of the keys, as they were at one moment, in no order.
    ///
    /// # Errors
    /// [`ManagerError`].
    pub fn keys(&self) -> Result<Vec<K>, ManagerError>
    where
        K: Clone,
    {
        self.0.call(|map, ()| map.keys().cloned().collect(), ())
    }
}

fn update<K: Eq + Hash, V, F, Out>(map: &mut HashMap<K, V>, key: &K) -> Option<Out>
where
    F: Fn(&mut V) -> Out + Copy + 'static,
{
    map.get_mut(key).map(trampoline::conjure::<F>())
}

fn merge_all<K: Eq + Hash, V, F>(map: &mut HashMap<K, V>, pairs: Vec<(K, V)>)
where
    F: Fn(&mut V, V) + Copy + 'static,
{
    use std::collections::hash_map::Entry;

    let f = trampoline::conjure::<F>();
    for (key, value) in pairs {
        match map.entry(key) {
            Entry::Occupied(mut there) => f(there.get_mut(), value),
            Entry::Vacant(place) => {
                place.insert(value);
            }
        }
    }
}

impl<K, V> Clone for Dict<K, V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K, V> fmt::Debug for Dict<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Dict").field(&self.0).finish()
    }
}

impl<K, V> Serialize for Dict<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, K, V> Deserialize<'de> for Dict<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Manager::deserialize(deserializer).map(Self)
    }
}
