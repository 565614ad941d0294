//! Both ends of a lane, in one thread.

use core::ptr::NonNull;

use core::sync::atomic::Ordering;

use super::state::{Finished, Published, Seen, Sleep, Watch};
use super::*;

fn slots(count: usize) -> NonNull<Slot> {
    let layout = core::alloc::Layout::array::<Slot>(count).expect("small");
    // SAFETY: the layout has a size; the tests leak it.
    NonNull::new(unsafe { std::alloc::alloc_zeroed(layout) }.cast()).expect("memory")
}

fn pair(count: usize) -> (SupervisorLane, WorkerLane) {
    let memory = slots(count);
    // SAFETY: leaked, zeroed, one end of each kind.
    unsafe {
        (
            SupervisorLane::new(memory, count),
            WorkerLane::new(memory, count),
        )
    }
}

fn message(len: u32) -> Message {
    Message {
        entry: 7,
        items: 1,
        len,
        ..Message::default()
    }
}

fn payload(value: u8, len: usize) -> Inline {
    Inline::new(&[value; INLINE_BYTES], len)
}

fn push(lane: &mut SupervisorLane, value: u8) -> Published {
    lane.push(&message(1), &payload(value, 1))
}

fn take(lane: &mut SupervisorLane) -> Option<(Message, Inline)> {
    let (mut message, mut payload) = (Message::default(), Inline::default());
    match lane.take(&mut message, &mut payload) {
        Arrival::Result => Some((message, payload)),
        Arrival::Nothing => None,
        other => panic!("{other:?}"),
    }
}

/// Runs the next task: three times its value.
fn work(lane: &mut WorkerLane) -> Finished {
    let message = lane.start().expect("a task");
    assert_eq!(message.entry, 7);
    let (task, result) = lane.payloads();
    let len = message.len as usize;
    for (to, from) in result[..len].iter_mut().zip(task) {
        *to = from.wrapping_mul(3);
    }
    lane.finish(message)
}

#[test]
fn a_task_goes_and_its_result_comes_back_in_order() {
    let (mut sup, mut worker) = pair(4);
    for lap in 0..10u8 {
        for i in 0..4 {
            assert_eq!(push(&mut sup, lap * 4 + i), Published::Awake);
        }
        assert_eq!(sup.room(), 0);
        for _ in 0..4 {
            assert_eq!(work(&mut worker), Finished::Quiet);
        }
        assert!(worker.start().is_none());
        for i in 0..4 {
            let (message, bytes) = take(&mut sup).expect("a result");
            assert_eq!(message.len, 1);
            assert_eq!(bytes.bytes()[0], (lap * 4 + i).wrapping_mul(3));
        }
        assert!(take(&mut sup).is_none());
    }
}

#[test]
fn long_payloads_and_many_at_once_arrive_whole() {
    let (mut sup, mut worker) = pair(8);
    for lap in 0..3u8 {
        let lens = [1, 32, 33, 64, 96];
        let tasks: Vec<_> = (1..)
            .zip(lens)
            .map(|(value, len)| (message(len), payload(lap + value, len as usize)))
            .collect();
        let tasks = tasks.iter().map(|(message, payload)| (message, payload));
        assert_eq!(sup.push_all(tasks), Published::Awake);
        for _ in lens {
            assert_eq!(work(&mut worker), Finished::Quiet);
        }
        for (value, len) in (1..).zip(lens) {
            let (message, bytes) = take(&mut sup).expect("a result");
            assert_eq!(message.len, len);
            let len = len as usize;
            assert_eq!(bytes.bytes()[..len], vec![3 * (lap + value); len]);
        }
        assert_eq!(sup.push_all(core::iter::empty()), Published::Awake);
    }
}

