//! Workers that die: in a task, between tasks, many at once, with full lanes, in the middle of a
//! message, while the pool ends.

use std::num::NonZeroUsize;
use std::process::Command;

use forkyard::{ChunkSize, ExitCause, Search, TaskError};
use forkyard_os::process::{Signal, is_alive};
use serde_bytes::ByteBuf;
use tests::patience::{LIVENESS, until};
use tests::victim::send;
use tests::{census, gate};

use crate::Scenario;
use crate::setup::{Setup, kill_myself, spin, works};

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("death/exits", exits),
    ("death/each-way", each_way),
    ("death/each-call", each_call),
    ("death/peaks", peaks),
    ("death/one-of-many", one_of_many),
    ("death/earlier-results", earlier_results),
    ("death/at-once", at_once),
    ("death/in-a-loop", in_a_loop),
    ("death/while-idle", while_idle),
    ("death/young", young),
    ("death/full-lane", full_lane),
    ("death/receiving", receiving),
    ("death/sending", sending),
    ("death/after-close", after_close),
    ("death/in-drain", in_drain),
    ("death/all-in-drain", all_in_drain),
    ("death/stopped", stopped),
];

const LARGE_BYTES: usize = 64 << 20;

#[expect(clippy::needless_pass_by_value, reason = "a task owns its argument")]
pub(crate) fn die(how: String) -> u64 {
    match how.as_str() {
        "kill" => kill_myself(),
        "abort" => std::process::abort(),
        "overflow" => dig(&mut [0; 64]),
        "segv" => loop {
            // The standard library's handler lets a signal that is no fault pass once.
            let script = format!("kill -SEGV {}", std::process::id());
            let _ = Command::new("sh").args(["-c", &script]).status();
        },
        code => std::process::exit(code.parse().expect("an exit code")),
    }
}

/// Recursion that the optimiser leaves alone.
fn dig(above: &mut [u64; 64]) -> u64 {
    let mut here = *above;
    here[7] += 1;
    if std::hint::black_box(here[7]) == u64::MAX {
        return here[7];
    }
    let below = dig(std::hint::black_box(&mut here));
    above[3] = below;
    below + here[5]
}

/// A task that ends its process in good order has no result all the same.
fn exits(setup: &Setup) {
    let pool = setup.pool(2);
    let is_told = |result: &Result<u64, TaskError>| matches!(result, Err(TaskError::WorkerDied(death)) if death.cause.is_success());
    for _ in 0..3 {
        let result = pool.submit(die, "0".to_owned()).join();
        assert!(is_told(&result), "{result:?}");
        works(&pool);
    }
    // Each of them ends its worker, or shares a message with one that does.
    let results = pool.map(die, (0..20).map(|_| "0".to_owned()));
    assert!(results.len() == 20 && results.iter().all(is_told));
    works(&pool);
    assert!(pool.close().deaths.len() >= 4);
}

/// Every way of dying is told by its cause, with the pid, the worker and its memory.
fn each_way(setup: &Setup) {
    let pool = setup.pool(2);
    for how in ["kill", "abort", "overflow", "segv", "0", "3"] {
        let result = pool.submit(die, how.to_owned()).join();
        let Err(TaskError::WorkerDied(death)) = result else {
            panic!("{how}: {result:?}");
        };
        let cause_is_right = match (how, death.cause) {
            ("kill", ExitCause::Signal { signal, .. }) => signal == 9,
            ("abort" | "overflow", ExitCause::Signal { signal, .. }) => signal == 6,
            ("segv", ExitCause::Signal { signal, .. }) => signal == 11,
            (code, ExitCause::Code(found)) => code == found.to_string(),
            _ => false,
        };
        assert!(cause_is_right, "{how}: {death}");
        assert!(death.worker < 2, "{death}");
        // The peak of one that was spawned may be that of this process.
        let is_told = death.peak_rss_bytes > 100_000;
        assert!(is_told || setup.is_spawned(), "{death:?}");
        let task = death.task.expect("it ran one");
        assert!(task.function.ends_with("death::die"), "{death:?}");
        assert_eq!((task.first, task.items), (0, 1), "{death:?}");
        let text = death.to_string();
        assert!(text.contains(") died while it ran die: "), "{text}");
        assert_eq!(text.contains("; peak memory "), is_told, "{text}");
        works(&pool);
    }
    let report = pool.close();
    assert_eq!(report.deaths.len(), 6);
    for death in &report.deaths {
        let mut rows = report.processes.iter();
        let row = rows.find(|row| row.pid == death.pid).expect("its row");
        assert!(death.task.is_some(), "{death:?}");
        assert_eq!(
            (row.generation, row.exit),
            (death.generation, Some(death.cause))
        );
    }
}

