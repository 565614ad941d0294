//! The doorbell and the watched count, alone and together.

use core::time::Duration;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

use super::explore;
use super::futex::Futex;
use crate::steps::armed::die_at;
use crate::sync::{AtomicU32, Ordering};
use crate::{Doorbell, WatchedCount};

/// A bell, and news that travels by relaxed words, so that only the bell can order it.
struct House {
    bell: Doorbell,
    news: AtomicU32,
    futex: Futex,
}

impl House {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            bell: Doorbell::new(),
            news: AtomicU32::new(0),
            futex: Futex::default(),
        })
    }

    fn bring_news(&self) {
        self.news.fetch_add(1, Ordering::Relaxed);
        self.bell.ring(&self.futex);
    }

    /// Listens, looks, and sleeps, until there is that much news.
    fn wait_for(&self, news: u32, timeout: Option<Duration>) {
        loop {
            let heard = self.bell.listen();
            if self.news.load(Ordering::Relaxed) >= news {
                return;
            }
            self.bell.sleep(&self.futex, heard, timeout);
            thread::yield_now();
        }
    }
}

#[test]
fn doorbell_no_ring_is_slept_through() {
    explore(None, || {
        let house = House::new();
        let at_ringer = Arc::clone(&house);
        let ringer = thread::spawn(move || {
            at_ringer.bring_news();
            at_ringer.bring_news();
        });
        house.wait_for(1, None);
        house.wait_for(2, None);
        ringer.join().expect("no panic");
    });
}

#[test]
fn doorbell_two_ring_for_one() {
    explore(4, || {
        let house = House::new();
        let ringers = [(); 2].map(|()| {
            let house = Arc::clone(&house);
            thread::spawn(move || house.bring_news())
        });
        house.wait_for(2, None);
        for ringer in ringers {
            ringer.join().expect("no panic");
        }
    });
}

/// One is meant to sleep. A second one must not take the bell away from it.
#[test]
fn doorbell_a_second_sleeper_harms_nobody() {
    for timeout in [None, Some(Duration::ZERO)] {
        explore(2, move || {
            let house = House::new();
            let sleeper = {
                let house = Arc::clone(&house);
                thread::spawn(move || house.wait_for(2, timeout))
            };
            let ringer = {
                let house = Arc::clone(&house);
                thread::spawn(move || {
                    house.bring_news();
                    house.bring_news();
                })
            };
            house.wait_for(2, None);
            sleeper.join().expect("no panic");
            ringer.join().expect("no panic");
        });
    }
}

/// A ringer dies after it has counted and before it wakes: the reaper's ring wakes.
#[test]
fn doorbell_a_dead_ringers_sleeper_is_woken_by_the_next_ring() {
    for at in 0..4 {
        explore(None, move || {
            let house = House::new();
            let at_worker = Arc::clone(&house);
            let worker = thread::spawn(move || {
                let _ = die_at(at, || at_worker.bell.ring(&at_worker.futex));
                at_worker.bring_news();
            });
            house.wait_for(1, None);
            worker.join().expect("no panic");
        });
    }
}

const PACKETS: usize = 2;

/// The copy path's way: packets, a count of them, and a ring when the count is watched.
#[derive(Default)]
struct Pipe {
    packets: [UnsafeCell<u32>; PACKETS],
    sent: WatchedCount,
    bell: Doorbell,
    futex: Futex,
}

impl Pipe {
    fn send(&self, nth: usize) {
        // SAFETY: loom checks that no other access is concurrent.
        self.packets[nth].with_mut(|packet| unsafe { *packet = 7 });
        if self.sent.bump() {
            self.bell.ring(&self.futex);
        }
    }

    /// Sleeps until the count is no longer `seen`.
    fn wait(&self, seen: u32) -> u32 {
        loop {
            let heard = self.bell.listen();
            let sent = self.sent.get();
            if sent != seen {
                return sent;
            }
            if self.sent.watch(seen) {
                self.bell.sleep(&self.futex, heard, None);
            }
        }
    }
}

#[test]
fn doorbell_rings_for_a_watched_count() {
    explore(None, || {
        let pipe = Arc::new(Pipe::default());
        let at_sender = Arc::clone(&pipe);
        let sender = thread::spawn(move || {
            for nth in 0..PACKETS {
                at_sender.send(nth);
            }
        });
        let mut seen = 0;
        while (seen as usize) < PACKETS {
            let sent = pipe.wait(seen);
            for packet in &pipe.packets[seen as usize..sent as usize] {
                // SAFETY: loom checks that no write is concurrent.
                packet.with(|packet| assert_eq!(unsafe { *packet }, 7));
            }
            seen = sent;
        }
        sender.join().expect("no panic");
    });
}

/// Another's ring may wake the watcher, which then watches a count that it watches already.
#[test]
fn doorbell_a_watch_left_standing_still_rings() {
    explore(4, || {
        let pipe = Arc::new(Pipe::default());
        let sender = {
            let pipe = Arc::clone(&pipe);
            thread::spawn(move || pipe.send(0))
        };
        let other = {
            let pipe = Arc::clone(&pipe);
            thread::spawn(move || pipe.bell.ring(&pipe.futex))
        };
        assert_eq!(pipe.wait(0), 1);
        sender.join().expect("no panic");
        other.join().expect("no panic");
    });
}
