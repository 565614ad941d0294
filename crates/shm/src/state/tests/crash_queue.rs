//! A process dies at every step of a push, a pop, a close and a recovery.

use super::super::{GiveBack, PopError, PushError, Queue};
use super::Memory;
use super::peers::{Peer, Sleepers};
use crate::OwnerIndex;
use crate::steps::armed::die_at;

const US: OwnerIndex = OwnerIndex::SUPERVISOR;
const VICTIM: OwnerIndex = OwnerIndex::new(1);
const OTHER: OwnerIndex = OwnerIndex::new(2);

type Items = Queue<'static, [u64; 3]>;

fn queue(capacity: usize) -> (Items, &'static Sleepers) {
    let memory = Memory::leaked(Items::bytes(capacity));
    let queue = Queue::in_place(&mut memory.place(), capacity).unwrap();
    (queue, Sleepers::leaked())
}

fn item(number: u64) -> [u64; 3] {
    [number; 3]
}

/// All that is in it.
fn drain(queue: Items, park: &Sleepers) -> Vec<u64> {
    let mut numbers = vec![];
    while let Ok(popped) = queue.try_pop(US, park) {
        assert_eq!(popped, item(popped[0]), "whole");
        numbers.push(popped[0]);
    }
    numbers
}

/// Every slot is of use, twice round.
fn check_as_new(queue: Items, park: &Sleepers, at: u32) {
    for _ in 0..2 {
        let capacity = queue.capacity() as u64;
        for number in 0..capacity {
            assert_eq!(queue.try_push(US, item(number), park), Ok(()), "step {at}");
        }
        assert_eq!(queue.try_push(US, item(0), park), Err(PushError::Full));
        let all: Vec<_> = (0..capacity).collect();
        assert_eq!(drain(queue, park), all, "step {at}");
    }
    assert_eq!(queue.try_pop(US, park), Err(PopError::Empty));
}

/// Pushes until it dies at `at`; how many pushes returned, and whether it died.
fn push_until(at: u32, queue: Items, park: &Sleepers) -> (u64, bool) {
    let mut pushed = 0;
    let survived = die_at(at, || {
        for number in 1..=queue.capacity() as u64 {
            queue.push(VICTIM, item(number), park).unwrap();
            pushed = number;
        }
    });
    (pushed, survived.is_none())
}

#[test]
fn queue_crash_of_a_producer_at_every_step() {
    for capacity in 1..4 {
        let mut at = 0;
        loop {
            let (queue, park) = queue(capacity);
            let (pushed, died) = push_until(at, queue, park);
            let recovered = queue.give_back(VICTIM, park);
            assert_eq!(queue.give_back(VICTIM, park), Default::default(), "once");
            let found = drain(queue, park);
            // The last push is in or not, whether it returned or not.
            let most = pushed + u64::from(died && recovered.voided == 0);
            assert!(
                (pushed..=most).any(|most| found.iter().copied().eq(1..=most)),
                "{found:?}"
            );
            check_as_new(queue, park, at);
            if !died {
                break;
            }
            at += 1;
        }
        assert!(at >= 5 * capacity as u32, "only {at} steps were tried");
    }
}

/// The same with a consumer asleep, which gets the item if there is one.
#[test]
fn queue_crash_of_a_producer_wakes_the_consumer() {
    for at in 0.. {
        let (queue, park) = queue(1);
        let peer = Peer::start(move || queue.pop(OTHER, park));
        park.until(1);
        let (_, died) = push_until(at, queue, park);
        let recovered = queue.give_back(VICTIM, park);
        if recovered.voided == 1 || at == 0 {
            queue.push(US, item(9), park).unwrap();
        }
        let popped = peer.end("the consumer").unwrap()[0];
        assert_eq!(popped == 9, recovered.voided == 1 || at == 0, "step {at}");
        check_as_new(queue, park, at);
        if !died {
            assert!(at >= 6);
            return;
        }
    }
}

