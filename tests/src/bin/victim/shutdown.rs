//! How pools end: closed, aborted, dropped, or with their supervisor.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use forkyard::{ExitCause, Pool, TaskError};
use serde_bytes::ByteBuf;
use tests::gate;

use crate::Scenario;
use crate::setup::{Setup, for_ever, spin, works};

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("shutdown/idle", idle),
    ("shutdown/busy", busy),
    ("shutdown/draining", draining),
    ("shutdown/mid-message", mid_message),
    ("shutdown/building", building),
    ("shutdown/exit", exit),
    ("shutdown/unjoined", unjoined),
    ("shutdown/unwanted", unwanted),
    ("shutdown/timeouts", timeouts),
    ("shutdown/abort-busy", abort_busy),
    ("shutdown/abort-deaf", abort_deaf),
    ("shutdown/abort-map", abort_map),
    ("shutdown/kill-map", kill_map),
    ("shutdown/abort-close", abort_close),
    ("shutdown/drop", drop_busy),
    ("shutdown/panic", drop_in_panic),
    ("shutdown/first-abort", first_abort),
];

/// Says that all is set, and waits to be killed.
fn wait_for_the_end() -> ! {
    gate::say("up", std::process::id());
    gate::wait("never said");
    unreachable!("the test kills this process")
}

/// To be killed while the pool is idle, with data in its arena.
fn idle(setup: &Setup) {
    let pool = setup.pool(3);
    works(&pool);
    let _kept = pool.arena().copy_from(&[1_u8; 1 << 20]).expect("a block");
    wait_for_the_end()
}

/// To be killed while every worker is in a task that ends never.
fn busy(setup: &Setup) {
    let pool = setup.pool(2);
    let _kept = pool.arena().copy_from(&[1_u8; 1 << 20]).expect("a block");
    let endless = |()| -> u64 {
        gate::arrive("busy");
        for_ever()
    };
    let _handles: Vec<_> = (0..2).map(|_| pool.submit(endless, ())).collect();
    tests::until("both are busy", tests::patience::LIVENESS, || {
        (gate::arrived("busy") == 2).then_some(())
    });
    wait_for_the_end()
}

/// To be killed while `close` waits for tasks that end never.
fn draining(setup: &Setup) {
    let pool = setup.pool(2);
    let handles = endless_tasks(&pool, 4);
    let closing = std::thread::spawn(move || pool.close());
    // It is closed once it takes nothing more, which only a copy of its handle could tell: the
    // kill may come a little before or after that.
    gate::say("up", std::process::id());
    let _ = closing.join();
    drop(handles);
    unreachable!("the test kills this process")
}

/// To be killed while large messages are on their way in both directions.
fn mid_message(setup: &Setup) {
    let pool = setup.pool(2);
    gate::say("up", std::process::id());
    loop {
        let echoes = (0..8).map(|_| ByteBuf::from(vec![7; 8 << 20]));
        drop(pool.map(|bytes: ByteBuf| bytes, echoes));
    }
}

/// To be killed while it builds pools.
fn building(setup: &Setup) {
    gate::say("up", std::process::id());
    loop {
        drop(setup.pool(2));
    }
}

/// `exit` runs no destructor: the workers notice by themselves.
fn exit(setup: &Setup) {
    let pool = setup.pool(2);
    works(&pool);
    let _endless = pool.submit(|()| -> u64 { for_ever() }, ());
    println!("{}", tests::victim::SCENARIO_DONE);
    std::process::exit(0)
}

/// Close finishes what was submitted; handles give the results afterwards, from any thread.
fn unjoined(setup: &Setup) {
    let pool = setup.pool(2);
    let small: Vec<_> = (0..200).map(|n: u64| pool.submit(|n| n * 3, n)).collect();
    let large = pool.submit(|n: usize| ByteBuf::from(vec![2; n]), 5 << 20);
    let shared = pool.arena().copy_from(&[5_u64; 100_000]).expect("a block");
    let back = pool.submit(|s: forkyard::Shared<[u64]>| s, shared.clone());
    let report = pool.close();
    let done: u64 = report.processes.iter().map(|row| row.tasks).sum();
    assert_eq!(done, 202);
    assert!(report.deaths.is_empty());
    assert!(
        report
            .processes
            .iter()
            .all(|row| row.exit == Some(ExitCause::Code(0)))
    );
    let joined = std::thread::spawn(move || {
        for (n, handle) in (0..).zip(small) {
            assert_eq!(handle.join(), Ok(n * 3));
        }
    });
    joined.join().expect("every result is there");
    assert_eq!(large.join().map(|bytes| bytes.len()), Ok(5 << 20));
    let back = back.join().expect("the block outlives its pool");
    assert_eq!((&back[..], back.len()), (&shared[..], 100_000));
    drop(shared);
    assert!(back.iter().all(|n| *n == 5));
}

/// A dropped handle lets its task run, and throws the result away.
fn unwanted(setup: &Setup) {
    let pool = setup.pool(2);
    for n in 0..300_usize {
        drop(pool.submit(|n: usize| ByteBuf::from(vec![1; n]), n * 100));
    }
    works(&pool);
    let report = pool.close();
    let done: u64 = report.processes.iter().map(|row| row.tasks).sum();
    assert_eq!(done, 300 + 101);
}

