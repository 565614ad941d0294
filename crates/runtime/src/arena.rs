//! Values that live in shared memory and are not copied when they are sent.

use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use bytemuck::Pod;
use forkyard_shm::arena::ArenaStats;
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::mapped::PoolMemory;
use crate::packing::{attach, packing_for};

pub(crate) use forkyard_shm::arena::{Arena as RawArena, ArenaId, Block, BlockMut, Descriptor};

/// Why a value could not be had in shared memory; see the message.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct ArenaError {
    what: String,
    #[source]
    source: Option<forkyard_shm::arena::AllocError>,
}

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
#[derive(Clone)]
pub struct Arena {
    raw: Arc<RawArena>,
    /// In the supervisor, keeps the pool's memory; in a worker it is there to the end.
    _memory: Option<Arc<PoolMemory>>,
}

impl Arena {
    pub(crate) fn new(raw: Arc<RawArena>, memory: Option<Arc<PoolMemory>>) -> Self {
        Self {
            raw,
            _memory: memory,
        }
    }

    /// `len` values of `T` that this process alone may write. Their content is whatever was
    /// there before, because cleared memory costs more than the copy into warm memory does.
    ///
    /// # Errors
    /// When the pool's limit or the system's shared memory is used up, saying which, how
    /// much there is, and what to do.
    pub fn alloc<T: Pod>(&self, len: usize) -> Result<Owned<[T]>, ArenaError> {
        let too_large = || ArenaError {
            what: format!(
                "{len} values of {} bytes are more than memory holds",
                size_of::<T>()
            ),
            source: None,
        };
        let bytes = len.checked_mul(size_of::<T>()).ok_or_else(too_large)?;
        let block = self.raw.alloc(bytes).map_err(|error| ArenaError {
            what: describe(&error),
            source: Some(error),
        })?;
        block
            .require_alignment(align_of::<T>())
            .map_err(|fault| ArenaError {
                what: fault.to_string(),
                source: None,
            })?;
        Ok(Owned {
            block,
            of: PhantomData,
        })
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

    /// How much there is and how much is in use. Reads every block's header: not for every
    /// task.
    #[must_use]
    pub fn stats(&self) -> ArenaStats {
        self.raw.stats()
    }
}

impl fmt::Debug for Arena {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arena").finish_non_exhaustive()
    }
}

/// An error with its causes, in one line.
pub(crate) fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Plain data in shared memory that this process alone may read and write.
pub struct Owned<T: ?Sized> {
    block: BlockMut,
    of: PhantomData<T>,
}

impl<T: Pod> Owned<[T]> {
    /// Ends the writing, so that it can be shared.
    #[must_use]
    pub fn into_shared(self) -> Shared<[T]> {
        Shared {
            block: self.block.freeze(),
            of: PhantomData,
        }
    }
}

impl<T: Pod> Deref for Owned<[T]> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        bytemuck::cast_slice(&self.block)
    }
}

impl<T: Pod> DerefMut for Owned<[T]> {
    fn deref_mut(&mut self) -> &mut [T] {
        bytemuck::cast_slice_mut(&mut self.block)
    }
}

impl<T: Pod + fmt::Debug> fmt::Debug for Owned<[T]> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Plain data in shared memory that any process of the pool may read.
///
/// Cloning counts; the last one gone, in whatever process, gives the memory back. Sending it
/// as an argument or a result sends a descriptor. It can be sent only within its pool: any
/// other serializer gets an error.
pub struct Shared<T: ?Sized> {
    block: Block,
    of: PhantomData<T>,
}

impl<T: ?Sized> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self {
            block: self.block.clone(),
            of: PhantomData,
        }
    }
}

impl<T: Pod> Deref for Shared<[T]> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        bytemuck::cast_slice(self.block.as_slice())
    }
}

impl<T: Pod + fmt::Debug> fmt::Debug for Shared<[T]> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<T: Pod> Serialize for Shared<[T]> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match packing_for() {
            Some(arena) if self.block.is_of(arena) => {}
            Some(_) => {
                return Err(S::Error::custom(
                    "a Shared value is a place in its own pool's memory; for another pool, \
                     copy the slice it derefs to into that one's arena",
                ));
            }
            None => {
                return Err(S::Error::custom(
                    "a Shared value is a place in its pool's memory; outside of a task's \
                     argument or result, serialize the slice it derefs to",
                ));
            }
        }
        attach(self.block.clone());
        let bytes: [u8; size_of::<Descriptor>()] = bytemuck::cast(self.block.descriptor());
        bytes.serialize(serializer)
    }
}

impl<'de, T: Pod> Deserialize<'de> for Shared<[T]> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = <[u8; size_of::<Descriptor>()]>::deserialize(deserializer)?;
        let descriptor: Descriptor = bytemuck::pod_read_unaligned(&bytes);
        let Some(arena) = unpacking_from() else {
            return Err(D::Error::custom(
                "a Shared value can be received only as a task's argument or result",
            ));
        };
        let block = arena.resolve(&descriptor).map_err(D::Error::custom)?;
        block
            .require_alignment(align_of::<T>())
            .map_err(D::Error::custom)?;
        if block.as_slice().len() % size_of::<T>().max(1) != 0 {
            return Err(D::Error::custom(
                "a Shared value holds a broken number of elements",
            ));
        }
        Ok(Self {
            block,
            of: PhantomData,
        })
    }
}

thread_local! {
    static UNPACKING: RefCell<Option<Arc<RawArena>>> = const { RefCell::new(None) };
}

/// The arena in which values that are decoded on this thread are found, if there is one.
pub(crate) fn unpacking_from() -> Option<Arc<RawArena>> {
    UNPACKING.with_borrow(Clone::clone)
}

/// While it lives, [`Shared`] values decoded on this thread are found in that arena.
pub(crate) struct Unpacking(Option<Arc<RawArena>>);

impl Unpacking {
    pub(crate) fn from(arena: &Arc<RawArena>) -> Self {
        Self(UNPACKING.replace(Some(Arc::clone(arena))))
    }
}

impl Drop for Unpacking {
    fn drop(&mut self) {
        UNPACKING.set(self.0.take());
    }
}
