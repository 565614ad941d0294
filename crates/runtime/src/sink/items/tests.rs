//! Rows of items of all kinds, put and read again.

use std::sync::Arc;

use forkyard_shm::OwnerIndex;
use forkyard_shm::lane::Message;
use forkyard_shm::layout::Shape;
use forkyard_wire::codec;
use serde::{Serialize, Serializer};

use super::super::{PutError, Sink};
use crate::Transport;
use crate::arena::{Block, BlockMut, RawArena};
use crate::bootstrap::identity;
use crate::items::{Item, Items};
use crate::job::ItemError;
use crate::mapped::{self, PoolMemory};
use crate::parcel::Parcel;

/// A pool's memory without a pool.
struct World {
    arena: Arc<RawArena>,
    _memory: PoolMemory,
}

fn world() -> World {
    let shape = Shape {
        workers: 1,
        slots: 2,
    };
    let memory = PoolMemory::create(shape, identity()).unwrap();
    let arena = mapped::attach_arena(memory.control(), memory.name(), OwnerIndex::SUPERVISOR);
    mapped::directory(memory.control()).set_limit_bytes(8 << 20);
    World {
        arena: Arc::new(arena),
        _memory: memory,
    }
}

fn sinks(world: &World) -> [Sink; 2] {
    let sink = |transport| Sink::new(transport, Arc::clone(&world.arena));
    [sink(Transport::Shared), sink(Transport::Copy)]
}

/// The payload of what was put, as its receiver sees it.
fn received(sink: &mut Sink, items: u32) -> Vec<u8> {
    let mut parcel = Parcel::default();
    sink.take(Message::default(), &mut parcel).unwrap();
    assert_eq!(sink.len(), 0, "nothing is left of {items} items");
    match parcel.extra {
        None => parcel.payload.bytes()[..parcel.message.len as usize].to_vec(),
        Some(mut extra) if extra.frame.is_empty() => match extra.attached.pop() {
            Some(crate::packing::Attached::Shared(block)) => Block::as_slice(&block).to_vec(),
            other => panic!("{other:?}"),
        },
        Some(extra) => extra.frame[super::super::MOST_FRONT..].to_vec(),
    }
}

fn check<T: Serialize>(sink: &mut Sink, expected: u32, items: &[Result<T, ()>]) -> usize {
    sink.open_items(expected);
    for item in items {
        match item {
            Ok(item) => sink.put_item(item).unwrap(),
            Err(()) => sink.put_error_item(&ItemError::Aborted).unwrap(),
        }
    }
    assert_eq!(sink.items() as usize, items.len());
    sink.close_items();
    let payload = received(sink, sink.items());
    if let [Ok(lone)] = items {
        let mut bytes = Vec::new();
        codec::encode_to_vec(lone, &mut bytes).unwrap();
        assert_eq!(payload, bytes, "a lone item has nothing around it");
        return payload.len();
    }
    let mut left = Items::of(&payload, items.len() as u32).expect("so many items");
    let mut place = 0;
    left.take(items.len(), |item| {
        let mut bytes = Vec::new();
        match (&items[place], item) {
            (Ok(value), Item::Value(got)) => {
                codec::encode_to_vec(value, &mut bytes).unwrap();
                assert_eq!(got, bytes, "item {place}");
            }
            (Err(()), Item::Error(got)) => {
                assert!(matches!(codec::decode(got), Ok(ItemError::Aborted)));
            }
            (_, other) => panic!("item {place}: {other:?}"),
        }
        place += 1;
    });
    payload.len()
}

fn texts(lengths: impl IntoIterator<Item = usize>) -> Vec<Result<String, ()>> {
    let texts = lengths.into_iter().map(|len| Ok("x".repeat(len)));
    texts.collect()
}

#[test]
fn items_come_as_they_were_put() {
    let world = world();
    for mut sink in sinks(&world) {
        let numbers: Vec<_> = (0..5000_u64).map(Ok).collect();
        for count in [1, 2, 10, 11, 12, 13, 14, 600, 5000] {
            // As many as foretold, fewer, and more.
            for expected in [count, 5000, 2] {
                let bytes = check(&mut sink, expected as u32, &numbers[..count]);
                let head = if count == 1 { 0 } else { 8 };
                assert_eq!(bytes, head + 8 * count, "nothing stands between even ones");
            }
        }
        check(&mut sink, 3, &[Ok(()), Ok(()), Ok(())]);
        check(&mut sink, 9, &texts([3, 3, 3, 4, 3, 0, 3]));
        check(&mut sink, 9, &texts([0, 3, 3]));
        check(&mut sink, 4, &texts([5000, 5000, 70_000, 5000]));
        check(&mut sink, 400, &texts([9000; 40]));
        check(&mut sink, 2, &texts([300_000, 300_000]));
        check(&mut sink, 2, &texts([300_000]));
        let mut mixed = texts([7; 700]);
        mixed[650] = Err(());
        check(&mut sink, 700, &mixed);
        check(&mut sink, 3, &[Err(()), Ok(1_u8), Ok(1)]);
        check(&mut sink, 700, &numbers[..700]);
        sink.put(&7_u64).unwrap();
        let payload = received(&mut sink, 1);
        assert_eq!(payload, 7_u64.to_le_bytes(), "a single one after many");
    }
}

