//! First found wins.

use std::time::Duration;

use forkyard::{CheckEvery, OnCrash, Protocol, Search, SharedCell, TaskError};

use serde_bytes::ByteBuf;
use tests::patience::{LIVENESS, until};
use tests::{census, gate};

use crate::Scenario;
use crate::setup::{Setup, kill_myself, works};

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("search/one-winner", one_winner),
    ("search/races", races),
    ("search/nothing", nothing),
    ("search/stops", stops),
    ("search/behind", behind),
    ("search/shared-finds", shared_finds),
    ("search/killed", killed),
    ("search/re-armed", re_armed),
    ("search/long-finds", long_finds),
    ("search/panics", panics),
    ("search/within", within),
    ("search/endless", endless),
    ("search/of-a-task", of_a_task),
];

/// All find at once; one wins.
fn one_winner(setup: &Setup) {
    let pool = setup.pool(3);
    for protocol in [Protocol::Claim, Protocol::Lock] {
        for round in 0..300_u64 {
            let items = (0..6).map(|n| 10 * round + n);
            let result = pool.first_with(protocol, |_, n: u64| Some(n + 1), items);
            let first = result.expect("a search");
            let found = first.found.expect("a find");
            assert_eq!(first.winners, 1, "{protocol:?}");
            assert!((10 * round + 1..10 * round + 7).contains(&found.value));
            assert!(found.worker < 3);
        }
    }
    works(&pool);
}

/// A task's own settings hold for its searches, and the pool's do for others.
fn of_a_task(setup: &Setup) {
    const SHORT: Duration = Duration::from_millis(30);
    let pool = setup.builder().workers(2).task_grace(SHORT);
    let pool = pool.build().expect("a pool");
    let dies_once = |_: &Search<'_>, (name, n): (String, u64)| {
        if n == 3 && gate::arrive(&name) == 0 {
            kill_myself();
        }
        (n == 3).then_some(n)
    };
    let items = |name: &str| (0..5).map(|n| (name.to_owned(), n)).collect::<Vec<_>>();
    let again = OnCrash::Retry { max: 1 };
    let task = pool.task(dies_once).chunk_size(100).on_crash(again);
    for protocol in [Protocol::Claim, Protocol::Lock] {
        let name = format!("retried by {protocol:?}");
        let first = task.first_with(protocol, items(&name)).expect("a search");
        assert_eq!(first.found.map(|found| found.value), Some(3));
        assert_eq!(gate::arrived(&name), 2);
    }
    let dead = pool.first(dies_once, items("not retried"));
    assert!(matches!(dead, Err(TaskError::WorkerDied(_))), "{dead:?}");

    let is_there = |_: &Search<'_>, (name, n): (String, u64)| {
        if n == 3 && gate::arrive(&name) == 0 {
            kill_myself();
        }
        n < 4
    };
    let task = pool.task(is_there).on_crash(again);
    assert_eq!(task.any(items("any")), Ok(true));
    assert_eq!(task.all(items("all")), Ok(false));
    assert_eq!(task.all(items("all of four").drain(..4)), Ok(true));
    assert_eq!(gate::arrived("all of four"), 2);
    let none = |_: &Search<'_>, n: u64| n > 9;
    assert_eq!(pool.task(none).any(0..9), Ok(false));
    assert_eq!(pool.task(none).all(10..99), Ok(true));

    let endless = |_: &Search<'_>, _: u64| -> Option<u64> { crate::setup::for_ever() };
    let over = pool.task(endless).timeout(SHORT).grace(SHORT).first(0..1);
    assert!(matches!(over, Err(TaskError::TimedOut(_))), "{over:?}");
    works(&pool);
}

