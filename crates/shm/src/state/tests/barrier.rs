//! The barrier, one case after the other.

use super::super::tests::{Hook, Memory};
use super::*;

const A: OwnerIndex = OwnerIndex::SUPERVISOR;
const Z: OwnerIndex = OwnerIndex::new(255);

fn barrier(memory: &Memory, parties: usize) -> Barrier<'_> {
    Barrier::in_place(&mut memory.place(), parties).unwrap()
}

#[test]
fn the_last_ends_the_wait_of_all_and_the_next_round_begins() {
    let memory = Memory::new(Barrier::bytes());
    let barrier = barrier(&memory, 2);
    for _ in 0..20 {
        let first = barrier.wait(
            A,
            &Hook::once(|| assert_eq!(barrier.wait(Z, &Hook::never()), Ok(Passed::Last))),
        );
        assert_eq!((first, barrier.waiting()), (Ok(Passed::NotLast), 0));
    }
}

#[test]
fn a_members_death_breaks_it_until_reset_and_a_strangers_does_not() {
    let memory = Memory::new(Barrier::bytes());
    let barrier = barrier(&memory, 3);
    barrier.join(Z);
    let broken = BarrierBroken { by: Some(Z) };
    let waited = barrier.wait(
        A,
        &Hook::once(|| {
            assert!(!barrier.give_back(OwnerIndex::new(5), &Hook::never()));
            assert!(barrier.give_back(Z, &Hook::never()));
            assert!(!barrier.give_back(Z, &Hook::never()), "once");
        }),
    );
    assert_eq!(waited, Err(broken));
    assert_eq!(barrier.wait(A, &Hook::never()), Err(broken), "to come");
    barrier.reset(&Hook::never());
    assert_eq!((barrier.broken(), barrier.waiting()), (None, 0));
    barrier.leave(A);
    assert!(!barrier.give_back(A, &Hook::never()), "no member any more");
}

#[test]
fn who_sleeps_through_a_reset_is_told_of_it_and_of_no_other() {
    let memory = Memory::new(Barrier::bytes());
    let barrier = barrier(&memory, 2);
    let pass = || {
        let last = Hook::once(|| assert!(barrier.wait(Z, &Hook::never()).is_ok()));
        assert_eq!(barrier.wait(A, &last), Ok(Passed::NotLast));
    };
    let reset = barrier.wait(
        A,
        &Hook::once(|| {
            barrier.reset(&Hook::never());
            pass();
        }),
    );
    assert_eq!(reset, Err(BarrierBroken { by: None }));
    let passed = barrier.wait(
        A,
        &Hook::once(|| {
            assert!(barrier.wait(Z, &Hook::never()).is_ok());
            barrier.abort(&Hook::never());
            barrier.reset(&Hook::never());
            pass();
        }),
    );
    assert_eq!(passed, Ok(Passed::NotLast));
}

#[test]
fn a_timeout_takes_the_arrival_back() {
    let memory = Memory::new(Barrier::bytes());
    let barrier = barrier(&memory, 2);
    let late = barrier.wait_timeout(A, Duration::ZERO, &Hook::never());
    assert_eq!(late, Err(WaitError::TimedOut));
    assert_eq!((barrier.waiting(), barrier.broken()), (0, None));
    barrier.abort(&Hook::never());
    let broken = BarrierBroken { by: None };
    assert_eq!(barrier.wait(A, &Hook::never()), Err(broken));
    let aborted = barrier.wait_timeout(A, Duration::ZERO, &Hook::never());
    assert_eq!(aborted, Err(WaitError::Broken(broken)));
}

#[test]
fn a_barrier_for_one_or_none_or_too_many() {
    let core = BarrierCore::default();
    let one = Barrier::over(&core, 1).unwrap();
    assert_eq!(one.wait(A, &Hook::never()), Ok(Passed::Last));
    assert!(Barrier::over(&core, 0).is_err());
    assert!(Barrier::over(&core, MAX_PARTIES + 1).is_err());
}
