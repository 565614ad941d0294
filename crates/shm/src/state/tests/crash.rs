//! A process dies at every step of every operation; who waits goes on, and is told.
//!
//! The victim lives in a thread of the test, where it dies by a panic; those that sleep
//! meanwhile are threads of their own, on a futex that wakes exactly whom it is told to.

use core::mem::ManuallyDrop;
use core::time::Duration;
use std::sync::Mutex;

use super::super::{
    Barrier, BarrierBroken, Event, EventBroken, EventWaitError, GiveBack, NotLocked, OwnerDied,
    Passed, Semaphore, SharedMutex,
};
use super::peers::{Peer, Sleepers, elsewhere};
use super::{Hook, Memory};
use crate::OwnerIndex;
use crate::steps::armed::die_at;

const US: OwnerIndex = OwnerIndex::SUPERVISOR;
const VICTIM: OwnerIndex = OwnerIndex::new(1);
const OTHER: OwnerIndex = OwnerIndex::new(2);

/// Tries every step: `dies` lives until the step it is given, checks what is left, and says
/// whether it died. There have to be this many steps at least.
fn at_every_step(least: u32, dies: impl Fn(u32) -> bool) {
    let mut at = 0;
    while dies(at) {
        at += 1;
        assert!(at < 50, "there is no end of steps");
    }
    assert!(at >= least, "only {at} steps were tried");
}

/// Two numbers that are equal but for a death between their changes.
type Pair = SharedMutex<[u64; 2]>;

/// Locks, puts right what a death left, counts, unlocks. Who had died.
fn count(pair: &Pair, owner: OwnerIndex, park: &Sleepers) -> Option<OwnerIndex> {
    let (mut guard, dead) = match pair.lock(owner, park) {
        Ok(guard) => (guard, None),
        Err(OwnerDied { guard, owner }) => (guard, Some(owner)),
    };
    assert!(dead.is_some() || guard[0] == guard[1]);
    guard[1] = guard[0];
    guard.repair();
    *guard = guard.map(|number| number + 1);
    dead
}

/// The victim holds the lock while another sleeps for it, and dies anywhere.
#[test]
fn mutex_crash_of_the_holder_at_every_step() {
    at_every_step(4, |at| {
        let (park, pair) = (Sleepers::leaked(), &*Box::leak(Box::new(Pair::new([0; 2]))));
        let mut peer = None;
        let survived = die_at(at, || {
            let mut guard = ManuallyDrop::new(pair.lock(VICTIM, park).unwrap());
            peer = Some(Peer::start(move || count(pair, OTHER, park)));
            park.until(1);
            guard[0] += 1;
            crate::steps::step();
            guard[1] += 1;
            drop(ManuallyDrop::into_inner(guard));
        });
        let held = pair.give_back(VICTIM, park);
        assert!(!pair.give_back(VICTIM, park), "once");
        if let Some(peer) = peer {
            let told = peer.end("the waiter");
            assert_eq!(told, held.then_some(VICTIM), "step {at}");
        }
        assert!(!held || survived.is_none());
        assert_eq!(count(pair, US, park), None, "step {at}: repaired");
        survived.is_none()
    });
}

/// The victim waits, is the one that is woken, and dies before it has locked or after; the
/// other that waits is not forgotten.
#[test]
fn mutex_crash_of_a_waiter_at_every_step() {
    at_every_step(4, |at| {
        let (park, pair) = (Sleepers::leaked(), &*Box::leak(Box::new(Pair::new([0; 2]))));
        let silent = Box::leak(Box::new(Hook::never()));
        let ours = ManuallyDrop::new(pair.lock(US, silent).unwrap());
        let peer = Peer::start(move || count(pair, OTHER, park));
        park.until(1);
        let ours = Mutex::new(Some(ours));
        // Our unlock wakes one; that it was the victim is seen in that the peer sleeps on.
        let unlock = || {
            let ours = ours.lock().unwrap().take();
            elsewhere(move || ours.map(|ours| drop(ManuallyDrop::into_inner(ours))));
        };
        let woken = Hook::once(unlock);
        let survived = die_at(at, || {
            let guard = ManuallyDrop::new(pair.lock(VICTIM, &woken).unwrap());
            drop(ManuallyDrop::into_inner(guard));
        });
        unlock();
        let held = pair.give_back(VICTIM, park);
        assert_eq!(
            peer.end("the other waiter"),
            held.then_some(VICTIM),
            "step {at}"
        );
        survived.is_none()
    });
}

/// The one that an unlock wakes is one whose time is up, and a third was faster than both: it
/// leaves word of the other that sleeps.
#[test]
fn mutex_a_timeout_that_swallows_a_wake_leaves_word() {
    // On a busy machine the time may be up before the sleep that this is about.
    while !swallow_a_wake() {}
}