/// Two that have both seen the flag down find at the same instant, again and again, each in a process
/// of its own: exactly one wins. Without the second look both believe to have won, each time.
fn races(setup: &Setup) {
    let rounds = setup.number();
    let pool = setup.pool(2);
    let met = pool.cell(0_u64).expect("a cell");
    let mut round = 0;
    let mut race = |protocol: Protocol| {
        round += 2;
        // They leave the meeting together, and none looks at the flag after it.
        let task = |search: &Search<'_>, (n, met, all): (u64, SharedCell<u64>, u64)| {
            assert!(!search.is_stopped());
            met.fetch_add(1);
            while met.load() < all {
                std::thread::yield_now();
            }
            Some(n)
        };
        let items = (0..2).map(|n| (n, met.clone(), round));
        let first = pool.first_with(protocol, task, items).expect("a search");
        assert!(first.found.expect("a find").value < 2);
        first.winners
    };
    for at in 0..rounds {
        let protocol = [Protocol::Claim, Protocol::Lock][at as usize % 2];
        assert_eq!(race(protocol), 1, "{protocol:?} in race {at}");
    }
    for at in 0..rounds.min(200) {
        assert_eq!(race(Protocol::Unchecked), 2, "race {at} has one winner");
    }
    works(&pool);
}

/// Nobody finds: every item was searched.
fn nothing(setup: &Setup) {
    let pool = setup.pool(2);
    for count in [0, 1, 50] {
        let result = pool.first(|_, _: u64| None::<u64>, 0..count);
        let first = result.expect("a search");
        assert!(first.found.is_none());
        assert_eq!((first.winners, first.tasks), (0, count as usize));
    }
    works(&pool);
}

/// Those who search for ever leave when another finds, whatever the check interval, and an
/// endless input is not read to its end.
fn stops(setup: &Setup) {
    for every in [
        CheckEvery::every(1),
        CheckEvery::every(1000),
        CheckEvery::Auto,
    ] {
        let pool = setup.builder().workers(3).check_every(every);
        let pool = pool.build().expect("a pool");
        for round in 0..5 {
            let task = |search: &Search<'_>, (n, gate): (u64, String)| {
                if n == 0 {
                    until("the others search", LIVENESS, || {
                        (gate::arrived(&gate) >= 2).then_some(())
                    });
                    return Some(n);
                }
                gate::arrive(&gate);
                let mut check = search.checker();
                while !check.should_stop() {}
                None
            };
            let gate = format!("{every}-{round}");
            let first = pool.first(task, (0..).map(|n| (n, gate.clone())));
            let first = first.expect("a search");
            assert_eq!(first.found.expect("a find").value, 0);
            assert_eq!(first.winners, 1);
            assert!(
                first.stop_latencies.len() >= 2,
                "{:?}",
                first.stop_latencies
            );
        }
        works(&pool);
    }
}

/// What lies behind a search that takes for ever is searched by somebody else.
fn behind(setup: &Setup) {
    let pool = setup.pool(3);
    for count in [8, 50] {
        let task = |search: &Search<'_>, n: u64| {
            if n == 7 {
                return Some(n);
            }
            let mut check = search.checker();
            while n < 2 && !check.should_stop() {}
            None
        };
        let first = pool.first(task, 0..count).expect("a search");
        assert_eq!(first.found.expect("a find").value, 7);
    }
}

/// A worker dies in its search: with no find that is an error, else the find counts.
fn killed(setup: &Setup) {
    let pool = setup.pool(2);
    let task = |_: &Search<'_>, n: u64| match n {
        3 => kill_myself(),
        100 => Some(n),
        _ => None,
    };
    for _ in 0..5 {
        let lost = pool.first(task, 0..10).map(|first| first.found);
        assert!(matches!(lost, Err(TaskError::WorkerDied(_))), "{lost:?}");
        let first = pool.first(task, (0..10).chain([100])).expect("a find");
        assert_eq!(first.found.expect("a find").value, 100);
        assert_eq!(first.winners, 1);
        works(&pool);
    }
}

/// No round is stopped by the one before it.
fn re_armed(setup: &Setup) {
    let pool = setup.builder().workers(2).check_every(CheckEvery::every(1));
    let pool = pool.build().expect("a pool");
    for round in 0..1000_u64 {
        let task = |search: &Search<'_>, (n, needle): (u64, u64)| {
            let mut check = search.checker();
            for _ in 0..50 {
                if check.should_stop() {
                    return None;
                }
            }
            (n == needle).then_some(n)
        };
        let needle = round % 4;
        let first = pool
            .first(task, (0..4).map(|n| (n, needle)))
            .expect("a search");
        assert_eq!(
            first.found.map(|found| found.value),
            Some(needle),
            "round {round}"
        );
        assert_eq!(first.winners, 1);
    }
}

