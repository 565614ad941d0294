//! One number or flag that all processes see: an atomic in place.

use core::fmt;

use super::place::InPlace;
use crate::steps::step;
use crate::sync::{AtomicU8, AtomicU32, AtomicU64, Ordering};

mod sealed {
    /// What only this module can implement: how a type stands in an atomic.
    pub trait Stored: Copy + 'static {
        /// The atomic of its size.
        type Atomic: Send + Sync;
        fn atomic(value: Self) -> Self::Atomic;
        fn load(at: &Self::Atomic) -> Self;
        fn store(at: &Self::Atomic, value: Self);
        fn swap(at: &Self::Atomic, value: Self) -> Self;
        fn exchange(at: &Self::Atomic, current: Self, new: Self) -> Result<Self, Self>;
    }

    /// The same for arithmetic.
    pub trait Counted: Stored {
        fn add(at: &Self::Atomic, value: Self) -> Self;
        fn max(at: &Self::Atomic, value: Self) -> Self;
    }
}

use sealed::{Counted, Stored};

/// What a [`SharedCell`] can hold: `bool`, `u8`, `u32`, `u64`, `i32`, `i64`, `f64`.
///
/// Sealed: these are the types for which any bits that a peer may write are a value.
pub trait Shareable: Stored {}

/// What a [`SharedCell`] can count with: every [`Shareable`] but `bool`.
pub trait Number: Shareable + Counted {}

/// Applies `next` to what stands in the cell, until no other process is in between. What stood
/// there before.
fn update<T: Stored>(at: &T::Atomic, next: impl Fn(T) -> T) -> T {
    let mut seen = T::load(at);
    loop {
        let to = next(seen);
        step();
        match T::exchange(at, seen, to) {
            Ok(old) => return old,
            Err(now) => seen = now,
        }
    }
}

/// How `$type` stands in `$atomic`, whose bits are `$bits`.
macro_rules! stored {
    ($type:ty, $atomic:ty, $bits:ty, $to:expr, $from:expr) => {
        impl Stored for $type {
            type Atomic = $atomic;

            fn atomic(value: Self) -> $atomic {
                <$atomic>::new($to(value))
            }

            #[inline]
            fn load(at: &$atomic) -> Self {
                // Acquire pairs with the Release in `store`, `swap`, `exchange`, `add`, `max`.
                $from(at.load(Ordering::Acquire))
            }

            #[inline]
            fn store(at: &$atomic, value: Self) {
                // Release: what came before is seen by the Acquire in `load` and all others.
                at.store($to(value), Ordering::Release);
            }

            #[inline]
            fn swap(at: &$atomic, value: Self) -> Self {
                // Acquire pairs with the Release in `store` and in every read-modify-write.
                $from(at.swap($to(value), Ordering::AcqRel))
            }

            #[inline]
            fn exchange(at: &$atomic, current: Self, new: Self) -> Result<Self, Self> {
                let (current, new) = ($to(current), $to(new));
                // Acquire, on failure too, pairs with the Release in `store` and in every
                // read-modify-write: the caller sees what came before the value it is given.
                at.compare_exchange(current, new, Ordering::AcqRel, Ordering::Acquire)
                    .map($from)
                    .map_err($from)
            }
        }

        impl Shareable for $type {}
    };
}

stored!(bool, AtomicU8, u8, u8::from, |bits: u8| bits != 0);
stored!(u8, AtomicU8, u8, |value: u8| value, |bits: u8| bits);
stored!(u32, AtomicU32, u32, |value: u32| value, |bits: u32| bits);
stored!(u64, AtomicU64, u64, |value: u64| value, |bits: u64| bits);
stored!(i32, AtomicU32, u32, i32::cast_unsigned, u32::cast_signed);
stored!(i64, AtomicU64, u64, i64::cast_unsigned, u64::cast_signed);
stored!(f64, AtomicU64, u64, f64::to_bits, f64::from_bits);