/// What this process had in memory is not told as the peak of a worker.
fn peaks(setup: &Setup) {
    fn take(bytes: usize) -> u64 {
        std::hint::black_box(vec![1_u8; bytes]);
        kill_myself()
    }
    drop(std::hint::black_box(vec![1_u8; 64 << 20]));
    let pool = setup.pool(1);
    for (bytes, least, most) in [(1, 0, 48 << 20), (128 << 20, 128 << 20, 192 << 20)] {
        let result = pool.submit(take, bytes).join();
        let Err(TaskError::WorkerDied(death)) = result else {
            panic!("{result:?}");
        };
        let told = least..=most;
        assert!(told.contains(&death.peak_rss_bytes), "{death:?}");
    }
}

/// Each way to hand a pool work names its function.
fn each_call(setup: &Setup) {
    fn one(_: u64) -> u64 {
        kill_myself()
    }
    fn of_two(_: u64, _: u64) -> u64 {
        kill_myself()
    }
    fn with(_: &u64, _: u64) -> u64 {
        kill_myself()
    }
    fn part(_: usize, _: &mut [u64]) {
        kill_myself()
    }
    fn search(_: &Search, _: u64) -> Option<u64> {
        kill_myself()
    }
    fn is(_: &Search, _: u64) -> bool {
        kill_myself()
    }
    #[track_caller]
    fn names<T>(result: Option<Result<T, TaskError>>, function: &str) {
        let Some(Err(TaskError::WorkerDied(death))) = result else {
            panic!("{function} lives on");
        };
        let task = death.task.expect("it ran one");
        let called = task.function.rsplit("::").next();
        assert_eq!(called, Some(function), "{task}");
    }
    let pool = setup.pool(1);
    names(Some(pool.submit(one, 1).join()), "one");
    names(Some(pool.submit_timed(one, 1).join()), "one");
    names(pool.map(one, [1]).pop(), "one");
    names(pool.imap(one, [1]).next(), "one");
    names(
        pool.imap_unordered(one, [1])
            .next()
            .map(|(_, result)| result),
        "one",
    );
    names(pool.starmap(of_two, [(1, 2)]).pop(), "of_two");
    names(pool.map_with(&1, with, [1]).pop(), "with");
    names(Some(pool.reduce(one, |a, b| a + b, [1])), "one");
    names(Some(pool.first(search, [1])), "search");
    names(Some(pool.any(is, [1])), "is");
    names(Some(pool.all(is, [1])), "is");
    let mut data = pool.arena().alloc_zeroed::<u64>(4).expect("memory");
    names(pool.for_each_chunk_mut(&mut data, 4, part).pop(), "part");
    works(&pool);
}

/// One of 400 dies with its worker: that one has the error, all others their result.
fn one_of_many(setup: &Setup) {
    for chunk in [1, 7] {
        let items = ChunkSize::Items(NonZeroUsize::new(chunk).expect("not zero"));
        let pool = setup.builder().workers(2).chunk_size(items);
        let pool = pool.build().expect("a pool");
        let numbers = (0..400).map(|n| if n == 200 { u64::MAX } else { n });
        let square = |n| if n == u64::MAX { kill_myself() } else { n * n };
        let results = pool.map(square, numbers);
        assert_eq!(results.len(), 400);
        let mut dead = Vec::new();
        for (n, result) in (0..).zip(results) {
            match result {
                Ok(square) => assert_eq!(square, n * n),
                Err(TaskError::WorkerDied(death)) => {
                    let task = death.task.expect("it ran them");
                    let items = task.first..task.first + u64::from(task.items);
                    assert!(items.contains(&n) && items.contains(&200), "{n}: {death}");
                    assert!(items.end - items.start <= chunk as u64, "{n}: {death}");
                    dead.push(n);
                }
                Err(other) => panic!("{n}: {other}"),
            }
        }
        assert!(dead.contains(&200) && dead.len() <= chunk, "{dead:?}");
        works(&pool);
        assert_eq!(pool.close().deaths.len(), 1);
    }
}

/// What a worker had finished before it died is not lost, though nobody had looked; what it
/// had not begun runs elsewhere.
fn earlier_results(setup: &Setup) {
    let pool = setup.pool(1);
    let before: Vec<_> = (0..30).map(|n: u64| pool.submit(|n| n + 1, n)).collect();
    let fatal = pool.submit(die, "kill".to_owned());
    let after: Vec<_> = (0..30).map(|n: u64| pool.submit(|n| n + 2, n)).collect();
    let gone = fatal.join();
    assert!(matches!(gone, Err(TaskError::WorkerDied(_))), "{gone:?}");
    for (n, handle) in (0..).zip(before) {
        assert_eq!(handle.join(), Ok(n + 1));
    }
    for (n, handle) in (0..).zip(after) {
        assert_eq!(handle.join(), Ok(n + 2));
    }
    assert_eq!(pool.close().deaths.len(), 1);
}

