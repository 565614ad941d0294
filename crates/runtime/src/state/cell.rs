//! Numbers and flags that all processes see and change, without a lock.

use std::fmt;
use std::ops::Deref;

use forkyard_shm::state::{self, Shareable};

use super::handle::handle;
use super::kind::{ArrayKind, CellKind};
use crate::mapped::Laid;

/// A number or a flag that all processes of a pool see and change, without a lock.
///
/// Made by [`Pool::cell`](crate::Pool::cell). Its operations are those of the [`Cell`](super::Cell)
/// it derefs to: each is one atomic instruction, or a short loop of them.
///
/// ```no_run
/// use forkyard::{Pool, SharedCell};
///
/// forkyard::init();
/// let pool = Pool::builder().build()?;
/// let longest = pool.cell(0_u64)?;
/// let words = ["fork", "yard", "supervisor"].map(str::to_owned);
/// pool.map(
///     |(word, longest): (String, SharedCell<u64>)| longest.fetch_max(word.len() as u64),
///     words.into_iter().map(|word| (word, longest.clone())),
/// );
/// assert_eq!(longest.load(), 10);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SharedCell<T: Shareable> {
    pub(super) laid: Laid<CellKind<T>>,
}

handle!(SharedCell<T: Shareable>);

impl<T: Shareable> Deref for SharedCell<T> {
    type Target = state::SharedCell<T>;

    #[inline]
    fn deref(&self) -> &state::SharedCell<T> {
        self.laid.get()
    }
}

impl<T: Shareable + fmt::Debug> fmt::Debug for SharedCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// A row of [`Cell`](super::Cell)s that all processes of a pool see and change.
///
/// Made by [`Pool::array`](crate::Pool::array); derefs to a slice of cells. Each cell is atomic by
/// itself; there is no look at two of them at one instant. Processes that write neighbours
/// contend for the cache line that they share: give each a range of its own.
///
/// ```no_run
/// use forkyard::{Pool, SharedArray};
///
/// forkyard::init();
/// let pool = Pool::builder().build()?;
/// let counts = pool.array::<u32>(10)?;
/// let last_digit = |(n, counts): (usize, SharedArray<u32>)| counts[n % 10].fetch_add(1);
/// pool.map(last_digit, (0..1000).map(|n| (n, counts.clone())));
/// assert!(counts.values().all(|count| count == 100));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SharedArray<T: Shareable> {
    pub(super) laid: Laid<ArrayKind<T>>,
}

handle!(SharedArray<T: Shareable>);

impl<T: Shareable> SharedArray<T> {
    /// The values, one after the other.
    pub fn values(&self) -> impl Iterator<Item = T> + '_ {
        self.iter().map(state::SharedCell::load)
    }
}

impl<T: Shareable> Deref for SharedArray<T> {
    type Target = [state::SharedCell<T>];

    #[inline]
    fn deref(&self) -> &[state::SharedCell<T>] {
        self.laid.get().cells()
    }
}

impl<T: Shareable + fmt::Debug> fmt::Debug for SharedArray<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.values()).finish()
    }
}
