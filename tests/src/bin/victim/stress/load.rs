//! What the pool does while its workers are killed: a thread for each kind of work, each going on
//! until chaos has had enough.

use std::sync::Arc;

use fastrand::Rng;
use forkyard::{Handle, Pool, Protocol, Search, Shared, TaskError};
use serde_bytes::ByteBuf;

use super::audit::Audit;
use super::chaos::Chaos;
use super::journal;
use super::watch::{EndsTheProcess, Pulse};
use crate::setup::spin;

/// What every kind of work is given.
pub(super) struct Load<'a> {
    pub(super) pool: &'a Pool,
    pub(super) audit: &'a Audit<'a>,
    pub(super) chaos: &'a Chaos,
    pub(super) chunk: usize,
    pub(super) rng: Rng,
    pub(super) pulse: Arc<Pulse>,
}

/// A kind of work.
pub(super) type Kind = (&'static str, fn(&mut Load<'_>));

/// Every kind of work.
pub(super) const KINDS: &[Kind] = &[
    ("tiny tasks", tiny_tasks),
    ("unheeded tasks", unheeded_tasks),
    ("maps", maps),
    ("large payloads", large_payloads),
    ("shared values", shared_values),
    ("searches", searches),
];

impl Load<'_> {
    /// Does one kind of work until chaos has had enough.
    pub(super) fn go_on(&mut self, work: fn(&mut Load<'_>)) {
        let _guard = EndsTheProcess(Some(self.pool));
        while !self.chaos.has_killed_enough() {
            work(self);
            self.pulse.beat("the next round");
        }
        self.pulse.end();
    }
}