/// A wait that ends before its task does loses nothing.
fn timeouts(setup: &Setup) {
    let pool = setup.pool(1);
    let task = |()| {
        gate::wait("let it end");
        11_u64
    };
    let mut slow = pool.submit(task, ());
    let mut queued = pool.submit(|n: u64| n, 12);
    for _ in 0..3 {
        assert_eq!(slow.join_timeout(Duration::from_millis(5)), None);
        assert_eq!(queued.join_timeout(Duration::ZERO), None);
        assert!(!slow.is_done() && !queued.is_done());
    }
    gate::say("let it end", "");
    assert_eq!(queued.join_timeout(tests::patience::LIVENESS), Some(Ok(12)));
    assert!(slow.is_done());
    assert_eq!(slow.join_timeout(Duration::ZERO), Some(Ok(11)));
    works(&pool);
}

fn endless_tasks(pool: &Pool, count: usize) -> Vec<forkyard::Handle<u64>> {
    let task = |()| -> u64 {
        gate::arrive("endless");
        for_ever()
    };
    let handles = (0..count).map(|_| pool.submit(task, ())).collect();
    tests::until("tasks run", tests::patience::LIVENESS, || {
        (gate::arrived("endless") >= 2).then_some(())
    });
    handles
}

/// Workers in endless tasks are ended by SIGTERM when the grace is over, or, where that is slow
/// to arrive, by SIGKILL.
fn abort_busy(setup: &Setup) {
    let pool = setup.pool(2);
    let handles = endless_tasks(&pool, 10);
    let report = pool.abort(Duration::from_millis(20));
    for handle in handles {
        assert_eq!(handle.join(), Err(TaskError::Aborted));
    }
    for row in &report.processes {
        let by_signal = matches!(row.exit, Some(ExitCause::Signal { signal: 15 | 9, .. }));
        assert!(by_signal, "{:?}", row.exit);
    }
}

/// Workers that ignore SIGTERM get SIGKILL.
fn abort_deaf(setup: &Setup) {
    let pool = setup.pool(2);
    let deaf = |()| -> u64 {
        let heard = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(15, heard).expect("a handler");
        gate::arrive("deaf");
        for_ever()
    };
    let handles: Vec<_> = (0..2).map(|_| pool.submit(deaf, ())).collect();
    tests::until("both are deaf", tests::patience::LIVENESS, || {
        (gate::arrived("deaf") == 2).then_some(())
    });
    let report = pool.abort(Duration::ZERO);
    for handle in handles {
        assert_eq!(handle.join(), Err(TaskError::Aborted));
    }
    for row in &report.processes {
        let by_kill = matches!(row.exit, Some(ExitCause::Signal { signal: 9, .. }));
        assert!(by_kill, "{:?}", row.exit);
    }
}

fn abort_in_the_middle(setup: &Setup, end: impl Fn(&forkyard::AbortHandle) + Send + 'static) {
    let pool = setup.pool(2);
    let handle = pool.abort_handle();
    let ending = std::thread::spawn(move || {
        gate::wait("begun");
        end(&handle);
    });
    let task = |n: u64| {
        if n == 5 {
            gate::say("begun", n);
        }
        spin(2000);
        n
    };
    let results = pool.map(task, 0..100_000);
    assert_eq!(results.len(), 100_000);
    assert!(results.contains(&Err(TaskError::Aborted)));
    for (n, result) in (0..).zip(results) {
        assert!(
            result == Ok(n) || result == Err(TaskError::Aborted),
            "{result:?}"
        );
    }
    assert!(pool.is_aborted());
    ending.join().expect("abort comes back");
    pool.close();
}

/// A map ends soon after another thread aborts the pool; what was done is kept.
fn abort_map(setup: &Setup) {
    abort_in_the_middle(setup, |handle| handle.abort(Duration::from_millis(100)));
}

/// The same with SIGKILL at once.
fn kill_map(setup: &Setup) {
    abort_in_the_middle(setup, forkyard::AbortHandle::kill);
}

/// A close that waits for an endless task is ended by an abort from another thread.
fn abort_close(setup: &Setup) {
    let pool = setup.pool(2);
    let handles = endless_tasks(&pool, 2);
    let abort = pool.abort_handle();
    let closing = std::thread::spawn(move || pool.close());
    abort.abort(Duration::ZERO);
    closing.join().expect("close comes back");
    for handle in handles {
        assert_eq!(handle.join(), Err(TaskError::Aborted));
    }
    abort.abort(Duration::ZERO); // of a pool that is gone: nothing
}

/// A pool that is dropped with endless tasks ends nevertheless.
fn drop_busy(setup: &Setup) {
    let pool = setup.pool(2);
    let handles = endless_tasks(&pool, 5);
    drop(pool);
    for handle in handles {
        assert_eq!(handle.join(), Err(TaskError::Aborted));
    }
}

/// The same while a panic unwinds.
fn drop_in_panic(setup: &Setup) {
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        let pool = setup.pool(2);
        let _handles = endless_tasks(&pool, 5);
        panic!("on purpose");
    }));
    assert!(unwound.is_err());
}

/// A search, too, ends when its pool is aborted.
fn first_abort(setup: &Setup) {
    let pool = setup.pool(2);
    let handle = pool.abort_handle();
    let ending = std::thread::spawn(move || {
        gate::wait("searching");
        handle.abort(tests::patience::LIVENESS);
    });
    let endless = |search: &forkyard::Search<'_>, n: u64| -> Option<u64> {
        gate::say("searching", n);
        let mut check = search.checker();
        while !check.should_stop() {}
        None
    };
    let found = pool.first(endless, 0..4);
    assert_eq!(found.map(|_| ()), Err(TaskError::Aborted));
    ending.join().expect("abort comes back");
    let report = pool.close();
    // They looked at the flag, so that no signal was needed.
    assert!(
        report
            .processes
            .iter()
            .all(|row| row.exit == Some(ExitCause::Code(0)))
    );
}
