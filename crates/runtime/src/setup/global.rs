//! The pool of whoever does not want to keep one.

use std::sync::{PoisonError, RwLock};

use crate::Pool;
use crate::error::BuildError;

/// The global pool, once it was asked for.
static GLOBAL: RwLock<Option<&'static Pool>> = RwLock::new(None);

impl Pool {
    /// The pool of this process, with the settings of [`Pool::builder`] as they are, built when it
    /// is first asked for.
    ///
    /// It is never closed: when the process ends, in whatever way, its workers see that and end
    /// within a second, and its shared memory goes with them. What a task had printed without
    /// ending the line may be lost then; whoever minds builds a pool of their own and
    /// [closes](Self::close) it. A child that the process itself forks gets a pool of its own
    /// when it asks. In a task it is a [nested](crate::PoolBuilder::max_depth) pool.
    ///
    /// ```no_run
    /// use forkyard::Pool;
    ///
    /// forkyard::init();
    /// let square = Pool::global().submit(|n: u64| n * n, 12).join();
    /// assert_eq!(square, Ok(144));
    /// ```
    ///
    /// # Panics
    /// When it cannot be built; [`try_global`](Self::try_global) does not.
    #[must_use]
    #[track_caller]
    pub fn global() -> &'static Self {
        match Self::try_global() {
            Ok(pool) => pool,
            Err(error) => panic!("the global pool cannot be built: {error}"),
        }
    }

    /// [`global`](Self::global), or why it cannot be built. The next call tries again.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn try_global() -> Result<&'static Self, BuildError> {
        let ours = |pool: &&'static Self| pool.core().is_ours();
        let found = *GLOBAL.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = found.filter(ours) {
            return Ok(pool);
        }
        let mut global = GLOBAL.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = global.filter(ours) {
            return Ok(pool);
        }
        let pool: &'static Self = Box::leak(Box::new(Self::builder().build()?));
        *global = Some(pool);
        Ok(pool)
    }
}