/// 1, 2, 5 and 13 workers die at the same moment, and then again.
fn at_once(setup: &Setup) {
    for workers in [1_usize, 2, 5, 13] {
        let pool = setup.pool(workers);
        let together = format!("crash{workers}");
        let doomed: Vec<_> = (0..workers)
            .map(|_| {
                let task = |(name, all): (String, usize)| {
                    gate::arrive(&name);
                    until("the others", LIVENESS, || {
                        (gate::arrived(&name) == all).then_some(())
                    });
                    die("kill".to_owned())
                };
                pool.submit(task, (together.clone(), workers))
            })
            .collect();
        for handle in doomed {
            let result = handle.join();
            assert!(
                matches!(result, Err(TaskError::WorkerDied(_))),
                "{result:?}"
            );
        }
        let again: Vec<_> = (0..workers)
            .map(|_| pool.submit(die, "abort".to_owned()))
            .collect();
        for handle in again {
            let result = handle.join();
            assert!(
                matches!(result, Err(TaskError::WorkerDied(_))),
                "{result:?}"
            );
        }
        works(&pool);
        assert_eq!(pool.close().deaths.len(), 2 * workers);
    }
}

/// Tasks that all kill are all told so, and the pool still works.
fn in_a_loop(setup: &Setup) {
    let pool = setup.pool(2);
    let results = pool.map(die, (0..30).map(|_| "kill".to_owned()));
    assert_eq!(results.len(), 30);
    for result in results {
        assert!(
            matches!(result, Err(TaskError::WorkerDied(_))),
            "{result:?}"
        );
    }
    works(&pool);
}

fn my_pid(_: ()) -> i32 {
    std::process::id().cast_signed()
}

fn is_gone(pid: i32) -> Option<()> {
    let pid = forkyard_os::process::Pid::from_raw(pid)?;
    (!is_alive(pid)).then_some(())
}

/// A worker that dies between tasks is replaced, and no task hears of it.
fn while_idle(setup: &Setup) {
    let pool = setup.pool(1);
    for _ in 0..5 {
        let pid = pool.submit(my_pid, ()).join().expect("a pid");
        send(pid, Signal::Kill);
        until("its end", LIVENESS, || is_gone(pid));
        // Idle when it died: nothing of ours was lost with it.
        works(&pool);
        assert_ne!(pool.submit(my_pid, ()).join(), Ok(pid));
    }
    let report = pool.close();
    assert_eq!(report.deaths.len(), 5);
    for death in &report.deaths {
        assert_eq!(death.task, None);
        let text = death.to_string();
        assert!(text.contains(") died while it had no task: "), "{text}");
    }
    assert_eq!(report.processes.len(), 6);
}

/// One seat's workers are killed as soon as they are seen, one after the other, more often than
/// a pool starts workers in vain. The other worker gets on, so the seat is not given up.
fn young(setup: &Setup) {
    let pool = setup.pool(2);
    let seen = || {
        let rows = pool.timings();
        let live = rows
            .iter()
            .find(|row| row.worker == 1 && row.exit.is_none());
        live.map(|row| row.pid).filter(|pid| *pid > 0)
    };
    let mut last = 0;
    for n in 0..12 {
        let pid = until("the next one", LIVENESS, || {
            seen().filter(|pid| *pid != last)
        });
        send(pid, Signal::Kill);
        last = pid;
        let result = pool.submit(|n: u64| n, n).join();
        let was_killed = matches!(result, Err(TaskError::WorkerDied(_)));
        assert!(was_killed || result == Ok(n), "{result:?}");
    }
    until("the last one", LIVENESS, || {
        seen().filter(|pid| *pid != last)
    });
    works(&pool);
}

/// Says its pid, and then does nothing for ever.
#[expect(clippy::needless_pass_by_value, reason = "a task owns its argument")]
fn hold(name: String) -> u64 {
    gate::say(&name, std::process::id());
    gate::wait("never said");
    0
}

fn pid_said(name: &str) -> i32 {
    gate::hear(name).parse().expect("a pid")
}

/// A worker dies with a full lane behind its task: only that task is lost.
fn full_lane(setup: &Setup) {
    let pool = setup.pool(1);
    let held = pool.submit(hold, "full".to_owned());
    let behind: Vec<_> = (0..5000).map(|n: u64| pool.submit(|n| n + 1, n)).collect();
    send(pid_said("full"), Signal::Kill);
    let result = held.join();
    assert!(
        matches!(result, Err(TaskError::WorkerDied(_))),
        "{result:?}"
    );
    for (n, handle) in (0..).zip(behind) {
        assert_eq!(handle.join(), Ok(n + 1));
    }
    assert_eq!(pool.close().deaths.len(), 1);
}

