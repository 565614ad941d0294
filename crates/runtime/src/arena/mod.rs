//! Values that live in shared memory and are not copied when they are sent.
//!
//! `owned` says how a value moves, `shared` how it is read by many, `payload` what can lie
//! there, `place` how it crosses, `lent` what is there for the time of one call, `wait` what is
//! done when there is no room.

mod error;
mod lent;
mod owned;
mod payload;
mod place;
mod shared;
mod wait;
mod writer;

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytemuck::Pod;

use crate::driver::Core;
use crate::mapped::PoolMemory;

pub use error::{ArenaError, Waited};
pub(crate) use error::{describe, refusal};
pub use forkyard_shm::arena::ArenaStats;
pub(crate) use forkyard_shm::arena::{
    Arena as RawArena, ArenaId, Block, BlockMut, Descriptor, Offer,
};
pub(crate) use lent::{Lendable, Part, Reading};
pub use owned::Owned;
pub(crate) use owned::Promise;
pub use payload::{Payload, Plain};
pub(crate) use place::{Held, Holding, Unpacking, accept, announced_offer, unpacking_from};
pub use shared::Shared;
pub use writer::ArenaWriter;

/// A pool's shared memory for data that is too large to copy.
///
/// Handed out by [`Pool::arena`](crate::Pool::arena) in the supervisor and by
/// [`Context::arena`](crate::Context::arena) in a worker. Cloning it clones a handle.
///
/// ```no_run
/// use forkyard::{Pool, Shared};
///
/// forkyard::init();
/// let pool = Pool::builder().build()?;
/// let mut numbers = pool.arena().alloc::<f64>(1_000_000)?;
/// for (i, x) in numbers.iter_mut().enumerate() {
///     *x = i as f64;
/// }
/// let numbers = numbers.into_shared();
/// // A descriptor of a few bytes crosses; the numbers stay where they are.
/// let sum = pool.submit(|n: Shared<[f64]>| n.iter().sum::<f64>(), numbers).join()?;
/// assert_eq!(sum, 499_999_500_000.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// When there is no room, an allocation fails, or, through [`waiting`](Self::waiting), waits
/// for others to give something back:
///
/// ```no_run
/// use std::time::Duration;
///
/// # forkyard::init();
/// # let pool = forkyard::Pool::builder().build()?;
/// let patient = pool.arena().waiting(Duration::from_secs(5));
/// match patient.alloc::<u8>(64 << 20) {
///     Ok(block) => println!("{} bytes", block.len()),
///     Err(error) if error.may_pass() => println!("not for now: {error}"),
///     Err(error) => return Err(error.into()),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Arena {
    raw: Arc<RawArena>,
    /// How long an allocation waits for room.
    patience: Duration,
    /// In the supervisor, what to drive while waiting.
    core: Weak<Core>,
    /// In the supervisor, keeps the pool's memory; in a worker it is there to the end.
    _memory: Option<Arc<PoolMemory>>,
}

impl Arena {
    /// A worker's.
    pub(crate) fn of_worker(raw: Arc<RawArena>) -> Self {
        Self {
            raw,
            patience: Duration::ZERO,
            core: Weak::new(),
            _memory: None,
        }
    }

    /// The supervisor's.
    pub(crate) fn of_pool(core: &Arc<Core>) -> Self {
        Self {
            raw: Arc::clone(&core.arena),
            patience: Duration::ZERO,
            core: Arc::downgrade(core),
            _memory: Some(Arc::clone(&core.memory)),
        }
    }

    /// The same arena, whose allocations wait for as long as `timeout` when there is no room:
    /// until a value is dropped, in whatever process, a worker dies with what it had, or the
    /// limit is raised. In the supervisor the pool goes on meanwhile.
    #[must_use]
    pub fn waiting(&self, timeout: Duration) -> Self {
        Self {
            patience: timeout,
            ..self.clone()
        }
    }

    /// `len` values of `T` that this process alone may write. Their content is whatever was
    /// there before, because clearing memory costs about what copying into it does.
    ///
    /// # Errors
    /// When the pool's limit or the system's shared memory is used up, saying which, how
    /// much there is, and what to do.
    pub fn alloc<T: Pod>(&self, len: usize) -> Result<Owned<[T]>, ArenaError> {
        let bytes = len.checked_mul(size_of::<T>()).ok_or_else(|| {
            ArenaError::too_large(format!("{len} values of {} bytes", size_of::<T>()))
        })?;
        self.typed::<T>(bytes).map(Owned::new)
    }