/// Whether there was a wake to swallow.
fn swallow_a_wake() -> bool {
    let (park, pair) = (Sleepers::leaked(), &*Box::leak(Box::new(Pair::new([0; 2]))));
    let silent = Box::leak(Box::new(Hook::never()));
    let ours = Mutex::new(Some(pair.lock(US, silent).unwrap()));
    let peer = Peer::start(move || count(pair, OTHER, park));
    park.until(1);
    let barged = Mutex::new(None);
    let woken = Hook::once(|| {
        drop(ours.lock().unwrap().take());
        *barged.lock().unwrap() = Some(pair.try_lock(US, park).unwrap());
    });
    let limit = Duration::from_millis(50);
    let late = pair.lock_timeout(VICTIM, limit, &woken);
    assert!(matches!(late, Err(NotLocked::Held { .. })));
    drop(late);
    if ours.lock().unwrap().is_some() {
        return false;
    }
    drop(barged.lock().unwrap().take());
    assert_eq!(peer.end("the one that sleeps"), None);
    true
}

#[test]
fn mutex_crash_of_who_repairs_at_every_step() {
    at_every_step(3, |at| {
        let (park, pair) = (Sleepers::leaked(), Pair::new([0; 2]));
        core::mem::forget(pair.lock(OTHER, park));
        assert!(pair.give_back(OTHER, park));
        let survived = die_at(at, || {
            let died = pair.lock(VICTIM, park).map(drop).unwrap_err();
            let mut guard = ManuallyDrop::new(died.guard);
            guard.repair();
            drop(ManuallyDrop::into_inner(guard));
        });
        let held = pair.give_back(VICTIM, park);
        let told = match (survived, held) {
            (Some(()), _) => None,
            (None, true) => Some(VICTIM),
            (None, false) => count(&pair, US, park),
        };
        if survived.is_none() && !held {
            assert!(told == Some(OTHER) || told.is_none(), "step {at}");
        } else {
            assert_eq!(count(&pair, US, park), told, "step {at}");
        }
        survived.is_none()
    });
}

/// The victim promises and sets while another sleeps for it.
#[test]
fn event_crash_of_the_setter_at_every_step() {
    at_every_step(3, |at| {
        let (park, event) = (Sleepers::leaked(), &*Box::leak(Box::new(Event::new())));
        let peer = Peer::start(move || event.wait(park));
        park.until(1);
        let survived = die_at(at, || {
            assert!(event.promise(VICTIM));
            event.set(park);
            event.clear();
        });
        let broken = event.give_back(VICTIM, park);
        assert!(!event.give_back(VICTIM, park), "once");
        if at == 0 {
            // It died before it promised anything.
            assert!(!broken);
            event.set(park);
        }
        let told = if broken {
            Err(EventBroken::SetterDied(VICTIM))
        } else {
            Ok(())
        };
        assert_eq!(peer.end("the waiter"), told, "step {at}");
        event.clear();
        assert!(event.promise(US), "step {at}: as new");
        survived.is_none()
    });
}

#[test]
fn event_crash_of_a_waiter_at_every_step() {
    at_every_step(1, |at| {
        let (park, event) = (Sleepers::leaked(), &*Box::leak(Box::new(Event::new())));
        let peer = Peer::start(move || event.wait(park));
        park.until(1);
        let set = Hook::once(|| elsewhere(|| event.set(park)));
        let survived = die_at(at, || event.wait(&set).unwrap());
        assert!(!event.give_back(VICTIM, park));
        let late = event.wait_timeout(Duration::ZERO, park);
        assert!(survived.is_none() || late.is_ok());
        if late == Err(EventWaitError::TimedOut) {
            event.set(park);
        }
        assert_eq!(peer.end("the other waiter"), Ok(()), "step {at}");
        survived.is_none()
    });
}

/// The victim takes all permits and releases them while another sleeps for one.
#[test]
fn semaphore_crash_of_a_holder_at_every_step() {
    at_every_step(6, |at| {
        let park = Sleepers::leaked();
        let memory = Memory::leaked(Semaphore::bytes(2));
        let permits = Semaphore::in_place(&mut memory.place(), 2).unwrap();
        let mut peer = None;
        let survived = die_at(at, || {
            let one = ManuallyDrop::new(permits.acquire(VICTIM, park));
            let two = ManuallyDrop::new(permits.acquire(VICTIM, park));
            peer = Some(Peer::start(move || permits.acquire(OTHER, park).release()));
            park.until(1);
            ManuallyDrop::into_inner(one).release();
            ManuallyDrop::into_inner(two).release();
        });
        let freed = permits.give_back(VICTIM, park);
        assert!(survived.is_none() || freed == 0);
        if let Some(peer) = peer {
            peer.end("the waiter");
        }
        assert_eq!(
            (permits.free(), permits.give_back(VICTIM, park)),
            (2, 0),
            "step {at}"
        );
        survived.is_none()
    });
}

