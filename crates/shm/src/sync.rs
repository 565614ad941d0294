//! The one place atomics come from: the real ones, or loom's when a model runs.
//!
//! Everything in this crate that two processes touch at once goes through these names, so
//! that `RUSTFLAGS="--cfg loom"` turns the same source into a model. [`UnsafeCell`] is here
//! for the same reason: loom's remembers who touched it, and fails a model in which two do
//! without one of them happening before the other.

#[cfg(not(loom))]
pub use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering, fence};
#[cfg(loom)]
pub use loom::cell::UnsafeCell;
#[cfg(loom)]
pub use loom::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering, fence};

/// One turn of a spin loop.
#[inline]
pub fn spin_hint() {
    #[cfg(not(loom))]
    core::hint::spin_loop();
    #[cfg(loom)]
    loom::thread::yield_now();
}

/// A sequentially consistent fence: of two threads that write, fence and read what the other
/// writes, at least one reads it.
///
/// On x86_64 a locked instruction does that. It costs half of what `mfence` does, which is what
/// `fence` is compiled to, because the instructions after it may begin before it has ended.
/// (Linux's `smp_mb` does the same.)
#[inline(always)]
pub fn full_fence() {
    #[cfg(all(not(loom), target_arch = "x86_64"))]
    // SAFETY: changes nothing: it writes what it reads, to this thread's stack. Not `nomem`, so
    // the compiler moves no access to memory across it.
    unsafe {
        core::arch::asm!("lock or dword ptr [rsp], 0", options(nostack));
    }
    #[cfg(any(loom, not(target_arch = "x86_64")))]
    fence(Ordering::SeqCst);
}

/// Asks the processor for the cache line at `at`, to be written soon, without waiting for it.
///
/// A line that another core has written takes some hundred nanoseconds to come. Asked for ahead,
/// it comes while something else is done, and it comes once: to read it and then to write it
/// would be two journeys. Any address will do; one that is not mapped is ignored.
#[inline(always)]
pub fn prefetch_for_write(at: *const u8) {
    #[cfg(all(not(loom), target_arch = "x86_64"))]
    // SAFETY: a hint that touches neither memory nor registers nor flags; processors that do
    // not know it take it for a no-op.
    unsafe {
        core::arch::asm!("prefetchw [{at}]", at = in(reg) at, options(nostack, preserves_flags, readonly));
    }
    #[cfg(all(not(loom), target_arch = "aarch64"))]
    // SAFETY: as above.
    unsafe {
        core::arch::asm!("prfm pstl1keep, [{at}]", at = in(reg) at, options(nostack, preserves_flags, readonly));
    }
    #[cfg(any(loom, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
    let _ = at;
}

/// Memory that its users take turns with. Core's cell, with the interface of loom's.
#[cfg(not(loom))]
#[derive(Debug)]
#[repr(transparent)]
pub struct UnsafeCell<T>(core::cell::UnsafeCell<T>);

#[cfg(not(loom))]
impl<T> UnsafeCell<T> {
    /// A cell that holds `value`.
    pub const fn new(value: T) -> Self {
        Self(core::cell::UnsafeCell::new(value))
    }

    /// Hands out the pointer, to read.
    #[inline(always)]
    pub fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        f(self.0.get())
    }

    /// Hands out the pointer, to write.
    #[inline(always)]
    pub fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }
}