/// Fails, or panics, after it has written something.
struct Broken(bool);

impl Serialize for Broken {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        assert!(self.0, "no more");
        let _ = serializer;
        Err(serde::ser::Error::custom("no bytes for this"))
    }
}

#[test]
fn what_cannot_be_put_leaves_the_row_as_it_was() {
    let world = world();
    for mut sink in sinks(&world) {
        for before in [0, 1, 100] {
            sink.open_items(200);
            (0..before).for_each(|n: u64| sink.put_item(&n).unwrap());
            assert!(sink.put_item(&Broken(true)).is_err());
            let panics = std::panic::AssertUnwindSafe(|| sink.put_item(&Broken(false)));
            assert!(std::panic::catch_unwind(panics).is_err());
            assert_eq!(u64::from(sink.items()), before);
            sink.put_item(&5_u64).unwrap();
            sink.put_item(&6_u64).unwrap();
            sink.close_items();
            let payload = received(&mut sink, 2);
            assert_eq!(payload.len() as u64, 8 + 8 * (before + 2));
        }
    }
}

/// Everything that there is.
fn fill(arena: &RawArena) -> Vec<BlockMut> {
    let mut all = Vec::new();
    for bytes in [100 << 10, 1 << 10, 64] {
        while let Ok(block) = arena.alloc(bytes) {
            all.push(block);
        }
    }
    all
}

#[test]
fn without_memory_for_a_block_items_wait_to_be_taken() {
    let world = world();
    let [mut sink, _] = sinks(&world);
    let arena = &world.arena;
    let all = fill(arena);
    sink.open_items(1000);
    let fits = (0..1000_u64).take_while(|n| {
        sink.put_item(n).unwrap();
        !sink.is_full()
    });
    assert!(fits.count() > 5, "a slot holds some");
    sink.close_items();
    received(&mut sink, 7);
    sink.open_items(1000);
    (0..1000_u64).for_each(|n| sink.put_item(&n).unwrap());
    sink.close_items();
    let mut parcel = Parcel::default();
    let message = Message::default();
    assert!(sink.take(message, &mut parcel).is_err());
    drop(all);
    assert_eq!(received(&mut sink, 1000).len(), 8008);
}

#[test]
fn without_memory_a_row_ends_where_a_slot_does_or_where_lengths_differ() {
    let world = world();
    let [mut sink, _] = sinks(&world);
    let all = fill(&world.arena);
    let mut put = |expected, texts: &[&str]| {
        sink.open_items(expected);
        let is_put = |text: &&&str| {
            sink.put_item(*text).unwrap();
            !sink.is_full()
        };
        texts.iter().take_while(is_put).count()
    };
    let even = ["x"; 20];
    assert_eq!(put(1000, &even), 8, "the ninth fills the slot");
    assert_eq!(put(1 << 20, &even), 8, "so much is not foretold");
    assert_eq!(put(1000, &["x", "x", "yy", "x"]), 2, "no more behind this");
    drop(all);
    assert_eq!(put(1000, &even), 20);
    assert_eq!(put(1 << 20, &even), 20);
}

#[test]
fn a_row_without_memory_comes_apart() {
    let world = world();
    let [mut sink, _] = sinks(&world);
    let all = fill(&world.arena);
    let long = "y".repeat(200);
    let mut rows = vec![vec!["x"; 20], ["x", "yy", "", "xyz"].repeat(5)];
    rows.push(vec!["x", &long, "xyz"]);
    let mut row = |texts: &[&str]| {
        sink.open_items(40);
        texts.iter().for_each(|text| sink.put_item(*text).unwrap());
        sink.close_items();
        let taken = sink.take(Message::default(), &mut Parcel::default());
        assert!(matches!(taken, Err(PutError::SharedMemory(_))), "{taken:?}");
        let parts = sink.split(texts.len() as u32);
        assert_eq!(sink.len(), 0);
        parts
    };
    let parts: Vec<_> = rows.iter().map(|texts| row(texts)).collect();
    drop(all);
    for (parts, texts) in parts.into_iter().zip(rows) {
        assert_eq!(parts.len(), texts.len());
        for (part, text) in parts.into_iter().zip(texts) {
            sink.put_apart(part);
            let payload = received(&mut sink, 1);
            assert_eq!(codec::decode::<String>(&payload).unwrap(), text);
        }
    }
}
