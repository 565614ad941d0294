//! Both ends in one process, on two threads; the channels are the same as between two.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::{LinkError, Listener, Received, SupervisorEnd, WorkerEnd, connect};
use crate::packets::{Outgoing, PACKET_BYTES, WINDOW_BYTES, WINDOW_PACKETS, window_cost};

fn line() -> (SupervisorEnd, WorkerEnd) {
    let (listener, name) = Listener::bind().unwrap();
    let worker = connect(&name).unwrap();
    (listener.accept().unwrap(), worker)
}

fn outgoing(payload: &[u8]) -> Outgoing {
    let mut bytes = Outgoing::with_header_room();
    bytes.extend_from_slice(payload);
    Outgoing::new(bytes)
}

/// Sends all of a message within the window; `taken` counts the packets that the worker has taken.
fn send_all(end: &mut SupervisorEnd, message: &mut Outgoing, taken: &AtomicUsize) {
    let mut costs = Vec::new();
    while !message.is_sent() {
        // Acquire pairs with the Release of the worker's count.
        let free = taken.load(Ordering::Acquire);
        let under_way = &costs[free..];
        if under_way.len() < WINDOW_PACKETS && under_way.iter().sum::<usize>() < WINDOW_BYTES {
            costs.push(window_cost(message.next_packet_len()));
            end.send_packet(message).unwrap();
        } else {
            std::thread::yield_now();
        }
    }
}

fn next_message(end: &mut SupervisorEnd) -> Vec<u8> {
    loop {
        match end.try_recv().unwrap() {
            Some(Received::Message(message)) => return message,
            Some(Received::Part) => {}
            None => std::thread::yield_now(),
        }
    }
}

#[test]
fn messages_of_all_sizes_go_there_and_back() {
    let (mut supervisor, mut worker) = line();
    let sizes = [
        0,
        1,
        1000,
        PACKET_BYTES - 8,
        PACKET_BYTES - 7,
        300_000,
        64 << 20,
    ];
    let taken = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in sizes {
                let count = |_: usize| {
                    taken.fetch_add(1, Ordering::Release);
                };
                let task = worker.recv(count).unwrap();
                let mut sent = 0;
                worker.send(&mut outgoing(&task), || sent += 1).unwrap();
                assert_eq!(sent, (task.len() + 8).div_ceil(PACKET_BYTES));
                worker.recycle(task);
            }
        });
        for size in sizes {
            let payload: Vec<u8> = (0..size).map(|i| (i % 253) as u8).collect();
            taken.store(0, Ordering::Relaxed);
            send_all(&mut supervisor, &mut outgoing(&payload), &taken);
            let result = next_message(&mut supervisor);
            assert!(result == payload, "{size}");
            supervisor.recycle(result);
        }
        assert_eq!(supervisor.try_recv().unwrap(), None);
    });
}

#[test]
fn a_window_full_of_packets_is_sent_without_anybody_reading() {
    let (mut supervisor, mut worker) = line();
    for len in [1, 400, 700, 5_000, 17_000, 33_000, 60_000, PACKET_BYTES - 8] {
        let (mut cost, mut count) = (0, 0);
        while cost < WINDOW_BYTES && count < WINDOW_PACKETS {
            let mut message = outgoing(&vec![1; len]);
            cost += window_cost(message.next_packet_len());
            supervisor.send_packet(&mut message).unwrap();
            count += 1;
        }
        for _ in 0..count {
            assert_eq!(worker.recv(|_| ()).unwrap().len(), len);
        }
    }
}

#[test]
fn a_worker_gone_in_the_middle_is_told_on_both_channels() {
    let (mut supervisor, mut worker) = line();
    let mut message = outgoing(&vec![1; 5 * PACKET_BYTES]);
    supervisor.send_packet(&mut message).unwrap();
    supervisor.send_packet(&mut message).unwrap();
    worker.send(&mut outgoing(b"last words"), || ()).unwrap();
    drop(worker);
    let result = supervisor.send_packet(&mut message);
    assert!(matches!(result, Err(LinkError::PeerGone)), "{result:?}");
    let words = supervisor.try_recv().unwrap();
    assert_eq!(words, Some(Received::Message(b"last words".to_vec())));
    assert!(matches!(supervisor.try_recv(), Err(LinkError::PeerGone)));
}

#[test]
fn a_supervisor_gone_in_the_middle_is_told_to_who_receives_and_who_sends() {
    let (mut supervisor, mut worker) = line();
    let mut message = outgoing(&vec![1; 2 * PACKET_BYTES]);
    supervisor.send_packet(&mut message).unwrap();
    std::thread::scope(|scope| {
        let receiver = scope.spawn(|| {
            let received = worker.recv(|_| ());
            assert!(matches!(received, Err(LinkError::PeerGone)));
            let sent = worker.send(&mut outgoing(&vec![0; 1 << 20]), || ());
            assert!(matches!(sent, Err(LinkError::PeerGone)));
        });
        drop(supervisor);
        receiver.join().unwrap();
    });
}

#[test]
fn a_sender_that_waits_is_released_by_the_death_of_the_other_side() {
    let (supervisor, mut worker) = line();
    let (first, sent_first) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let sender = scope.spawn(move || {
            let mut message = outgoing(&vec![0; 8 << 20]);
            worker.send(&mut message, || {
                let _ = first.send(());
            })
        });
        sent_first.recv().unwrap();
        drop(supervisor);
        let result = sender.join().unwrap();
        assert!(matches!(result, Err(LinkError::PeerGone)), "{result:?}");
    });
}

#[test]
fn what_is_no_message_of_ours_is_a_protocol_error() {
    let (mut supervisor, mut worker) = line();
    supervisor.set_message_limit(100);
    worker.send(&mut outgoing(&[0; 101]), || ()).unwrap();
    let result = supervisor.try_recv();
    assert!(matches!(result, Err(LinkError::Protocol(_))), "{result:?}");
}

#[test]
fn nobody_listens_under_a_name_that_is_gone() {
    let (listener, name) = Listener::bind().unwrap();
    drop(listener);
    assert!(matches!(connect(&name), Err(LinkError::PeerGone)));
}