/// The victim dies with the only slot, for which another producer sleeps.
#[test]
fn queue_crash_of_a_producer_frees_its_slot_for_who_waits() {
    for at in 0.. {
        let (queue, park) = queue(1);
        let (pushed, died) = push_until(at, queue, park);
        let peer = Peer::start(move || queue.push(OTHER, item(7), park));
        if at > 0 {
            park.until(1);
        }
        let voided = queue.give_back(VICTIM, park).voided == 1;
        if !voided && at > 0 {
            assert_eq!(
                queue.pop(US, park),
                Ok(item(1)),
                "step {at}, {pushed} pushed"
            );
        }
        assert_eq!(peer.end("the producer"), Ok(()), "step {at}");
        assert_eq!(drain(queue, park), [7]);
        check_as_new(queue, park, at);
        if !died {
            return;
        }
    }
}

/// Pops until it dies at `at`; what it had, and whether it died.
fn pop_until(at: u32, count: usize, queue: Items, park: &Sleepers) -> (Vec<u64>, bool) {
    let mut popped = vec![];
    let survived = die_at(at, || {
        for _ in 0..count {
            popped.push(queue.pop(VICTIM, park).unwrap()[0]);
        }
    });
    (popped, survived.is_none())
}

#[test]
fn queue_crash_of_a_consumer_at_every_step() {
    for capacity in 1..4 {
        let mut at = 0;
        loop {
            let (queue, park) = queue(capacity);
            let all: Vec<_> = (1..=capacity as u64).collect();
            for &number in &all {
                queue.push(US, item(number), park).unwrap();
            }
            let (mut popped, died) = pop_until(at, capacity, queue, park);
            let recovered = queue.give_back(VICTIM, park);
            let rest = drain(queue, park);
            let missing = all.len() - popped.len() - rest.len();
            // The one it had taken, and not yet returned with, if it died just then.
            assert!(
                missing <= usize::from(died && recovered.returned == 0),
                "step {at}"
            );
            popped.extend(1 + popped.len() as u64..=(popped.len() + missing) as u64);
            popped.extend(rest);
            assert_eq!(popped, all, "step {at}: none lost, none doubled, in order");
            check_as_new(queue, park, at);
            if !died {
                break;
            }
            at += 1;
        }
        assert!(at >= 5 * capacity as u32, "only {at} steps were tried");
    }
}

/// The head went past an item that comes back: it is offered before the next.
#[test]
fn queue_crash_of_a_consumer_returns_the_item_before_the_next() {
    for at in 1..4 {
        let (queue, park) = queue(3);
        for number in 1..=3 {
            queue.push(US, item(number), park).unwrap();
        }
        assert_eq!(pop_until(at, 1, queue, park), (vec![], true));
        assert_eq!(queue.try_pop(OTHER, park), Ok(item(2)), "meanwhile");
        assert_eq!(
            queue.try_push(OTHER, item(4), park),
            Err(PushError::Full),
            "its slot"
        );
        assert_eq!(queue.give_back(VICTIM, park).returned, 1);
        assert_eq!(drain(queue, park), [1, 3], "step {at}");
        check_as_new(queue, park, at);
    }
}

/// A producer sleeps for room, a consumer for items; the victim pops and dies.
#[test]
fn queue_crash_of_a_consumer_wakes_who_waits() {
    for at in 0.. {
        let (queue, park) = queue(1);
        queue.push(US, item(1), park).unwrap();
        let producer = Peer::start(move || queue.push(OTHER, item(2), park));
        park.until(1);
        let (popped, died) = pop_until(at, 1, queue, park);
        let recovered = queue.give_back(VICTIM, park);
        let mut found = vec![queue.pop(US, park).unwrap()[0]];
        if recovered.returned == 1 || found == [1] {
            found.push(queue.pop(US, park).unwrap()[0]);
        }
        assert_eq!(producer.end("the producer"), Ok(()), "step {at}");
        assert!(
            found == [2] || found == [1, 2] && popped.is_empty(),
            "step {at}"
        );
        check_as_new(queue, park, at);
        if !died {
            assert!(at >= 6);
            return;
        }
    }
}

