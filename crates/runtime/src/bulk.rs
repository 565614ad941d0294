//! A list whose places are used again, so that what is moved a million times a second is
//! written where it stays, and not moved into place.

use crate::parcel::{Parcel, Ready};

/// What can stand in a [`Bulk`].
pub(crate) trait Place: Default {
    /// Lets go of what it holds beyond its own bytes.
    fn empty(&mut self);
}

impl Place for Ready {
    #[inline]
    fn empty(&mut self) {
        self.parcel.empty();
    }
}

impl Parcel {
    #[inline]
    pub(crate) fn empty(&mut self) {
        self.payload.long = None;
        self.extra = None;
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Bulk<T> {
    places: Vec<T>,
    len: usize,
}

impl<T> Default for Bulk<T> {
    fn default() -> Self {
        Self {
            places: Vec::new(),
            len: 0,
        }
    }
}

/// Places kept for later use at most.
const KEPT: usize = 4096;

impl<T: Place> Bulk<T> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// One more at the end. It is empty, but for bytes that mean nothing any more.
    #[inline]
    pub(crate) fn add(&mut self) -> &mut T {
        if self.len == self.places.len() {
            self.places.push(T::default());
        }
        self.len += 1;
        &mut self.places[self.len - 1]
    }

    /// Takes the last one off again.
    #[inline]
    pub(crate) fn undo(&mut self) {
        if let Some(last) = self.as_mut_slice().last_mut() {
            last.empty();
            self.len -= 1;
        }
    }

    #[inline]
    pub(crate) fn as_mut_slice(&mut self) -> &mut [T] {
        &mut self.places[..self.len]
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.places[..self.len].iter()
    }

    /// Moves all of another's behind its own, and keeps the places of both.
    pub(crate) fn append(&mut self, other: &mut Self) {
        if self.is_empty() {
            std::mem::swap(self, other);
        } else {
            for from in other.as_mut_slice() {
                *self.add() = std::mem::take(from);
            }
            other.len = 0;
        }
    }

    /// Takes all of them out, from the front.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = T> {
        self.places.drain(..std::mem::take(&mut self.len))
    }

    /// Empties it, and keeps the places.
    #[inline]
    pub(crate) fn clear(&mut self) {
        self.as_mut_slice().iter_mut().for_each(T::empty);
        self.len = 0;
        self.places.truncate(KEPT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_used_again_and_hold_nothing() {
        let mut bulk = Bulk::<Ready>::default();
        bulk.add().parcel.extra_mut().frame = vec![1];
        bulk.add().ticket.items = 7;
        bulk.undo();
        assert_eq!(bulk.len(), 1);
        bulk.clear();
        assert!(bulk.is_empty() && bulk.add().parcel.extra.is_none());
        bulk.as_mut_slice()[0].ticket.items = 3;
        let drained: Vec<_> = bulk.drain().map(|ready| ready.ticket.items).collect();
        assert_eq!((drained, bulk.len()), (vec![3], 0));
    }
}
