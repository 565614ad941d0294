//! Calls in which one find ends the rest.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::TaskError;
use crate::first::First;
use crate::{Pool, Protocol, Search};

/// Searches: one find ends the rest.
impl Pool {
    /// First found wins: runs `f` on the items until one returns `Some`, then stops the rest.
    ///
    /// `f` looks at its [`Search`] now and then and returns `None` when told to stop. When
    /// several find at once, one wins and the others' finds are dropped. A pool searches for
    /// one thing at a time: a second call waits for the first, so `items` must not search on
    /// the same pool.
    ///
    /// ```no_run
    /// # forkyard::init();
    /// let pool = forkyard::Pool::builder().build()?;
    /// let found = pool.first(
    ///     |search, start: u64| {
    ///         let mut check = search.checker();
    ///         (start..start + 1_000_000)
    ///             .take_while(|_| !check.should_stop())
    ///             .find(|n| n * n % 1_000_003 == 17)
    ///     },
    ///     (0..8).map(|part| part * 1_000_000),
    /// )?;
    /// match found.found {
    ///     Some(found) => println!("{} by worker {}", found.value, found.worker),
    ///     None => println!("there is none"),
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When nothing was found and a task had failed: what it would have found is not known.
    pub fn first<F, In, Out, I>(&self, f: F, items: I) -> Result<First<Out>, TaskError>
    where
        F: Fn(&Search<'_>, In) -> Option<Out> + Copy + 'static,
        In: Serialize + DeserializeOwned,
        Out: Serialize + DeserializeOwned,
        I: IntoIterator<Item = In>,
    {
        self.first_with(Protocol::Claim, f, items)
    }

    /// [`first`](Self::first) with a claim protocol of choice, to compare them.
    ///
    /// # Errors
    /// As [`first`](Self::first).
    pub fn first_with<F, In, Out, I>(
        &self,
        protocol: Protocol,
        f: F,
        items: I,
    ) -> Result<First<Out>, TaskError>
    where
        F: Fn(&Search<'_>, In) -> Option<Out> + Copy + 'static,
        In: Serialize + DeserializeOwned,
        Out: Serialize + DeserializeOwned,
        I: IntoIterator<Item = In>,
    {
        self.task(f).first_with(protocol, items)
    }

    /// Whether `f` is true of any of the items. The first that is stops the rest, as in
    /// [`first`](Self::first).
    ///
    /// ```no_run
    /// # forkyard::init();
    /// let pool = forkyard::Pool::builder().build()?;
    /// let n = 1_000_000_016_000_000_063_u64;
    /// let is_composite = pool.any(
    ///     |search, (n, from): (u64, u64)| {
    ///         let mut check = search.checker();
    ///         (from..from + 100_000_000)
    ///             .take_while(|_| !check.should_stop())
    ///             .any(|d| d > 1 && d < n && n % d == 0)
    ///     },
    ///     (0..10).map(|part| (n, part * 100_000_000)),
    /// )?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When it was true of none, and a task had failed.
    pub fn any<F, In, I>(&self, f: F, items: I) -> Result<bool, TaskError>
    where
        F: Fn(&Search<'_>, In) -> bool + Copy + 'static,
        In: Serialize + DeserializeOwned,
        I: IntoIterator<Item = In>,
    {
        self.task(f).any(items)
    }

    /// Whether `f` is true of all of the items. The first of which it is false stops the rest. A
    /// task that is told to stop may return either: what it returns does not count any more.
    ///
    /// # Errors
    /// When it was false of none, and a task had failed.
    pub fn all<F, In, I>(&self, f: F, items: I) -> Result<bool, TaskError>
    where
        F: Fn(&Search<'_>, In) -> bool + Copy + 'static,
        In: Serialize + DeserializeOwned,
        I: IntoIterator<Item = In>,
    {
        self.task(f).all(items)
    }
}
