//! Memory to put shared state into, handed in by whoever mapped it.
//!
//! ```text
//!   ptr                                                  ptr + len
//!    +----------+-----+--------------+--------------------+
//!    | taken    | pad | taken        | left               |
//!    +----------+-----+--------------+--------------------+
//! ```
//!
//! One process makes the state with [`Place::zeroed`], which is the initial state of every
//! primitive; the others [attach](Place::attach) to the same bytes, at whatever address they
//! have mapped them, and take the same things in the same order.

use core::marker::PhantomData;
use core::ptr::NonNull;

use crate::steps::step;

/// A type that may stand in memory which other processes write.
///
/// # Safety
/// It is `repr(C)` or `repr(transparent)` and has the same layout in every process; all-zero
/// bytes are its initial state; any bytes at all are a value of it, on which its safe methods
/// are sound; whatever changes under a shared reference is an atomic or in an `UnsafeCell`.
pub unsafe trait InPlace: Sized + Sync {}

/// The memory does not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlaceError {
    /// Too few bytes are left.
    #[error(
        "shared state of {needed} bytes does not fit into the {left} bytes left of its block; allocate what `bytes` says"
    )]
    TooSmall {
        /// What it takes, padding before it included.
        needed: usize,
        /// What there is.
        left: usize,
    },
    /// More items than can be counted.
    #[error("{asked} items of shared state are asked for, there can be 1 to {most}")]
    Count {
        /// What was asked for.
        asked: usize,
        /// The most there can be.
        most: usize,
    },
}

/// See the module.
#[derive(Debug)]
pub struct Place<'m> {
    next: NonNull<u8>,
    left: usize,
    memory: PhantomData<&'m ()>,
}

impl<'m> Place<'m> {
    /// Memory in which a process has made shared state with [`zeroed`](Self::zeroed).
    ///
    /// # Safety
    /// `len` bytes at `ptr` stay mapped, readable and writable, for `'m`. All who touch them
    /// during `'m`, in whatever process, do so through what they take from a `Place` that
    /// starts here, and take the same types and counts in the same order.
    #[inline]
    pub unsafe fn attach(ptr: NonNull<u8>, len: usize) -> Self {
        Self {
            next: ptr,
            left: len,
            memory: PhantomData,
        }
    }

    /// Memory that nobody uses yet, made zero.
    ///
    /// # Safety
    /// As for [`attach`](Self::attach); and nobody else touches the bytes before this returns.
    pub unsafe fn zeroed(ptr: NonNull<u8>, len: usize) -> Self {
        step();
        // SAFETY: writable, and nobody else touches it, by the contract.
        unsafe { ptr.write_bytes(0, len) };
        // SAFETY: the same contract.
        unsafe { Self::attach(ptr, len) }
    }

    /// Cuts off `len` bytes at the next multiple of `align`.
    #[inline]
    fn cut(&mut self, len: usize, align: usize) -> Result<NonNull<u8>, PlaceError> {
        let pad = self.next.align_offset(align);
        let needed = pad.saturating_add(len);
        if needed > self.left {
            return Err(PlaceError::TooSmall {
                needed,
                left: self.left,
            });
        }
        // SAFETY: pad <= needed <= left, so both stay within the memory or at its end.
        let (at, next) = unsafe { (self.next.add(pad), self.next.add(needed)) };
        self.next = next;
        self.left -= needed;
        Ok(at)
    }

    /// The next thing of this type.
    ///
    /// # Errors
    /// [`PlaceError::TooSmall`].
    #[inline]
    pub fn take<S: InPlace>(&mut self) -> Result<&'m S, PlaceError> {
        let at = self.cut(size_of::<S>(), align_of::<S>())?;
        // SAFETY: mapped for 'm, aligned and long enough by `cut`; initialised and shared only
        // as S by the contract of `attach`, and any bytes are an S by that of `InPlace`.
        Ok(unsafe { at.cast::<S>().as_ref() })
    }

    /// The next `count` things of this type.
    ///
    /// # Errors
    /// [`PlaceError::TooSmall`].
    #[inline]
    pub fn take_slice<S: InPlace>(&mut self, count: usize) -> Result<&'m [S], PlaceError> {
        let len = size_of::<S>().saturating_mul(count);
        let at = self.cut(len, align_of::<S>())?;
        // SAFETY: as in `take`, for `count` of them; `left` bounds the product.
        Ok(unsafe { NonNull::slice_from_raw_parts(at.cast::<S>(), count).as_ref() })
    }
}

/// Refuses a count of none, or of more than `most`.
#[inline]
pub(super) fn check_count(asked: usize, most: usize) -> Result<(), PlaceError> {
    if (1..=most).contains(&asked) {
        return Ok(());
    }
    Err(PlaceError::Count { asked, most })
}

#[cfg(test)]
mod tests {
    use super::super::SharedCell;
    use super::*;

    #[test]
    fn things_are_aligned_and_the_end_is_the_end() {
        let mut bytes = [0xff_u64; 4];
        let ptr = NonNull::from(&mut bytes).cast();
        // SAFETY: the array outlives the place, and is reached through it alone.
        let mut place = unsafe { Place::zeroed(ptr, 32) };
        let flag: &SharedCell<bool> = place.take().unwrap();
        let sum: &SharedCell<u64> = place.take().unwrap();
        assert!(!flag.load());
        assert_eq!(core::ptr::from_ref(sum).addr() - ptr.addr().get(), 8);
        let rest: &[SharedCell<u64>] = place.take_slice(2).unwrap();
        assert_eq!(rest.len(), 2);
        assert_eq!(
            place.take::<SharedCell<u8>>().unwrap_err(),
            PlaceError::TooSmall { needed: 1, left: 0 }
        );
        let many = place.take_slice::<SharedCell<u64>>(usize::MAX);
        assert!(many.is_err());
    }
}
