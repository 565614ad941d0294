//! Both ends of a lane, in one thread.

use core::ptr::NonNull;

use core::sync::atomic::Ordering;

use super::state::{Finished, LaneFault, Published, Seen, Sleep, Watch};
use super::*;

fn slots(count: usize) -> NonNull<Slot> {
    let layout = core::alloc::Layout::array::<Slot>(count).expect("small");
    // SAFETY: the layout has a size; the tests leak it.
    NonNull::new(unsafe { std::alloc::alloc_zeroed(layout) }.cast()).expect("memory")
}

fn head() -> NonNull<LaneHead> {
    let layout = core::alloc::Layout::new::<LaneHead>();
    // SAFETY: as above.
    NonNull::new(unsafe { std::alloc::alloc_zeroed(layout) }.cast()).expect("memory")
}

fn pair(count: usize) -> (SupervisorLane, WorkerLane) {
    let (sup, worker, _, _) = parts(count);
    (sup, worker)
}

type Parts = (SupervisorLane, WorkerLane, &'static LaneHead, &'static Slot);

/// Both ends, the head, and the first slot as a peer that breaks the protocol reaches it.
fn parts(count: usize) -> Parts {
    let (head, slots) = (head(), slots(count));
    // SAFETY: leaked, zeroed, one end of each kind.
    unsafe {
        (
            SupervisorLane::new(head, slots, count),
            WorkerLane::new(head, slots, count),
            head.as_ref(),
            slots.as_ref(),
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
    let there = lane.take(&mut message, &mut payload).expect("sound");
    there.then_some((message, payload))
}

fn retract(lane: &mut SupervisorLane, most: usize) -> Vec<u8> {
    let mut taken = Vec::new();
    let published = lane
        .retract(most, |_, payload| taken.push(payload.bytes()[0]))
        .expect("sound");
    assert_eq!(published, Published::Awake);
    taken
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
    let (mut sup, mut worker) = pair(4);
    assert!(matches!(worker.sleep(), Sleep::Park(_)));
    let (message, payload) = (message(1), payload(1, 1));
    let tasks = || [(&message, &payload); 2].into_iter();
    assert_eq!(sup.push_all(tasks()), Published::WakeIt);
    assert_eq!(sup.push_all(tasks()), Published::Awake);
}

#[test]
fn a_watched_task_rings_once() {
    let (mut sup, mut worker) = pair(4);
    for value in 1..=4 {
        let _ = push(&mut sup, value);
    }
    assert_eq!(sup.watch(1), Ok(Watch::Watching(Published::Awake)));
    assert_eq!(work(&mut worker), Finished::Quiet);
    assert_eq!(work(&mut worker), Finished::Ring);
    assert_eq!(sup.watch(1), Ok(Watch::Done));
    assert_eq!(work(&mut worker), Finished::Quiet);
    assert_eq!(work(&mut worker), Finished::Quiet);
}

#[test]
fn only_tasks_not_begun_are_taken_back() {
    let (mut sup, mut worker) = pair(4);
    for value in 1..=4 {
        let _ = push(&mut sup, value);
    }
    assert!(worker.start().is_some());
    assert_eq!(retract(&mut sup, 2), [4, 3]);
    assert_eq!(retract(&mut sup, 9), [2], "the first is running");
    assert_eq!(retract(&mut sup, 9), []);
    assert_eq!(sup.in_flight(), 1);
    assert_eq!(push(&mut sup, 5), Published::Awake);
    let _ = worker.finish(message(1));
    assert_eq!(work(&mut worker), Finished::Quiet);
    assert!(take(&mut sup).is_some());
    assert_eq!(take(&mut sup).expect("a result").1.bytes()[0], 15);
}

#[test]
fn a_worker_does_not_begin_what_is_held_and_is_woken_when_it_is_let_go() {
    let (mut sup, mut worker, head, _) = parts(2);
    let _ = push(&mut sup, 1);
    head.by_supervisor.held.store(1, Ordering::Relaxed);
    assert!(!worker.looks_ready() && worker.start().is_none());
    assert!(matches!(worker.sleep(), Sleep::Park(_)));
    // As if it had begun it before: too late, but it sleeps by now.
    head.begun.count.store(1, Ordering::Relaxed);
    let published = sup.retract(1, |_, _| panic!("it has begun"));
    assert_eq!(published, Ok(Published::WakeIt));
    assert!(worker.start().is_some());
}

#[test]
fn a_worker_asleep_beside_a_task_is_found_and_rings() {
    let (mut sup, mut worker, head, _) = parts(2);
    let _ = push(&mut sup, 1);
    // As if something had written over the words that keep the two from this.
    head.by_supervisor.held.store(1, Ordering::Relaxed);
    assert!(matches!(worker.sleep(), Sleep::Park(_)) && !worker.is_awaited());
    assert_eq!(sup.watch(0), Ok(Watch::Watching(Published::WakeIt)));
    assert!(worker.is_awaited());
    assert_eq!(work(&mut worker), Finished::Ring);
    assert!(!worker.is_awaited());
}

#[test]
fn after_a_death_each_task_says_how_far_it_came() {
    let (mut sup, mut worker) = pair(4);
    for value in 1..=3 {
        let _ = push(&mut sup, value);
    }
    let _ = work(&mut worker);
    assert!(worker.start().is_some(), "not done before it begins");
    let seen = [0, 1, 2].map(|position| sup.see(position));
    assert_eq!(seen, [Ok(Seen::Done), Ok(Seen::Running), Ok(Seen::Ready)]);
    let (_, bytes) = sup.copy_task(2).expect("sound");
    assert_eq!(bytes.bytes()[0], 3);
    sup.reset();
    assert_eq!((sup.in_flight(), sup.room()), (0, 4));
    assert_eq!(push(&mut sup, 9), Published::Awake);
    assert_eq!(sup.see(0), Ok(Seen::Ready));
}

#[test]
fn what_a_peer_wrote_is_checked_before_it_is_used() {
    let (mut sup, mut worker, head, slot) = parts(2);
    let _ = push(&mut sup, 1);
    let mut message = worker.start().expect("a task");
    message.len = 97;
    let _ = worker.finish(message);
    let mut look = || sup.take(&mut Message::default(), &mut Inline::default());
    assert_eq!(look(), Err(LaneFault::Message(MessageFault::Length(97))));
    slot.result_word().store(0xdead, Ordering::Relaxed);
    let fault = LaneFault::ResultWord {
        found: 0xdead,
        lap: 1,
    };
    assert_eq!(look(), Err(fault));
    assert_eq!(sup.watch(0), Err(fault));
    assert_eq!(sup.see(0), Err(fault));
    slot.result_word().store(0, Ordering::Relaxed);
    slot.task().word.store(3, Ordering::Relaxed);
    head.begun.count.store(0, Ordering::Relaxed);
    let fault = LaneFault::TaskWord { found: 3, lap: 1 };
    assert_eq!(sup.watch(0), Err(fault), "the worker does not see it");
    assert_eq!(sup.retract(1, |_, _| panic!("torn")), Err(fault));
    assert_eq!(sup.in_flight(), 1, "it stays where its ticket is");
    head.begun.count.store(7, Ordering::Relaxed);
    let fault = LaneFault::Begun { begun: 7, sent: 1 };
    assert_eq!(sup.see(0), Err(fault));
    assert_eq!(sup.retract(1, |_, _| panic!("begun")), Err(fault));
}
