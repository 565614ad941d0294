//! The pool of whoever does not want to keep one.

use std::sync::{PoisonError, RwLock};

use crate::error::BuildError;
use crate::{Pool, PoolBuilder};

/// The global pool, once it was asked for.
static GLOBAL: RwLock<Option<&'static Pool>> = RwLock::new(None);

impl Pool {
    /// The pool of this process, with the settings of [`Pool::builder`] as they are, built when it
    /// is first asked for; or, if the program has said so first, with those of
    /// [`PoolBuilder::build_global`].
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
        let found = *GLOBAL.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = found.filter(is_ours) {
            return Ok(pool);
        }
        let mut global = GLOBAL.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = global.filter(is_ours) {
            return Ok(pool);
        }
        let pool: &'static Self = Box::leak(Box::new(Self::builder().build()?));
        *global = Some(pool);
        Ok(pool)
    }
}

/// Not that of a process of which this one is a forked child.
fn is_ours(pool: &&'static Pool) -> bool {
    pool.core().is_ours()
}

impl PoolBuilder {
    /// Builds [`Pool::global`], which has these settings then: at the start of the program, before
    /// anybody asks for it.
    ///
    /// ```no_run
    /// use forkyard::Pool;
    ///
    /// fn main() -> Result<(), forkyard::BuildError> {
    ///     forkyard::init();
    ///     Pool::builder().workers(4).name("all of us").build_global()?;
    ///     assert_eq!(Pool::global().workers(), 4);
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// [`BuildError::GlobalExists`] when it was built already, by this or by being asked for; any
    /// other [`BuildError`] when it cannot be built, and then it can be tried again.
    pub fn build_global(self) -> Result<&'static Pool, BuildError> {
        let found = *GLOBAL.read().unwrap_or_else(PoisonError::into_inner);
        if found.is_some_and(|pool| is_ours(&pool)) {
            return Err(BuildError::GlobalExists);
        }
        // Without the lock: forked workers would have a copy of it that nobody lets go of.
        let pool = self.build()?;
        let mut global = GLOBAL.write().unwrap_or_else(PoisonError::into_inner);
        if global.is_some_and(|pool| is_ours(&pool)) {
            drop(global);
            drop(pool);
            return Err(BuildError::GlobalExists);
        }
        let pool: &'static Pool = Box::leak(Box::new(pool));
        *global = Some(pool);
        Ok(pool)
    }
}