    /// As [`alloc`](Self::alloc), and every byte is zero.
    ///
    /// # Errors
    /// As [`alloc`](Self::alloc).
    pub fn alloc_zeroed<T: Pod>(&self, len: usize) -> Result<Owned<[T]>, ArenaError> {
        let mut owned = self.alloc::<T>(len)?;
        bytemuck::cast_slice_mut::<T, u8>(&mut owned).fill(0);
        Ok(owned)
    }

    /// One value, which this process alone may write.
    ///
    /// ```no_run
    /// use forkyard::{Owned, Pool};
    ///
    /// #[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
    /// #[repr(C)]
    /// struct Grid {
    ///     cells: [f64; 4096],
    /// }
    ///
    /// # forkyard::init();
    /// let pool = Pool::builder().build()?;
    /// let grid = pool.arena().own(&Grid { cells: [0.0; 4096] })?;
    /// let warm = |mut grid: Owned<Grid>| {
    ///     grid.cells[7] = 1.5;
    ///     grid
    /// };
    /// assert_eq!(pool.submit(warm, grid).join()?.cells[7], 1.5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`alloc`](Self::alloc).
    pub fn own<T: Pod>(&self, value: &T) -> Result<Owned<T>, ArenaError> {
        let mut block = self.typed::<T>(size_of::<T>())?;
        block.copy_from_slice(bytemuck::bytes_of(value));
        Ok(Owned::new(block))
    }

    /// One value, for any process to read.
    ///
    /// # Errors
    /// As [`alloc`](Self::alloc).
    pub fn share<T: Pod>(&self, value: &T) -> Result<Shared<T>, ArenaError> {
        self.own(value).map(Owned::into_shared)
    }

    /// A copy of `values` in shared memory.
    ///
    /// # Errors
    /// As [`alloc`](Self::alloc).
    pub fn copy_from<T: Pod>(&self, values: &[T]) -> Result<Shared<[T]>, ArenaError> {
        let mut owned = self.alloc::<T>(values.len())?;
        owned.copy_from_slice(values);
        Ok(owned.into_shared())
    }

    /// A copy of `text` in shared memory.
    ///
    /// # Errors
    /// As [`alloc`](Self::alloc).
    pub fn copy_str(&self, text: &str) -> Result<Shared<str>, ArenaError> {
        self.copy_from(text.as_bytes())?.into_text()
    }

    /// Writes bytes whose number is not known yet.
    #[must_use]
    pub fn writer(&self) -> ArenaWriter {
        ArenaWriter::new(self.clone())
    }

    /// Bytes of shared memory that the arena may take; 0 when only the system limits it.
    #[must_use]
    pub fn limit_bytes(&self) -> u64 {
        self.raw.directory().limit_bytes()
    }

    /// Sets the limit for the whole pool, 0 for none. Raised, it serves those who wait; below
    /// what is in use, it takes nothing away.
    pub fn set_limit_bytes(&self, bytes: u64) {
        self.raw.set_limit_bytes(bytes);
    }

    /// Gives memory that no value lies in back to the system, and returns how many bytes.
    /// Allocation does so itself when there is no room; what stays is warm.
    pub fn trim(&self) -> u64 {
        self.raw.trim(0).bytes
    }

    /// How much there is and how much is in use. Reads every block's header: not for every
    /// task.
    #[must_use]
    pub fn stats(&self) -> ArenaStats {
        self.raw.stats()
    }

    /// A block that a `T` may lie in.
    fn typed<T>(&self, bytes: usize) -> Result<BlockMut, ArenaError> {
        const {
            assert!(
                size_of::<T>() > 0,
                "values of no bytes need no shared memory"
            );
        };
        let block = match self.raw.alloc(bytes) {
            Err(refused) if refused.may_pass() => wait::alloc(self, bytes)?,
            other => other.map_err(|refused| ArenaError::new(refused, Duration::ZERO))?,
        };
        match block.require_alignment(align_of::<T>()) {
            Ok(()) => Ok(block),
            Err(_) => Err(ArenaError::Alignment {
                align: align_of::<T>(),
            }),
        }
    }
}

impl fmt::Debug for Arena {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arena")
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}
