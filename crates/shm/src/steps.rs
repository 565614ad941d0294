//! Crash points: between any two steps of an operation on shared memory a process may die.
//!
//! Code calls [`step`] before each access that others can see. In a release build that is
//! nothing. In a debug build a process can be made to die there:
//!
//! * a real one, by SIGKILL, which is what [`crate::crash`] is for;
//! * in this crate's own tests and models, a thread that stands for one, by a panic that the
//!   test catches, after which the test reclaims what the dead owner held.
//!
//! Tests in release mode measure, and have no crash points.

/// A place where a death is worth trying. Nothing, unless somebody armed it.
#[inline(always)]
#[cfg_attr(all(debug_assertions, not(loom)), track_caller)]
#[doc(hidden)]
pub fn step() {
    #[cfg(all(test, any(loom, debug_assertions)))]
    armed::step();
    #[cfg(all(debug_assertions, not(loom)))]
    crate::crash::step();
}

#[cfg(all(test, any(loom, debug_assertions)))]
pub(crate) mod armed {
    use std::cell::Cell;
    use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

    // A model's threads share one real thread.
    #[cfg(loom)]
    loom::thread_local! {
        static LEFT: Cell<Option<u32>> = Cell::new(None);
    }
    #[cfg(not(loom))]
    std::thread_local! {
        static LEFT: Cell<Option<u32>> = const { Cell::new(None) };
    }

    struct Died;

    pub(super) fn step() {
        let left = LEFT.with(Cell::get);
        LEFT.with(|cell| cell.set(left.and_then(|n| n.checked_sub(1))));
        if left == Some(0) {
            // Not `panic!`: no hook runs, no message is printed.
            resume_unwind(Box::new(Died));
        }
    }

    /// Runs `body` and lets it die at step `n`; `None` when it died, so that a loop over
    /// `n` until `Some` has tried every crash point.
    pub(crate) fn die_at<R>(n: u32, body: impl FnOnce() -> R) -> Option<R> {
        LEFT.with(|cell| cell.set(Some(n)));
        let outcome = catch_unwind(AssertUnwindSafe(body));
        LEFT.with(|cell| cell.set(None));
        match outcome {
            Ok(result) => Some(result),
            Err(cause) if cause.is::<Died>() => None,
            Err(cause) => resume_unwind(cause),
        }
    }
}
