//! How handles cross, what they are worth elsewhere, and how long what they stand for lives.

use forkyard::{Event, Queue, SharedArray, SharedCell, SharedMutex, StartMethod, StateError};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tests::gate;
use tests::victim::send;

use super::{all_ok, died, hold_on, no_block_is_left, say_who, who_said};
use crate::setup::{Setup, works};

/// Handles of every kind, and some twice, in a value of the user's own.
#[derive(Serialize, Deserialize)]
struct Bundle {
    mutex: SharedMutex<[u32; 3]>,
    same: Option<SharedMutex<[u32; 3]>>,
    cells: Vec<SharedCell<f64>>,
    flags: SharedArray<bool>,
    event: Event,
    queue: Queue<[u8; 5]>,
    text: String,
}

fn use_all(bundle: Bundle) -> Bundle {
    {
        let mut data = bundle.mutex.lock().expect("sound");
        data[1] = 4;
        let same = bundle.same.as_ref().expect("it was sent");
        assert!(same.try_lock().is_err(), "it is one lock");
    }
    for (n, cell) in bundle.cells.iter().enumerate() {
        cell.fetch_add(n as f64);
    }
    bundle.flags[2].store(true);
    bundle.queue.push(*b"bytes").expect("there is room");
    bundle.event.set();
    bundle
}

/// Sent twice, in a vector, in an option, in a struct, in a `map`, and back as a result.
pub(super) fn crossing(setup: &Setup) {
    let pool = setup.pool(2);
    let mutex = pool.mutex([1_u32, 2, 3]).expect("a mutex");
    let bundle = |text: &str| Bundle {
        mutex: mutex.clone(),
        same: Some(mutex.clone()),
        cells: (0..60).map(|_| pool.cell(0.5).expect("a cell")).collect(),
        flags: pool.array(4).expect("an array"),
        event: pool.event().expect("an event"),
        queue: pool.queue(3).expect("a queue"),
        text: text.to_owned(),
    };
    let small = bundle("small");
    let back = pool
        .submit(use_all, bundle("alone"))
        .join()
        .expect("it comes back");
    assert_eq!(back.cells[59].load(), 59.5);
    assert_eq!(back.queue.try_pop(), Ok(*b"bytes"));
    assert!(back.event.is_set() && back.flags[2].load() && !back.flags[1].load());
    assert_eq!(*mutex.lock().expect("sound"), [1, 4, 3]);
    let long = "x".repeat(100_000);
    let more = all_ok(pool.map(use_all, [small, bundle(&long), bundle("third")]));
    assert_eq!(more[1].text.len(), 100_000);
    // What comes back is the same place.
    *more[2].mutex.lock().expect("sound") = [9; 3];
    assert_eq!(*mutex.lock().expect("sound"), [9; 3]);
    assert_eq!(
        format!("{:?}", more[0].flags),
        "[false, false, true, false]"
    );
    drop((back, more, mutex));
    no_block_is_left(&pool);
}

/// A handle means nothing in another pool, nor in another serializer, and says so.
pub(super) fn foreign(setup: &Setup) {
    let one = setup.pool(1);
    let mine = one.mutex(1_u64).expect("a mutex");
    let outside = serde_json::to_string(&mine).expect_err("not here");
    assert!(
        outside.to_string().contains("its pool's memory"),
        "{outside}"
    );
    let inside = serde_json::from_str::<Event>("[0]").expect_err("not here");
    assert!(!inside.to_string().is_empty());
    if setup.method == StartMethod::Fork {
        return; // one pool at a time
    }
    let two = setup.pool(1);
    let task = |mutex: SharedMutex<u64>| *mutex.lock().expect("sound");
    let refused = two.submit(task, mine.clone()).join().expect_err("foreign");
    assert!(refused.to_string().contains("another pool"), "{refused}");
    assert_eq!(one.submit(task, mine).join(), Ok(1));
    works(&two);
}

/// A queue when it is sent, an event when it comes.
struct Disguised(Option<Queue<u64>>);

impl Serialize for Disguised {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.as_ref().expect("a queue").serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Disguised {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Event::deserialize(deserializer).map(|_| Self(None))
    }
}

