//! Several processes of several threads each, at once.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use super::double::{Machine, Rng};
use crate::arena::{Arena, Block, Descriptor, Fault};

/// A message: a descriptor, the byte that it must read, and the sender's hold on it, which
/// is released when the receiver drops the message.
type Message = (Descriptor, u8, Block);

fn worker(arena: &Arena, seed: u64, inbox: &Mutex<Receiver<Message>>, outbox: &Sender<Message>) {
    let mut rng = Rng(seed);
    let mut held: Vec<(Block, u8)> = Vec::new();
    for _ in 0..3000 {
        let mut block = arena.alloc(rng.below(2000)).unwrap();
        let byte = rng.next() as u8;
        block.fill(byte);
        if rng.below(4) == 0 {
            continue;
        }
        let block = block.freeze();
        if rng.below(8) == 0 {
            arena.trim(0);
        }
        let _ = outbox.send((block.descriptor(), byte, block));
        let message = inbox.lock().unwrap().try_recv();
        if let Ok((named, byte, hold)) = message {
            let seen = arena.resolve(&named).unwrap();
            assert!(seen.iter().all(|&found| found == byte));
            drop(hold);
            held.push((seen, byte));
        }
        if held.len() > 10 {
            let (block, byte) = held.swap_remove(rng.below(held.len()));
            assert!(block.iter().all(|&found| found == byte));
        }
    }
    assert!(
        held.iter()
            .all(|(block, byte)| block.iter().all(|found| found == byte))
    );
}

#[test]
fn arena_threads_of_processes_pass_blocks_around() {
    let machine = Machine::new();
    let arenas: Vec<_> = [0, 100, 200].map(|owner| machine.start(owner)).into();
    let (outbox, inbox) = channel();
    let inbox = Mutex::new(inbox);
    thread::scope(|scope| {
        for (number, arena) in arenas.iter().chain(&arenas).enumerate() {
            let (inbox, outbox) = (&inbox, outbox.clone());
            scope.spawn(move || worker(arena, number as u64, inbox, &outbox));
        }
    });
    drop((outbox, inbox));
    assert_eq!(arenas[0].stats().live_blocks, 0);
}

#[test]
fn arena_late_descriptors_are_stale_and_leave_no_hold() {
    // Without the sender's hold: every resolve is a race with the free, and either wins.
    let machine = Machine::new();
    let (sender, receivers) = (machine.supervisor(), [machine.start(1), machine.start(130)]);
    let current: Mutex<Option<(Descriptor, u8)>> = Mutex::new(None);
    let done = std::sync::atomic::AtomicBool::new(false);
    thread::scope(|scope| {
        for arena in &receivers {
            scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    let Some((named, byte)) = *current.lock().unwrap() else {
                        continue;
                    };
                    match arena.resolve(&named) {
                        Ok(seen) => assert!(seen.iter().all(|&found| found == byte)),
                        Err(Fault::Stale { .. } | Fault::WrongUse { .. }) => {}
                        Err(other) => panic!("{other}"),
                    }
                }
            });
        }
        for round in 0..20_000u32 {
            let mut block = sender.alloc(256).unwrap();
            block.fill(round as u8);
            let block = block.freeze();
            *current.lock().unwrap() = Some((block.descriptor(), round as u8));
            drop(block);
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert_eq!(sender.stats().live_blocks, 0);
}

#[test]
fn arena_threads_of_one_process_share_its_hold() {
    let machine = Machine::new();
    let (sender, receiver) = (machine.supervisor(), machine.start(1));
    for round in 0..200u32 {
        let mut block = sender.alloc(500).unwrap();
        block.fill(round as u8);
        let block = Arc::new(block.freeze());
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let seen = receiver.resolve(&block.descriptor()).unwrap();
                        let clone = seen.clone();
                        drop(seen);
                        assert!(clone.iter().all(|&found| found == round as u8));
                    }
                });
            }
        });
        drop(block);
        assert_eq!(sender.stats().live_blocks, 0);
    }
}