/// What a tiny task makes of its number: nothing that another number gives.
pub(super) fn mixed(id: u64) -> u64 {
    (id ^ 0x5bd1_e995).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The smallest task that tells of itself.
pub(super) fn tiny(id: u64) -> u64 {
    journal::begun(id);
    let result = mixed(id);
    journal::ended(id);
    result
}

/// Bursts of tasks; joined in any order, asked for early, or not wanted after all.
fn tiny_tasks(load: &mut Load<'_>) {
    let ids = load.audit.ids(load.rng.usize(1..200));
    let mut handles: Vec<(u64, Handle<u64>)> =
        ids.map(|id| (id, load.pool.submit(tiny, id))).collect();
    load.rng.shuffle(&mut handles);
    load.pulse.beat("joining tiny tasks");
    for (id, mut handle) in handles {
        let result = match load.rng.u32(0..20) {
            0 => {
                drop(handle);
                load.audit.unwanted(id);
                continue;
            }
            1 => handle
                .join_timeout(std::time::Duration::ZERO)
                .unwrap_or_else(|| handle.join()),
            _ => handle.join(),
        };
        let is_right = |value: &u64| *value == mixed(id);
        load.audit.resolved(id, id..id + 1, result, is_right, false);
    }
}

/// As many as lanes take, without a journal in the way.
fn unheeded_tasks(load: &mut Load<'_>) {
    let handles: Vec<_> = (load.audit.ids(2000))
        .map(|n| (n, load.pool.submit(mixed, n)))
        .collect();
    load.pulse.beat("joining unheeded tasks");
    for (n, handle) in handles {
        match handle.join() {
            Ok(result) => assert_eq!(result, mixed(n)),
            Err(TaskError::WorkerDied(death)) => load.audit.lost(&death, n..n + 1),
            Err(other) => panic!("{other}"),
        }
    }
}

/// Maps over more items than fit a message.
fn maps(load: &mut Load<'_>) {
    let count = load.rng.usize(1..800);
    let ids = load.audit.ids(count);
    let task = |id: u64| {
        journal::begun(id);
        if id.is_multiple_of(97) {
            spin(300);
        }
        journal::ended(id);
        mixed(id)
    };
    load.pulse.beat("mapping");
    let results = load.pool.map(task, ids.clone());
    assert_eq!(results.len(), count);
    for (nth, result) in results.into_iter().enumerate() {
        let id = ids.start + nth as u64;
        let chunk = ids.start + (nth / load.chunk * load.chunk) as u64;
        let message = chunk..ids.end.min(chunk + load.chunk as u64);
        let is_right = |value: &u64| *value == mixed(id);
        load.audit.resolved(id, message, result, is_right, false);
    }
}

/// Arguments and results in blocks, or in many packets.
fn large_payloads(load: &mut Load<'_>) {
    let ids = load.audit.ids(load.rng.usize(1..6));
    let task = |(id, bytes): (u64, ByteBuf)| {
        journal::begun(id);
        let byte = bytes[0];
        assert!(bytes[..] == vec![byte; bytes.len()][..], "torn on its way");
        let result = ByteBuf::from(vec![byte.wrapping_add(1); bytes.len()]);
        journal::ended(id);
        result
    };
    let handles: Vec<_> = ids
        .map(|id| {
            let most = if load.rng.u32(0..8) == 0 { 21 } else { 17 };
            let octave = load.rng.u32(8..most);
            let len = load.rng.usize(1..1 << octave);
            let bytes = ByteBuf::from(vec![id as u8; len]);
            (id, len, load.pool.submit(task, (id, bytes)))
        })
        .collect();
    load.pulse.beat("joining large payloads");
    for (id, len, handle) in handles {
        let is_right = |bytes: &ByteBuf| bytes[..] == vec![(id as u8).wrapping_add(1); len][..];
        let result = handle.join();
        load.audit.resolved(id, id..id + 1, result, is_right, false);
    }
}

/// Values that several tasks read where they lie, and that tasks leave behind.
fn shared_values(load: &mut Load<'_>) {
    let ids = load.audit.ids(load.rng.usize(1..6));
    let len = load.rng.usize(1..1 << 15);
    let values: Vec<u64> = (0..len as u64).map(|n| n + ids.start).collect();
    let values = load.pool.arena().copy_from(&values).expect("a block");
    let task = |(id, values): (u64, Shared<[u64]>)| {
        journal::begun(id);
        let arena = forkyard::context().arena().expect("a worker has one");
        let half = &values[values.len() / 2..];
        let result = arena.copy_from(half).expect("a block");
        journal::ended(id);
        (result, values)
    };
    let handles: Vec<_> = ids
        .map(|id| (id, load.pool.submit(task, (id, values.clone()))))
        .collect();
    load.pulse.beat("joining shared values");
    for (id, handle) in handles {
        let is_right = |(half, whole): &(Shared<[u64]>, Shared<[u64]>)| {
            whole[..] == values[..] && half[..] == values[len / 2..]
        };
        let result = handle.join();
        load.audit.resolved(id, id..id + 1, result, is_right, false);
    }
}

/// Looks so often for the stop of its round that it is seen at once.
fn search(search: &Search<'_>, (id, turns, finds): (u64, u32, bool)) -> Option<Vec<u64>> {
    journal::begun(id);
    let mut check = search.checker();
    let stopped = (0..turns).any(|_| check.should_stop());
    let len = if id.is_multiple_of(5) { 300 } else { 3 };
    let found = (finds && !stopped).then(|| vec![mixed(id); len]);
    journal::ended(id);
    found
}

/// Finite and endless searches, with one finder, many, or none.
fn searches(load: &mut Load<'_>) {
    let protocol = if load.rng.bool() {
        Protocol::Claim
    } else {
        Protocol::Lock
    };
    let first = load.audit.ids(1).start;
    let finders = load.rng.u64(0..4);
    let seed = load.rng.u64(..);
    let audit = load.audit;
    let item = move |n: u64| {
        let id = audit.ids(1).start;
        audit.unwanted(id);
        let turns = mixed(seed ^ n) % 2000;
        // No finder; one, far off; every third; all.
        let finds = [false, n == 30, n.is_multiple_of(3), true][finders as usize];
        (id, turns as u32, finds)
    };
    load.pulse.beat("searching");
    // The only finder may be lost, and an endless search would then never end.
    let endless = finders > 1 && load.rng.bool();
    let last = if endless { u64::MAX } else { 40 };
    let result = load.pool.first_with(protocol, search, (0..last).map(item));
    let last_id = load.audit.ids(1).start;
    match result {
        Ok(outcome) => match outcome.found {
            Some(found) => {
                assert_eq!(outcome.winners, 1, "{protocol:?}");
                let value = found.value[0];
                let ids = first..last_id;
                assert!(ids.clone().any(|id| mixed(id) == value), "not of {ids:?}");
                assert!(found.value.iter().all(|n| *n == value), "torn");
            }
            // Nobody had anything to find, and all were searched.
            None => assert_eq!((finders, outcome.tasks), (0, 40)),
        },
        Err(TaskError::WorkerDied(death)) => load.audit.lost(&death, first..first + 1),
        Err(other) => panic!("{other}"),
    }
}
