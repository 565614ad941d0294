//! Plain data that one process writes at a time, and that moves when it is sent.
//!
//! A value is encoded by reference, so encoding cannot move anything, and somebody may be
//! looking at the bytes meanwhile. So an [`Owned`] that is encoded only *promises* its block
//! to the message, and keeps the promise when it is dropped: then nobody looks at it any
//! more.
//!
//! ```text
//!   serialize: the message notes the promise        (as often as it is encoded)
//!   encoding failed, or is tried again: the note is dropped, nothing has happened
//!   drop of the Owned: the block goes to the promise
//!   the message is complete: it takes the block out of the promise, and offers it
//! ```
//!
//! A promise that is not kept by then (an `Arc` of the `Owned` is still somewhere) is an
//! error of that message. A promise that no message notes any more frees its block.

use std::borrow::{Borrow, BorrowMut};
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::payload::Plain;
use super::place::{self, Place};
use super::shared::Shared;
use super::{BlockMut, Lendable, Payload};
use crate::packing::{Attached, attach};

/// Plain data in shared memory that this process alone may read and write: a slice `[T]`, or
/// one value `T`.
///
/// Sending it, as a task's argument, in a `map`, or as a result, moves it: a descriptor of a
/// few bytes crosses, and the receiver may write where the sender wrote. If the task never
/// begins, or its result is never asked for, the memory is given back; if the worker dies
/// with it, too.
///
/// It can be sent only within its pool: any other serializer gets an error.
///
/// ```no_run
/// use forkyard::{Owned, Pool};
///
/// forkyard::init();
/// let pool = Pool::builder().build()?;
/// let mut samples = pool.arena().alloc_zeroed::<u32>(1_000_000)?;
/// samples[7] = 1;
/// let double = |mut samples: Owned<[u32]>| {
///     samples.iter_mut().for_each(|n| *n *= 2);
///     samples
/// };
/// let samples = pool.submit(double, samples).join()?; // there and back, never copied
/// assert_eq!(samples[7], 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Owned<T: ?Sized> {
    /// `None` only while it is dropped, becomes something else, or is lent.
    block: Option<BlockMut>,
    promise: OnceLock<Promise>,
    of: PhantomData<T>,
}

/// A block that will be there once its [`Owned`] is dropped.
#[derive(Debug, Clone, Default)]
pub(crate) struct Promise(Arc<Mutex<Option<BlockMut>>>);

impl Promise {
    /// Takes the block, if the promise was kept and nobody was faster.
    pub(crate) fn redeem(&self) -> Option<BlockMut> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn keep(&self, block: BlockMut) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(block);
    }
}

impl<T: ?Sized> Owned<T> {
    /// Wraps a block that was checked to be a `T`.
    pub(super) fn new(block: BlockMut) -> Self {
        Self {
            block: Some(block),
            promise: OnceLock::new(),
            of: PhantomData,
        }
    }

    /// The block itself, for good.
    fn into_block(mut self) -> BlockMut {
        match self.block.take() {
            Some(block) => block,
            None => unreachable!("{NOT_EMPTY}"),
        }
    }
}

impl<T: ?Sized> Lendable for Owned<T> {
    fn take_block(&mut self) -> BlockMut {
        match self.block.take() {
            Some(block) => block,
            None => unreachable!("{NOT_EMPTY}"),
        }
    }

    fn put_back(&mut self, block: BlockMut) {
        self.block = Some(block);
    }
}

const NOT_EMPTY: &str = "an Owned has its block until it is dropped";

impl<T: Payload + ?Sized> Owned<T> {
    /// Ends the writing, so that it can be shared.
    #[must_use]
    pub fn into_shared(self) -> Shared<T> {
        Shared::new(self.into_block().freeze())
    }
}

impl<T: ?Sized> Drop for Owned<T> {
    fn drop(&mut self) {
        if let (Some(promise), Some(block)) = (self.promise.take(), self.block.take()) {
            promise.keep(block);
        }
    }
}

impl<T: Plain + ?Sized> Deref for Owned<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        match &self.block {
            Some(block) => T::of_alone(block),
            None => unreachable!("{NOT_EMPTY}"),
        }
    }
}

impl<T: Plain + ?Sized> DerefMut for Owned<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        match &mut self.block {
            Some(block) => T::of_mut(block),
            None => unreachable!("{NOT_EMPTY}"),
        }
    }
}

impl<T: Plain + ?Sized> AsRef<T> for Owned<T> {
    fn as_ref(&self) -> &T {
        self
    }
}

impl<T: Plain + ?Sized> AsMut<T> for Owned<T> {
    fn as_mut(&mut self) -> &mut T {
        self
    }
}

impl<T: Plain + ?Sized> Borrow<T> for Owned<T> {
    fn borrow(&self) -> &T {
        self
    }
}

impl<T: Plain + ?Sized> BorrowMut<T> for Owned<T> {
    fn borrow_mut(&mut self) -> &mut T {
        self
    }
}

impl<'a, T: bytemuck::Pod> IntoIterator for &'a Owned<[T]> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a, T: bytemuck::Pod> IntoIterator for &'a mut Owned<[T]> {
    type Item = &'a mut T;
    type IntoIter = std::slice::IterMut<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

impl<T: Plain + fmt::Debug + ?Sized> fmt::Debug for Owned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: Plain + PartialEq + ?Sized> PartialEq for Owned<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Plain + Eq + ?Sized> Eq for Owned<T> {}

impl<T: Plain + PartialEq + ?Sized> PartialEq<T> for Owned<T> {
    fn eq(&self, other: &T) -> bool {
        **self == *other
    }
}

impl<T: Plain + std::hash::Hash + ?Sized> std::hash::Hash for Owned<T> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl<T: Plain + ?Sized> Serialize for Owned<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(block) = &self.block else {
            unreachable!("{NOT_EMPTY}")
        };
        place::may_leave("an Owned value", |arena| block.is_of(arena))?;
        let promise = self.promise.get_or_init(Promise::default);
        attach(Attached::Promised(promise.clone()));
        Place(block.descriptor()).serialize(serializer)
    }
}

impl<'de, T: Plain + ?Sized> Deserialize<'de> for Owned<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Place(named) = Place::deserialize(deserializer)?;
        let block = place::take(&named).map_err(D::Error::custom)?;
        T::check_mut(&block).map_err(D::Error::custom)?;
        Ok(Self::new(block))
    }
}