/// One instruction each, where the processor has one.
macro_rules! counted_natively {
    ($($type:ty)*) => {$(
        impl Counted for $type {
            #[inline]
            fn add(at: &Self::Atomic, value: Self) -> Self {
                // Acquire pairs with the Release in `store` and in every read-modify-write.
                at.fetch_add(value, Ordering::AcqRel)
            }

            #[inline]
            fn max(at: &Self::Atomic, value: Self) -> Self {
                // Acquire pairs with the Release in `store` and in every read-modify-write.
                at.fetch_max(value, Ordering::AcqRel)
            }
        }

        impl Number for $type {}
    )*};
}

counted_natively!(u8 u32 u64);

/// In two's complement adding is the same with and without sign; comparing is not.
macro_rules! counted_with_sign {
    ($($type:ty)*) => {$(
        impl Counted for $type {
            #[inline]
            fn add(at: &Self::Atomic, value: Self) -> Self {
                // Acquire pairs with the Release in `store` and in every read-modify-write.
                at.fetch_add(value.cast_unsigned(), Ordering::AcqRel).cast_signed()
            }

            #[inline]
            fn max(at: &Self::Atomic, value: Self) -> Self {
                update(at, |seen: Self| Ord::max(seen, value))
            }
        }

        impl Number for $type {}
    )*};
}

counted_with_sign!(i32 i64);

impl Counted for f64 {
    fn add(at: &Self::Atomic, value: Self) -> Self {
        update(at, |seen: Self| seen + value)
    }

    fn max(at: &Self::Atomic, value: Self) -> Self {
        update(at, |seen: Self| seen.max(value))
    }
}

impl Number for f64 {}

/// A value that all processes see and change, without a lock.
///
/// ```text
///   +------------------+
///   |  T, as an atomic |   1, 4 or 8 bytes
///   +------------------+
/// ```
///
/// **Orderings.** `load` is an Acquire, `store` a Release, and everything that does both is
/// both: whoever reads a value also sees what its writer did before. Nothing is sequentially
/// consistent *across* cells: two processes that each store to one cell and then load the
/// other's may both find the old value. Use a [`SharedMutex`](super::SharedMutex) for what
/// concerns two values.
///
/// A process that dies has changed the cell or has not; there is nothing to give back.
///
/// ```
/// use forkyard_shm::state::SharedCell;
///
/// let best = SharedCell::new(3_i64);
/// assert_eq!(best.fetch_max(7), 3);
/// assert_eq!(best.compare_exchange(7, -1), Ok(7));
/// assert_eq!(best.load(), -1);
/// ```
#[repr(transparent)]
pub struct SharedCell<T: Shareable>(T::Atomic);

// SAFETY: transparent over one atomic, as `Shareable` is sealed; zero is zero (or false) and any
// bits are a value.
unsafe impl<T: Shareable> InPlace for SharedCell<T> {}

#[cfg(not(loom))]
const _: () = {
    assert!(size_of::<SharedCell<bool>>() == 1 && size_of::<SharedCell<u8>>() == 1);
    assert!(size_of::<SharedCell<u32>>() == 4 && size_of::<SharedCell<i32>>() == 4);
    assert!(size_of::<SharedCell<u64>>() == 8 && size_of::<SharedCell<i64>>() == 8);
    assert!(size_of::<SharedCell<f64>>() == 8 && align_of::<SharedCell<f64>>() == 8);
};

impl<T: Shareable> SharedCell<T> {
    /// A cell outside of shared memory, for the threads of one process.
    pub fn new(value: T) -> Self {
        Self(T::atomic(value))
    }

    /// The value. Acquire.
    #[inline]
    pub fn load(&self) -> T {
        T::load(&self.0)
    }

    /// Replaces the value. Release.
    #[inline]
    pub fn store(&self, value: T) {
        step();
        T::store(&self.0, value);
    }