/// As many bytes as a descriptor has when it is sent, a handle when it comes.
struct Noise(u64);

impl Serialize for Noise {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let word =
            |at: u32| (self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(at) >> 59) as u8;
        // Most bytes small or zero: near what a descriptor looks like.
        let bytes: [u8; 32] = std::array::from_fn(|n| word(7 * n as u32) & word(11 * n as u32));
        bytes.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Noise {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Queue::<u64>::deserialize(deserializer).map(|queue| Self(queue.capacity() as u64))
    }
}

/// A descriptor that leads to something else, or nowhere, is an error of the one who got it.
pub(super) fn forged(setup: &Setup) {
    let pool = setup.pool(1);
    let queue = pool.queue::<u64>(4).expect("a queue");
    let sent = pool.submit(|_: Disguised| (), Disguised(Some(queue.clone())));
    let refused = sent.join().expect_err("no event").to_string();
    assert!(refused.contains("is no Event"), "{refused}");
    let returned = pool.submit(|queue: Queue<u64>| Disguised(Some(queue)), queue.clone());
    let Err(refused) = returned.join() else {
        panic!("a queue is no event");
    };
    assert!(refused.to_string().contains("is no Event"), "{refused}");
    let _block = pool.arena().copy_from(&[1_u64; 64]).expect("a block");
    for result in pool.map(Noise, 0..2_000) {
        // What leads to the queue by chance is the queue.
        assert!(result.is_err() || result.is_ok_and(|noise| noise.0 == 4));
    }
    assert_eq!(queue.try_push(1), Ok(()));
    works(&pool);
}

/// What cannot be is refused by name.
pub(super) fn limits(setup: &Setup) {
    let builder = setup.builder().workers(1).arena_limit(1 << 20);
    let pool = builder.build().expect("a pool");
    let refused = [
        pool.semaphore(0).expect_err("none"),
        pool.barrier(40_000).expect_err("too many"),
        pool.queue::<u8>(0).expect_err("none"),
        pool.queue::<u8>(1 << 24).expect_err("too many"),
    ];
    for error in refused {
        assert!(matches!(error, StateError::Count { .. }), "{error}");
    }
    let large = pool.queue::<u64>(1 << 20).expect_err("too large");
    assert!(matches!(large, StateError::Memory { .. }), "{large}");
    assert!(large.to_string().contains("limit"), "{large}");
    assert!(pool.array::<u64>(0).expect("an empty array").is_empty());
    works(&pool);
}

fn keep_and_die(mutex: SharedMutex<u64>) -> u64 {
    let _held = mutex.lock().expect("sound");
    say_who("holds the last");
    hold_on()
}

/// The supervisor has let go of a mutex that two workers use: the death of one is the other's
/// to learn all the same, and then the memory is back.
pub(super) fn dropped(setup: &Setup) {
    let pool = setup.pool(2);
    let mutex = pool.mutex(3_u64).expect("a mutex");
    let doomed = pool.submit(keep_and_die, mutex.clone());
    let (_, pid) = who_said("holds the last");
    let task = |mutex: SharedMutex<u64>| {
        gate::say("wants the last", "");
        mutex
            .lock()
            .map_or_else(|died| *died.guard + 1, |guard| *guard)
    };
    let waits = pool.submit(task, mutex.clone());
    drop(mutex);
    gate::wait("wants the last");
    send(pid, forkyard_os::process::Signal::Kill);
    died(&doomed.join());
    assert_eq!(waits.join(), Ok(4));
    no_block_is_left(&pool);
}

/// Thousands, one after another: what is let go of is used again.
pub(super) fn many(setup: &Setup) {
    let pool = setup.pool(1);
    let mut reserved = 0;
    for round in 0..10_000_u32 {
        let mutex = pool.mutex(round).expect("a mutex");
        if round % 500 == 0 {
            let task = |mutex: SharedMutex<u32>| *mutex.lock().expect("sound");
            assert_eq!(pool.submit(task, mutex).join(), Ok(round));
        }
        if round == 2_000 {
            reserved = pool.arena().stats().reserved_bytes;
        }
    }
    assert_eq!(pool.arena().stats().reserved_bytes, reserved);
    no_block_is_left(&pool);
}
