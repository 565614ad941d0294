//! Both ends of a lane, in one thread.

use core::ptr::NonNull;

use super::state::{Finished, Published, Sleep, Watch};
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

fn push(lane: &mut SupervisorLane, value: u8) -> Published {
    lane.push(|bytes| {
        bytes[0] = value;
        Ok::<_, ()>(Message {
            entry: 7,
            items: 1,
            len: 1,
            ..Message::default()
        })
    })
    .expect("fill does not fail")
}

#[test]
fn a_task_goes_and_its_result_comes_back_in_order() {
    let (mut sup, mut worker) = pair(4);
    let mut out = [0; INLINE_BYTES];
    for lap in 0..10u8 {
        for i in 0..4 {
            assert_eq!(push(&mut sup, lap * 4 + i), Published::Awake);
        }
        assert_eq!(sup.room(), 0);
        for _ in 0..4 {
            let (message, bytes) = worker.start().expect("a task");
            assert_eq!(message.entry, 7);
            bytes[0] = bytes[0].wrapping_mul(3);
            assert_eq!(worker.finish(message), Finished::Quiet);
        }
        assert!(worker.start().is_none());
        for i in 0..4 {
            assert!(matches!(sup.take(&mut out), Arrival::Result(m) if m.len == 1));
            assert_eq!(out[0], (lap * 4 + i).wrapping_mul(3));
        }
        assert!(matches!(sup.take(&mut out), Arrival::Nothing));
    }
}

#[test]
fn a_sleeping_worker_is_reported_to_the_publisher_also_across_a_lap() {
    let (mut sup, mut worker) = pair(1);
    let mut out = [0; INLINE_BYTES];
    assert!(matches!(worker.sleep(), Sleep::Park(_)));
    assert_eq!(push(&mut sup, 1), Published::WakeIt);
    let (message, _) = worker.start().expect("a task");
    let _ = worker.finish(message);
    // The slot is DONE, its result not taken; the worker sleeps on it all the same.
    assert!(matches!(worker.sleep(), Sleep::Park(_)));
    assert!(matches!(sup.take(&mut out), Arrival::Result(_)));
    assert_eq!(push(&mut sup, 2), Published::WakeIt);
    assert_eq!(worker.sleep(), Sleep::Ready);
}

#[test]
fn a_watched_task_rings_once() {
    let (mut sup, mut worker) = pair(2);
    let _ = push(&mut sup, 1);
    let _ = push(&mut sup, 2);
    assert_eq!(sup.watch(0), Watch::Watching);
    let (message, _) = worker.start().expect("a task");
    assert_eq!(worker.finish(message), Finished::Ring);
    assert_eq!(sup.watch(0), Watch::Done);
    let (message, _) = worker.start().expect("a task");
    assert_eq!(worker.finish(message), Finished::Quiet);
}

#[test]
fn only_tasks_not_begun_are_taken_back() {
    let (mut sup, mut worker) = pair(4);
    let mut out = [0; INLINE_BYTES];
    let _ = push(&mut sup, 1);
    let _ = push(&mut sup, 2);
    assert!(worker.start().is_some());
    assert!(sup.retract(&mut out).is_ok_and(|task| task.is_some()));
    assert_eq!(out[0], 2);
    assert_eq!(sup.retract(&mut out), Ok(None), "the first is running");
    assert_eq!(sup.in_flight(), 1);
}

#[test]
fn what_a_peer_wrote_is_checked_before_it_is_used() {
    let (mut sup, mut worker) = pair(2);
    let mut out = [0; INLINE_BYTES];
    let _ = push(&mut sup, 1);
    let (mut message, _) = worker.start().expect("a task");
    message.len = 97;
    let _ = worker.finish(message);
    assert!(matches!(
        sup.take(&mut out),
        Arrival::Fault(MessageFault::Length(97))
    ));
    sup.state(0)
        .0
        .store(0xdead, core::sync::atomic::Ordering::Relaxed);
    assert!(matches!(sup.take(&mut out), Arrival::Corrupt(0xdead)));
}
