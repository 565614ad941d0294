//! Data that any number of processes read where it lies.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::ops::{Bound, Deref, Range, RangeBounds};

use bytemuck::Pod;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::error::ArenaError;
use super::owned::Owned;
use super::payload::{Payload, Plain};
use super::place::{self, Place};
use super::{Block, Descriptor};
use crate::packing::{Attached, attach};

/// Data in shared memory that any process of the pool may read: a slice `[T]`, one value `T`,
/// or text `str`.
///
/// Cloning counts; the last one gone, in whatever process, gives the memory back. Sending it
/// as an argument or a result sends a descriptor. It can be sent only within its pool: any
/// other serializer gets an error. What arrives is checked: that it is there, that it is as
/// long as its type, and that text is UTF-8.
///
/// ```no_run
/// use forkyard::{Pool, Shared};
///
/// forkyard::init();
/// let pool = Pool::builder().build()?;
/// let poem = pool.arena().copy_str("Ich stand auf hohem Berge")?;
/// let second = poem.slice(4..9); // no bytes are copied, here or on the way
/// let len = pool.submit(|word: Shared<str>| word.len(), second).join()?;
/// assert_eq!(len, 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Shared<T: ?Sized> {
    block: Block,
    of: PhantomData<T>,
}

impl<T: Payload + ?Sized> Shared<T> {
    /// Wraps a block that was checked to be a `T`.
    pub(super) fn new(block: Block) -> Self {
        Self {
            block,
            of: PhantomData,
        }
    }
}

impl<T: Plain + ?Sized> Shared<T> {
    /// The value to write into, if this is the last handle on it in any process.
    ///
    /// # Errors
    /// The handle, when there is another one, or when it is a slice of something larger.
    pub fn try_into_owned(self) -> Result<Owned<T>, Self> {
        if !self.block.is_whole() {
            return Err(self);
        }
        match self.block.try_into_mut() {
            Ok(block) => Ok(Owned::new(block)),
            Err(block) => Err(Self::new(block)),
        }
    }
}

impl<T: Pod> Shared<[T]> {
    /// A handle on some of the elements. Nothing is copied; the whole stays until the last
    /// handle on any part of it is gone.
    ///
    /// # Panics
    /// When the range is not within the slice, as with slices;
    /// [`try_slice`](Self::try_slice) does not.
    #[must_use]
    #[track_caller]
    pub fn slice(&self, range: impl RangeBounds<usize>) -> Self {
        let wanted = absolute(&range, self.len());
        match self.elements(wanted.clone()) {
            Some(part) => part,
            None => panic!("elements {wanted:?} of a Shared slice of {}", self.len()),
        }
    }

    /// [`slice`](Self::slice), or `None` when the range is not within the slice.
    #[must_use]
    pub fn try_slice(&self, range: impl RangeBounds<usize>) -> Option<Self> {
        self.elements(absolute(&range, self.len()))
    }

    fn elements(&self, range: Range<usize>) -> Option<Self> {
        let at = |element: usize| element.checked_mul(size_of::<T>());
        let part = self.block.slice(at(range.start)?..at(range.end)?)?;
        Some(Self::new(part))
    }
}

impl Shared<[u8]> {
    /// The same bytes as text.
    ///
    /// # Errors
    /// [`ArenaError::NotText`]; the handle is dropped then.
    pub fn into_text(self) -> Result<Shared<str>, ArenaError> {
        match self.block.into_text() {
            Ok(block) => Ok(Shared::new(block)),
            Err((error, _)) => Err(ArenaError::NotText {
                valid_up_to: error.valid_up_to(),
            }),
        }
    }
}

impl Shared<str> {
    /// A handle on a part of the text. Nothing is copied.
    ///
    /// # Panics
    /// When the range is not within the text or cuts a character, as with `str`;
    /// [`try_slice`](Self::try_slice) does not.
    #[must_use]
    #[track_caller]
    pub fn slice(&self, range: impl RangeBounds<usize>) -> Self {
        let wanted = absolute(&range, self.len());
        match self.block.slice_text(wanted.clone()) {
            Some(part) => Self::new(part),
            None => panic!(
                "bytes {wanted:?} of a Shared text of {}: out of bounds, or between characters",
                self.len()
            ),
        }
    }

    /// [`slice`](Self::slice), or `None` when the range is not within the text or cuts a
    /// character.
    #[must_use]
    pub fn try_slice(&self, range: impl RangeBounds<usize>) -> Option<Self> {
        let part = self.block.slice_text(absolute(&range, self.len()))?;
        Some(Self::new(part))
    }

    /// The bytes of the text.
    #[must_use]
    pub fn into_bytes(self) -> Shared<[u8]> {
        Shared::new(self.block)
    }
}

/// The range with both ends, for something of that length.
fn absolute(range: &impl RangeBounds<usize>, len: usize) -> Range<usize> {
    let start = match range.start_bound() {
        Bound::Included(&at) => at,
        Bound::Excluded(&at) => at.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(&at) => at.saturating_add(1),
        Bound::Excluded(&at) => at,
        Bound::Unbounded => len,
    };
    start..end
}

impl<T: ?Sized> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self {
            block: self.block.clone(),
            of: PhantomData,
        }
    }
}

impl<T: Payload + ?Sized> Deref for Shared<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        T::of(&self.block)
    }
}

impl<T: Payload + ?Sized> AsRef<T> for Shared<T> {
    fn as_ref(&self) -> &T {
        self
    }
}

impl<T: Payload + ?Sized> Borrow<T> for Shared<T> {
    fn borrow(&self) -> &T {
        self
    }
}

impl<'a, T: Pod> IntoIterator for &'a Shared<[T]> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T: Payload + fmt::Debug + ?Sized> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: Payload + fmt::Display + ?Sized> fmt::Display for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: Payload + PartialEq + ?Sized> PartialEq for Shared<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Payload + Eq + ?Sized> Eq for Shared<T> {}

impl<T: Payload + PartialEq + ?Sized> PartialEq<T> for Shared<T> {
    fn eq(&self, other: &T) -> bool {
        **self == *other
    }
}

impl<T: Payload + PartialOrd + ?Sized> PartialOrd for Shared<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        (**self).partial_cmp(&**other)
    }
}

impl<T: Payload + Ord + ?Sized> Ord for Shared<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (**self).cmp(&**other)
    }
}

impl<T: Payload + Hash + ?Sized> Hash for Shared<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl<T: Pod> From<Owned<[T]>> for Shared<[T]> {
    fn from(owned: Owned<[T]>) -> Self {
        owned.into_shared()
    }
}

impl<T: ?Sized> Serialize for Shared<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        place::may_leave("a Shared value", |arena| self.block.is_of(arena))?;
        let named: Descriptor = self.block.descriptor();
        attach(Attached::Shared(self.block.clone()));
        Place(named).serialize(serializer)
    }
}

impl<'de, T: Payload + ?Sized> Deserialize<'de> for Shared<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Place(named) = Place::deserialize(deserializer)?;
        let block = place::resolve(&named).map_err(D::Error::custom)?;
        T::check(block).map(Self::new).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::absolute;

    #[test]
    fn ranges_of_every_form_have_two_ends() {
        assert_eq!(absolute(&(..), 9), 0..9);
        assert_eq!(absolute(&(2..), 9), 2..9);
        assert_eq!(absolute(&(2..=4), 9), 2..5);
        assert_eq!(absolute(&(..usize::MAX), 9), 0..usize::MAX);
        assert_eq!(absolute(&(..=usize::MAX), 9), 0..usize::MAX);
    }
}