/// Finds that do not fit into the result slot arrive as well.
fn long_finds(setup: &Setup) {
    let pool = setup.pool(2);
    for len in [0, 1, 100, 1000, 5000, 3 << 20] {
        let task = |_: &Search<'_>, n: usize| Some(vec![4_u8; n]);
        let first = pool.first(task, [len; 4]).expect("a search");
        let found = first.found.expect("a find");
        assert!(found.value == vec![4; len]);
        assert_eq!(first.winners, 1);
    }
}

/// A search that panics is that item's error only.
fn panics(setup: &Setup) {
    let pool = setup.pool(2);
    let task = |_: &Search<'_>, n: u64| {
        assert!(n != 2, "two is wrong");
        (n == 9).then_some(n)
    };
    let lost = pool.first(task, 0..5).map(|first| first.found);
    assert!(matches!(lost, Err(TaskError::Panicked(_))), "{lost:?}");
    let first = pool.first(task, 0..).expect("a find");
    assert_eq!(first.found.expect("a find").value, 9);
}

/// A find may be a value in shared memory.
fn shared_finds(setup: &Setup) {
    let pool = setup.pool(2);
    for round in 0..50_u64 {
        let task = |_: &Search<'_>, n: u64| {
            let arena = forkyard::context().arena().expect("a worker has one");
            Some(arena.copy_from(&[n; 1000]).expect("a block"))
        };
        let first = pool.first(task, [round; 4]).expect("a search");
        let values = first.found.expect("a find").value;
        assert_eq!(values.len(), 1000);
        assert!(values.iter().all(|n| *n == round));
    }
    let left = pool.arena().stats().live_blocks;
    assert!(left <= 8, "{left} blocks are left");
}

/// Once the flag is up, a loop goes on for one interval at most.
fn within(setup: &Setup) {
    const EVERY: u32 = 1000;
    let pool = setup
        .builder()
        .workers(3)
        .check_every(CheckEvery::every(EVERY));
    let pool = pool.build().expect("a pool");
    for round in 0..20 {
        let name = format!("within-{round}");
        let task = |search: &Search<'_>, (n, name): (u64, String)| {
            let others = format!("{name}-others");
            if n == 0 {
                let both = || (gate::arrived(&others) >= 2).then_some(());
                until("the others search", LIVENESS, both);
                return Some(n);
            }
            gate::arrive(&others);
            let mut check = search.checker();
            let mut late = 0_u32;
            while !check.should_stop() {
                // Looks beside its checker, which does not look as often.
                late += u32::from(search.is_stopped());
            }
            gate::say(&format!("{name}-{n}"), late);
            None
        };
        let items = (0..3).map(|n| (n, name.clone()));
        let first = pool.first(task, items).expect("a search");
        assert_eq!(first.found.expect("a find").value, 0);
        for n in 1..3 {
            let late = gate::hear(&format!("{name}-{n}"));
            let late: u32 = late.parse().expect("a count");
            assert!(late <= EVERY, "{late} iterations after the flag");
        }
    }
}

/// An input without an end is taken in as it is worked off, and no faster.
fn endless(setup: &Setup) {
    const ITEM_BYTES: usize = 100_000;
    const FOUND_AT: u64 = 10_000;
    const MOST_BYTES: u64 = 200 << 20;
    let pool = setup.pool(2);
    let before = census::resident_bytes();
    let mut most = 0;
    let items = (0..).map(|n: u64| {
        if n.is_multiple_of(100) {
            most = most.max(census::resident_bytes());
        }
        (n, ByteBuf::from(vec![1; ITEM_BYTES]))
    });
    let task = |_: &Search<'_>, (n, bytes): (u64, ByteBuf)| {
        assert_eq!(bytes.len(), ITEM_BYTES);
        (n == FOUND_AT).then_some(n)
    };
    let first = pool.first(task, items).expect("a search");
    assert_eq!(first.found.expect("a find").value, FOUND_AT);
    let grown = most.saturating_sub(before);
    let reserved = pool.arena().stats().peak_reserved_bytes;
    let went = FOUND_AT * ITEM_BYTES as u64;
    assert!(
        grown + reserved < MOST_BYTES,
        "{grown} + {reserved} of {went} bytes at a time"
    );
}