/// A consumer and a producer sleep; whatever of the closing was done, give_back completes.
#[test]
fn queue_crash_of_who_closes_at_every_step() {
    for at in 0.. {
        let (queue, park) = queue(1);
        let consumer = Peer::start(move || queue.pop(OTHER, park));
        park.until(1);
        let died = die_at(at, || queue.close(park)).is_none();
        queue.give_back(VICTIM, park);
        assert_eq!(queue.is_closed(), at > 0);
        if !queue.is_closed() {
            queue.close(park);
        }
        assert_eq!(
            consumer.end("the consumer"),
            Err(PopError::Closed),
            "step {at}"
        );
        assert_eq!(queue.push(US, item(1), park), Err(PushError::Closed));
        if !died {
            assert!(at >= 4);
            return;
        }
    }
}

/// Consumers die while they find that the closed queue is at its end.
#[test]
fn queue_crash_at_the_end_of_a_closed_queue() {
    for at in 0.. {
        let (queue, park) = queue(2);
        queue.push(US, item(1), park).unwrap();
        queue.close(park);
        let mut popped = None;
        let ended = die_at(at, || {
            popped = queue.pop(VICTIM, park).ok();
            assert_eq!(queue.pop(VICTIM, park), Err(PopError::Closed));
        });
        let recovered = queue.give_back(VICTIM, park);
        let rest = drain(queue, park);
        assert!(rest.len() + usize::from(popped.is_some()) <= 1);
        assert!(recovered.returned == 0 || rest == [1], "step {at}");
        assert_eq!(queue.pop(US, park), Err(PopError::Closed), "step {at}");
        if ended.is_some() {
            assert!(at >= 6);
            return;
        }
    }
}

/// The recovery itself is cut short anywhere, and done again.
#[test]
fn queue_recovery_can_be_cut_short_and_done_again() {
    for at in 1..10 {
        for cut in 0.. {
            let (queue, park) = queue(2);
            queue.push(US, item(8), park).unwrap();
            let died = die_at(at, || {
                queue.push(VICTIM, item(9), park).unwrap();
                queue.pop(VICTIM, park).unwrap();
            });
            let whole = die_at(cut, || queue.give_back(VICTIM, park)).is_some();
            queue.give_back(VICTIM, park);
            let rest = drain(queue, park);
            assert!(
                rest.len() <= 2 && rest.is_sorted(),
                "step {at}, cut {cut}: {rest:?}"
            );
            assert!(died.is_none() || rest == [9]);
            check_as_new(queue, park, at);
            if whole {
                assert!(cut >= 4);
                break;
            }
        }
    }
}

/// Every state that a peer may write: an answer or a fault, no panic, no endless search.
#[test]
fn queue_of_arbitrary_bytes_is_a_fault_at_worst() {
    let mut seed = 7_u64;
    let mut faults = 0;
    for _ in 0..2000 {
        let memory = Memory::leaked(Items::bytes(3));
        memory.scribble(|| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // Small numbers are the likely ones.
            let wide = if seed >> 60 < 4 {
                u64::MAX
            } else {
                0x0100_0007
            };
            seed >> 20 & wide
        });
        let queue = Items::in_place(&mut memory.place(), 3).unwrap();
        let park = Sleepers::default();
        for number in 0..4 {
            let pushed = queue.try_push(OTHER, item(number), &park);
            faults += u32::from(matches!(pushed, Err(PushError::Fault(_))));
            let popped = queue.try_pop(OTHER, &park);
            faults += u32::from(matches!(popped, Err(PopError::Fault(_))));
        }
        let _ = (queue.give_back(OTHER, &park), queue.len());
    }
    assert!(faults > 100, "{faults}");
}
