//! Killing a whole process at a numbered step of what it does to shared memory.
//!
//! ```text
//!   victim:  arm(k, die) ─ step 1 ─ step 2 ─ … ─ step k: die(where)      SIGKILL, nothing runs after
//!   test:    k = 1, 2, 3, …  until the victim lives to say disarm()      it has k - 1 steps
//! ```
//!
//! A step is one access that other processes can see, and the victim dies *before* it. This
//! crate knows no operating system, so the victim brings its own way to die.
//!
//! **Whose steps count.** Those of the thread that armed itself, no other's. A process of a
//! pool has threads that wake when they please (one that watches for deaths, one that feeds):
//! if theirs counted, step *k* would be another one in each run, and a loop over *k* could
//! miss some and never end. The flag that all threads look at is one for the process, so that
//! a step costs one relaxed load while nobody is armed.
//!
//! Debug builds only; a release build has neither this module nor any cost.

use core::cell::Cell;
use core::panic::Location;

use crate::sync::{AtomicU32, Ordering};

/// Where a victim dies: the line of the step.
pub type Where = &'static Location<'static>;

/// How a victim dies. Whatever it does must be over at once for all others: SIGKILL is. One that
/// returns lives on, unarmed: a fork copies a plan that was meant for the parent alone.
pub type Die = fn(Where);

/// Threads of this process that are armed.
static ARMED: AtomicU32 = AtomicU32::new(0);

#[derive(Clone, Copy)]
struct Plan {
    taken: u64,
    fatal: u64,
    die: Die,
}

std::thread_local! {
    static PLAN: Cell<Option<Plan>> = const { Cell::new(None) };
}

/// From now on this thread's steps count, and at the one numbered `fatal`, the first being 1,
/// it calls `die` instead. 0 lets it live, to count.
pub fn arm(fatal: u64, die: Die) {
    let plan = Plan {
        taken: 0,
        fatal,
        die,
    };
    if PLAN.replace(Some(plan)).is_none() {
        // Relaxed: only this thread's own steps depend on it.
        ARMED.fetch_add(1, Ordering::Relaxed);
    }
}

/// Ends what [`arm`] began. How many steps there were.
pub fn disarm() -> u64 {
    let Some(plan) = PLAN.take() else {
        return 0;
    };
    ARMED.fetch_sub(1, Ordering::Relaxed);
    plan.taken
}

/// How many steps this thread has taken since it was armed.
#[must_use]
pub fn taken() -> u64 {
    PLAN.get().map_or(0, |plan| plan.taken)
}

/// Does something whose steps do not count: what another process would do meanwhile.
pub fn aside<R>(body: impl FnOnce() -> R) -> R {
    let plan = PLAN.take();
    let result = body();
    PLAN.set(plan);
    result
}

/// A step. For a victim's own accesses to what it shares, which deserve to be tried as well.
#[inline(always)]
#[track_caller]
pub fn step() {
    if ARMED.load(Ordering::Relaxed) != 0 {
        count(Location::caller());
    }
}

#[cold]
fn count(at: Where) {
    let Some(mut plan) = PLAN.get() else {
        return;
    };
    plan.taken += 1;
    PLAN.set(Some(plan));
    if plan.taken == plan.fatal {
        // What the dying does on its way is no step.
        disarm();
        (plan.die)(at);
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{catch_unwind, resume_unwind};

    use super::*;
    use crate::StopFlag;

    fn die(at: Where) {
        resume_unwind(Box::new(at))
    }

    #[test]
    fn it_dies_at_its_step_and_says_where() {
        let flag = StopFlag::new();
        arm(2, die);
        let round = flag.arm();
        let died = catch_unwind(|| flag.raise(round)).expect_err("the second step");
        let at: &Where = died.downcast_ref().expect("a place");
        assert!(at.file().ends_with("stop.rs"));
        assert!(!flag.is_raised(round), "it died before the step");
        assert_eq!(disarm(), 0, "the dead are not armed");
    }

    #[test]
    fn steps_of_others_and_those_aside_do_not_count() {
        let flag = StopFlag::new();
        arm(0, die);
        let round = aside(|| flag.arm());
        std::thread::scope(|scope| scope.spawn(|| flag.raise(round)).join().unwrap());
        assert_eq!(taken(), 0);
        flag.raise(round);
        assert_eq!(disarm(), 1);
        assert_eq!(taken(), 0);
    }
}
