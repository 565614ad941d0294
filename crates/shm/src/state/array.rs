//! Many cells in a row.

use core::fmt;
use core::ops::Deref;

use super::cell::{Shareable, SharedCell};
use super::place::{Place, PlaceError};

/// A row of [`SharedCell`]s in shared memory, to be used as a slice of them.
///
/// ```text
///   +--------+--------+--------+-- - - --+--------+
///   | cell 0 | cell 1 | cell 2 |         | len - 1|   no padding: size_of::<T>() each
///   +--------+--------+--------+-- - - --+--------+
/// ```
///
/// Each cell is atomic by itself; there is no look at two of them at one instant. Processes
/// that write neighbours contend for the cache line they share: give each a range of its own.
pub struct SharedArray<'m, T: Shareable> {
    cells: &'m [SharedCell<T>],
}

impl<T: Shareable> Clone for SharedArray<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Shareable> Copy for SharedArray<'_, T> {}

impl<'m, T: Shareable> SharedArray<'m, T> {
    /// The bytes that `len` cells take.
    #[must_use]
    pub const fn bytes(len: usize) -> usize {
        len.saturating_mul(size_of::<SharedCell<T>>())
    }

    /// The array of `len` cells that stands, or is to stand, at `place`.
    ///
    /// # Errors
    /// [`PlaceError::TooSmall`].
    #[inline]
    pub fn in_place(place: &mut Place<'m>, len: usize) -> Result<Self, PlaceError> {
        place.take_slice(len).map(|cells| Self { cells })
    }
}

impl<'m, T: Shareable> SharedArray<'m, T> {
    /// Over cells that stand somewhere else.
    pub fn over(cells: &'m [SharedCell<T>]) -> Self {
        Self { cells }
    }

    /// The cells, for as long as the memory lasts.
    #[inline]
    pub fn cells(&self) -> &'m [SharedCell<T>] {
        self.cells
    }

    /// The values, one after the other.
    pub fn values(&self) -> impl Iterator<Item = T> + 'm {
        self.cells.iter().map(SharedCell::load)
    }
}

impl<'m, T: Shareable> Deref for SharedArray<'m, T> {
    type Target = [SharedCell<T>];

    #[inline]
    fn deref(&self) -> &'m [SharedCell<T>] {
        self.cells
    }
}

impl<T: Shareable + fmt::Debug> fmt::Debug for SharedArray<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.values()).finish()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use core::ptr::NonNull;

    use super::*;

    #[test]
    fn two_that_attach_see_the_same_cells() {
        let mut memory = [u64::MAX; 3];
        let ptr = NonNull::from(&mut memory).cast();
        let bytes = SharedArray::<i64>::bytes(3);
        // SAFETY: the array outlives both places, and is reached through them alone.
        let (mut made, mut met) = unsafe { (Place::zeroed(ptr, bytes), Place::attach(ptr, bytes)) };
        let one = SharedArray::<i64>::in_place(&mut made, 3).unwrap();
        let other = SharedArray::<i64>::in_place(&mut met, 3).unwrap();
        one[2].store(-5);
        other[0].fetch_add(1);
        assert_eq!(other.values().collect::<Vec<_>>(), [1, 0, -5]);
        assert_eq!(format!("{one:?}"), "[1, 0, -5]");
        assert!(SharedArray::<i64>::in_place(&mut met, 1).is_err());
    }
}