    /// Replaces the value; returns the one before. Acquire and Release.
    #[inline]
    pub fn swap(&self, value: T) -> T {
        step();
        T::swap(&self.0, value)
    }

    /// Replaces the value if it is `current`. Acquire and Release; Acquire when it fails. For
    /// `f64`, equal means equal in each bit: `NaN` is itself, and `0.0` is not `-0.0`.
    ///
    /// # Errors
    /// The value that stands there, when it is another.
    #[inline]
    pub fn compare_exchange(&self, current: T, new: T) -> Result<T, T> {
        step();
        T::exchange(&self.0, current, new)
    }

    /// Replaces the value by what `next` makes of it, which is called again when another
    /// process was faster. Returns the value before. Acquire and Release.
    #[inline]
    pub fn fetch_update(&self, next: impl Fn(T) -> T) -> T {
        update(&self.0, next)
    }
}

impl<T: Number> SharedCell<T> {
    /// Adds, wrapping as integers do; returns the value before. Acquire and Release. One
    /// instruction, but for `f64`, which tries until no other process is in between.
    #[inline]
    pub fn fetch_add(&self, value: T) -> T {
        step();
        T::add(&self.0, value)
    }

    /// Keeps the greater value; returns the one before. Acquire and Release. A `NaN` is less
    /// than every number.
    #[inline]
    pub fn fetch_max(&self, value: T) -> T {
        step();
        T::max(&self.0, value)
    }
}

impl<T: Shareable + fmt::Debug> fmt::Debug for SharedCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SharedCell").field(&self.load()).finish()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn every_type_keeps_its_values() {
        fn kept<T: Shareable + PartialEq + fmt::Debug>(values: [T; 3]) {
            let cell = SharedCell::new(values[0]);
            assert_eq!(cell.load(), values[0]);
            cell.store(values[1]);
            assert_eq!(cell.swap(values[2]), values[1]);
            assert_eq!(cell.compare_exchange(values[0], values[1]), Err(values[2]));
            assert_eq!(cell.compare_exchange(values[2], values[0]), Ok(values[2]));
            assert_eq!(cell.load(), values[0]);
        }
        kept([1_u8, u8::MAX, 0]);
        kept([1_u32, u32::MAX, 0]);
        kept([1_u64, u64::MAX, 0]);
        kept([-1_i32, i32::MIN, i32::MAX]);
        kept([-1_i64, i64::MIN, i64::MAX]);
        kept([-0.5_f64, f64::INFINITY, f64::MIN_POSITIVE]);
        let flag = SharedCell::new(false);
        assert_eq!(flag.compare_exchange(false, true), Ok(false));
        assert!(flag.load());
    }

    #[test]
    fn numbers_add_and_keep_the_greater() {
        let cell = SharedCell::new(-3_i32);
        assert_eq!((cell.fetch_max(-7), cell.fetch_add(1)), (-3, -3));
        assert_eq!(cell.fetch_max(5), -2);
        assert_eq!(cell.load(), 5);
        let wraps = SharedCell::new(u8::MAX);
        wraps.fetch_add(2);
        assert_eq!(wraps.load(), 1);
        let real = SharedCell::new(f64::NAN);
        real.fetch_max(1.5);
        real.fetch_add(1.0);
        assert_eq!(real.load(), 2.5);
        assert_eq!(real.fetch_update(|value| value * 2.0), 2.5);
    }

    #[test]
    fn a_bool_that_a_peer_spoilt_is_true() {
        let cell = SharedCell::new(false);
        cell.0.store(0xa5, Ordering::Relaxed);
        assert!(cell.load());
    }

    #[test]
    fn no_addition_is_lost() {
        let sum = SharedCell::new(0.0_f64);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        sum.fetch_add(1.0);
                    }
                });
            }
        });
        assert_eq!(sum.load(), 4000.0);
    }
}