#[test]
fn a_sleeping_worker_is_reported_to_the_publisher_also_across_a_lap() {
    let (mut sup, mut worker) = pair(1);
    assert!(matches!(worker.sleep(), Sleep::Park(_)));
    assert_eq!(push(&mut sup, 1), Published::WakeIt);
    let _ = work(&mut worker);
    // The result was not taken; the worker sleeps on the slot all the same.
    assert!(matches!(worker.sleep(), Sleep::Park(_)));
    assert!(take(&mut sup).is_some());
    assert_eq!(push(&mut sup, 2), Published::WakeIt);
    assert_eq!(worker.sleep(), Sleep::Ready);
}

#[test]
fn a_worker_asleep_is_reported_to_whoever_publishes_many() {
    let (mut sup, worker) = pair(4);
    assert!(matches!(worker.sleep(), Sleep::Park(_)));
    let (message, payload) = (message(1), payload(1, 1));
    let tasks = || [(&message, &payload); 2].into_iter();
    assert_eq!(sup.push_all(tasks()), Published::WakeIt);
    assert_eq!(sup.push_all(tasks()), Published::Awake);
}

#[test]
fn a_watched_task_rings_once() {
    let (mut sup, mut worker) = pair(2);
    let _ = push(&mut sup, 1);
    let _ = push(&mut sup, 2);
    assert_eq!(sup.watch(0), Watch::Watching);
    assert_eq!(work(&mut worker), Finished::Ring);
    assert_eq!(sup.watch(0), Watch::Done);
    assert_eq!(work(&mut worker), Finished::Quiet);
}

#[test]
fn only_tasks_not_begun_are_taken_back() {
    let (mut sup, mut worker) = pair(4);
    let _ = push(&mut sup, 1);
    let _ = push(&mut sup, 2);
    assert!(worker.start().is_some());
    let (_, bytes) = sup.retract().expect("sound").expect("not begun");
    assert_eq!(bytes.bytes()[0], 2);
    assert!(
        sup.retract().is_ok_and(|none| none.is_none()),
        "the first is running"
    );
    assert_eq!(sup.in_flight(), 1);
}

#[test]
fn after_a_death_each_task_says_how_far_it_came() {
    let (mut sup, mut worker) = pair(4);
    for value in 1..=3 {
        let _ = push(&mut sup, value);
    }
    let _ = work(&mut worker);
    assert!(worker.start().is_some());
    let seen = [0, 1, 2].map(|position| sup.see(position));
    assert_eq!(seen, [Seen::Done, Seen::Running, Seen::Ready]);
    let (_, bytes) = sup.copy_task(2).expect("sound");
    assert_eq!(bytes.bytes()[0], 3);
    sup.reset();
    assert_eq!((sup.in_flight(), sup.room()), (0, 4));
    assert_eq!(push(&mut sup, 9), Published::Awake);
    assert_eq!(sup.see(0), Seen::Ready);
}

#[test]
fn what_a_peer_wrote_is_checked_before_it_is_used() {
    let (mut sup, mut worker) = pair(2);
    let _ = push(&mut sup, 1);
    let slot = worker_slot(&sup);
    let mut message = worker.start().expect("a task");
    message.len = 97;
    let _ = worker.finish(message);
    let mut look = || sup.take(&mut Message::default(), &mut Inline::default());
    assert_eq!(look(), Arrival::Fault(MessageFault::Length(97)));
    slot.result_word().0.store(0xdead, Ordering::Relaxed);
    assert_eq!(look(), Arrival::Corrupt(0xdead));
    assert_eq!(sup.watch(0), Watch::Corrupt(0xdead));
    assert_eq!(sup.see(0), Seen::Corrupt(0xdead));
    slot.result_word().0.store(0, Ordering::Relaxed);
    slot.task_word().0.store(3, Ordering::Relaxed);
    assert_eq!(sup.see(0), Seen::Corrupt(3));
}

/// The first slot, as a peer that breaks the protocol reaches it.
fn worker_slot<'a>(lane: &SupervisorLane) -> &'a Slot {
    let word = core::ptr::from_ref(lane.task_word(0));
    // SAFETY: the task word is the first field of its slot, and the slots are leaked.
    unsafe { &*word.cast::<Slot>() }
}