/// A worker dies while a large message is on its way to it: the message goes to the next.
fn receiving(setup: &Setup) {
    let pool = setup.pool(1);
    let held = pool.submit(hold, "receiving".to_owned());
    let pid = pid_said("receiving");
    let sum = |bytes: ByteBuf| bytes.iter().map(|b| u64::from(*b)).sum::<u64>();
    let large = pool.submit(sum, ByteBuf::from(vec![3; LARGE_BYTES]));
    let small = pool.submit(|n: u64| n, 8);
    send(pid, Signal::Kill);
    let result = held.join();
    assert!(
        matches!(result, Err(TaskError::WorkerDied(_))),
        "{result:?}"
    );
    assert_eq!(large.join(), Ok(3 * LARGE_BYTES as u64));
    assert_eq!(small.join(), Ok(8));
    works(&pool);
}

/// A worker dies while it sends a large result.
fn sending(setup: &Setup) {
    let pool = setup.pool(1);
    let large = |name: String| {
        gate::say(&name, std::process::id());
        ByteBuf::from(vec![1; LARGE_BYTES])
    };
    let large = pool.submit(large, "sending".to_owned());
    let after = pool.submit(|n: u64| n, 9);
    let pid = pid_said("sending");
    // Nobody joins, so on the copy path it waits in the middle of its message.
    let mut asleep = 0;
    until("the worker waits", LIVENESS, || {
        asleep = if census::sleeps(pid) { asleep + 1 } else { 0 };
        (asleep > 20).then_some(())
    });
    send(pid, Signal::Kill);
    match large.join() {
        Ok(bytes) => assert!(setup.is_shared() && bytes.len() == LARGE_BYTES),
        Err(TaskError::WorkerDied(death)) => assert!(!setup.is_shared(), "{death}"),
        Err(other) => panic!("{other}"),
    }
    assert_eq!(after.join(), Ok(9));
    works(&pool);
}

/// A task that kills is among those that `close` drains.
fn after_close(setup: &Setup) {
    let pool = setup.pool(2);
    let task = |n: u64| {
        if n == 20 {
            kill_myself();
        }
        spin(1000);
        n
    };
    let handles: Vec<_> = (0..60).map(|n| pool.submit(task, n)).collect();
    let report = pool.close();
    assert_eq!(report.deaths.len(), 1);
    for (n, handle) in (0..).zip(handles) {
        let result = handle.join();
        match n {
            20 => assert!(
                matches!(result, Err(TaskError::WorkerDied(_))),
                "{result:?}"
            ),
            _ => assert_eq!(result, Ok(n)),
        }
    }
}

/// An idle worker is killed from outside while `close` waits for another's task.
fn in_drain(setup: &Setup) {
    let pool = setup.pool(2);
    let slow = |()| {
        gate::say("draining", std::process::id());
        gate::wait("go on");
        5_u64
    };
    let handle = pool.submit(slow, ());
    let busy = pid_said("draining");
    let all: Vec<i32> = pool.timings().iter().map(|row| row.pid).collect();
    let closing = std::thread::spawn(move || pool.close());
    for pid in all.into_iter().filter(|pid| *pid != busy) {
        send(pid, Signal::Kill);
        until("its end", LIVENESS, || is_gone(pid));
    }
    gate::say("go on", "");
    let report = closing.join().expect("close comes back");
    assert_eq!(handle.join(), Ok(5));
    assert!(report.deaths.len() <= 1);
}

/// The only worker is killed while `close` drains, with tasks behind the one that runs.
fn all_in_drain(setup: &Setup) {
    let pool = setup.pool(1);
    let held = pool.submit(hold, "last".to_owned());
    let behind: Vec<_> = (0..100).map(|n: u64| pool.submit(|n| n, n)).collect();
    let pid = pid_said("last");
    let closing = std::thread::spawn(move || pool.close());
    send(pid, Signal::Kill);
    let report = closing.join().expect("close comes back");
    let result = held.join();
    assert!(
        matches!(result, Err(TaskError::WorkerDied(_))),
        "{result:?}"
    );
    for (n, handle) in (0..).zip(behind) {
        assert_eq!(handle.join(), Ok(n));
    }
    assert_eq!(report.deaths.len(), 1);
}

/// A worker that is stopped and then killed dies like any other.
fn stopped(setup: &Setup) {
    let pool = setup.pool(1);
    let held = pool.submit(hold, "halted".to_owned());
    let pid = pid_said("halted");
    send(pid, Signal::Stop);
    let mut other = pool.submit(|n: u64| n, 4);
    let early = other.join_timeout(std::time::Duration::from_millis(50));
    assert_eq!(early, None);
    send(pid, Signal::Kill);
    let result = held.join();
    assert!(
        matches!(result, Err(TaskError::WorkerDied(_))),
        "{result:?}"
    );
    assert_eq!(other.join(), Ok(4));
}