#[test]
fn semaphore_crash_of_a_waiter_at_every_step() {
    at_every_step(4, |at| {
        let park = Sleepers::leaked();
        let memory = Memory::leaked(Semaphore::bytes(1));
        let permits = Semaphore::in_place(&mut memory.place(), 1).unwrap();
        let silent = Box::leak(Box::new(Hook::never()));
        let ours = Mutex::new(Some(permits.acquire(US, &*silent)));
        let peer = Peer::start(move || permits.acquire(OTHER, park).release());
        park.until(1);
        let release = || {
            let ours = ours.lock().unwrap().take();
            elsewhere(move || drop(ours));
        };
        let woken = Hook::once(release);
        let survived = die_at(at, || {
            let permit = ManuallyDrop::new(permits.acquire(VICTIM, &woken));
            ManuallyDrop::into_inner(permit).release();
        });
        release();
        permits.give_back(VICTIM, park);
        peer.end("the other waiter");
        assert_eq!(permits.free(), 1, "step {at}");
        survived.is_none()
    });
}

/// All that the others see of a death at a barrier for two.
fn check_barrier(barrier: Barrier<'static>, peer: Peer<Result<Passed, BarrierBroken>>, at: u32) {
    let park = Sleepers::leaked();
    let broken = BarrierBroken { by: Some(VICTIM) };
    let told = peer.end("the waiter");
    assert!(told.is_ok() || told == Err(broken), "step {at}");
    if barrier.broken().is_some() {
        assert_eq!(barrier.wait(US, park), Err(broken), "step {at}: to come");
        barrier.reset(park);
    }
    // As new.
    let last = Hook::once(|| assert!(elsewhere(|| barrier.wait(OTHER, park).is_ok())));
    assert_eq!(barrier.wait(US, &last), Ok(Passed::NotLast), "step {at}");
}

/// The victim comes last, to one that sleeps.
#[test]
fn barrier_crash_of_the_last_at_every_step() {
    at_every_step(4, |at| {
        let park = Sleepers::leaked();
        let memory = Memory::leaked(Barrier::bytes());
        let barrier = Barrier::in_place(&mut memory.place(), 2).unwrap();
        let peer = Peer::start(move || barrier.wait(OTHER, park));
        park.until(1);
        let survived = die_at(at, || barrier.wait(VICTIM, park).unwrap());
        let broke = barrier.give_back(VICTIM, park);
        assert_eq!(broke, at > 0, "a member from its first step on");
        if !broke {
            assert_eq!(barrier.wait(US, park), Ok(Passed::Last));
        }
        check_barrier(barrier, peer, at);
        survived.is_none()
    });
}

/// The victim waits with another, and gives up or passes.
#[test]
fn barrier_crash_of_a_waiter_at_every_step() {
    for in_time in [false, true] {
        // On a busy machine the time may be up before it sleeps.
        at_every_step(if in_time { 4 } else { 3 }, |at| {
            let park = Sleepers::leaked();
            let memory = Memory::leaked(Barrier::bytes());
            let barrier = Barrier::in_place(&mut memory.place(), 3).unwrap();
            let peer = Peer::start(move || barrier.wait(OTHER, park));
            park.until(1);
            let third = Hook::once(|| {
                if in_time {
                    elsewhere(|| barrier.wait(US, park).unwrap());
                }
            });
            let limit = Duration::from_millis(if in_time { 10_000 } else { 5 });
            let survived = die_at(at, || barrier.wait_timeout(VICTIM, limit, &third));
            assert!(
                survived.is_none_or(|passed| passed.is_ok() == in_time),
                "step {at}"
            );
            if at == 0 {
                // Not a member yet: it counts as one that never came.
                assert!(!barrier.give_back(VICTIM, park));
                barrier.abort(park);
                assert_eq!(peer.end("the waiter"), Err(BarrierBroken { by: None }));
                return survived.is_none();
            }
            assert!(barrier.give_back(VICTIM, park), "step {at}");
            let told = peer.end("the waiter");
            let broken = BarrierBroken { by: Some(VICTIM) };
            assert!(
                told == Err(broken) || told.is_ok() && in_time,
                "step {at}: {told:?}"
            );
            barrier.reset(park);
            assert_eq!(
                (barrier.waiting(), barrier.broken()),
                (0, None),
                "step {at}"
            );
            survived.is_none()
        });
    }
}
