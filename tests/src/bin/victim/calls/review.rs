//! Callbacks, futures and iterators that do what they may not be expected to do.

use std::future::Future;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use forkyard::{
    AsCompleted, ChunkSize, Done, Handle, Imap, ImapUnordered, Pool, TaskError, TaskTimings, Timed,
    WaitFor,
};
use tests::gate;
use tests::patience::{LIVENESS, until};

use crate::setup::{Setup, holdings, kill_myself, works};

/// What users may send to, and share between, threads, and poll where it lies.
const _: () = {
    const fn crosses<T: Send + Sync>() {}
    const fn is_sent<T: Send>() {}
    const fn moves<T: Unpin>() {}
    crosses::<Handle<u64>>();
    // A result is made on the thread that asks for it.
    crosses::<Handle<std::rc::Rc<u64>>>();
    crosses::<AsCompleted<u64>>();
    crosses::<Done<u64>>();
    crosses::<Timed<u64>>();
    crosses::<TaskTimings>();
    crosses::<WaitFor>();
    crosses::<forkyard::Task<'static, fn(u64) -> u64>>();
    is_sent::<Imap<'static, Range<u64>, u64>>();
    is_sent::<ImapUnordered<'static, Range<u64>, u64>>();
    moves::<Handle<std::marker::PhantomPinned>>();
    moves::<AsCompleted<std::marker::PhantomPinned>>();
    moves::<ImapUnordered<'static, Range<u64>, u64>>();
};

fn gated((gate, n): (String, u64)) -> u64 {
    gate::wait(&gate);
    n
}

fn gated_death((gate, _): (String, u64)) -> u64 {
    gate::wait(&gate);
    kill_myself()
}

fn behind(pool: &Pool, gate: &str) -> Handle<u64> {
    pool.submit(gated, (gate.to_owned(), 1))
}

/// One task after another, each submitted by the callback of the one before.
fn chain(pool: &Arc<Pool>, left: usize, ended: &Arc<AtomicUsize>) {
    if left == 0 {
        ended.fetch_add(1, Ordering::Relaxed);
        return;
    }
    let (next, count) = (Arc::clone(pool), Arc::clone(ended));
    pool.submit(|n: u64| n, 1).on_done(move |result| {
        assert_eq!(result, Ok(1));
        chain(&next, left - 1, &count);
    });
}

/// Callbacks that submit do not stand on each other's stacks, nor keep those who join.
pub(super) fn chains(setup: &Setup) {
    let pool = Arc::new(setup.pool(2));
    let ended = Arc::new(AtomicUsize::new(0));
    for _ in 0..200 {
        chain(&pool, 200, &ended);
    }
    for n in 0..1_000_u64 {
        assert_eq!(pool.submit(|n: u64| n, n).join(), Ok(n));
    }
    until("the chains' ends", LIVENESS, || {
        (ended.load(Ordering::Relaxed) == 200).then_some(())
    });
    // Each is called before `on_done` returns, or after the callback that it was asked for in.
    pool.abort_handle().abort(Duration::ZERO);
    let deep = Arc::new(AtomicUsize::new(0));
    refused(&pool, 100_000, &deep);
    assert_eq!(deep.load(Ordering::Relaxed), 100_000);
}

/// Tries again as often as is left.
fn refused(pool: &Arc<Pool>, left: usize, tries: &Arc<AtomicUsize>) {
    let (again, count) = (Arc::clone(pool), Arc::clone(tries));
    pool.submit(|n: u64| n, 1).on_done(move |result| {
        assert!(result.is_err());
        count.fetch_add(1, Ordering::Relaxed);
        if left > 1 {
            refused(&again, left - 1, &count);
        }
    });
}

/// A pool may end in a callback, whichever thread that is called on.
pub(super) fn ended_by_callback(setup: &Setup) {
    let segments = holdings().segments;
    for (n, dies) in [false, true, false, true].into_iter().enumerate() {
        let pool = Arc::new(setup.pool(1));
        let (last, gate) = (Arc::clone(&pool), format!("ended-{n}"));
        let task = if dies {
            pool.submit(gated_death, (gate.clone(), 1))
        } else {
            behind(&pool, &gate)
        };
        let (told, ended) = mpsc::channel();
        task.on_done(move |result| {
            assert_eq!(result.is_err(), dies);
            let pool = Arc::into_inner(last).expect("nobody else has it");
            if n < 2 {
                drop(pool);
            } else {
                pool.close();
            }
            let _ = told.send(());
        });
        drop(pool);
        gate::say(&gate, "");
        ended.recv_timeout(LIVENESS).expect("the end of the pool");
        assert_eq!(holdings().segments, segments);
    }
}

/// Who is called because a worker died can wait for the one that replaces it.
pub(super) fn joins_after_death(setup: &Setup) {
    let pool = Arc::new(setup.pool(1));
    for _ in 0..3 {
        let again = Arc::clone(&pool);
        let (told, results) = mpsc::channel();
        pool.submit(|_: u64| -> u64 { kill_myself() }, 1)
            .on_done(move |result| {
                assert!(matches!(result, Err(TaskError::WorkerDied(_))));
                let _ = told.send(again.submit(|n: u64| n + 1, 1).join());
            });
        assert_eq!(results.recv_timeout(LIVENESS), Ok(Ok(2)));
    }
    works(&pool);
}

/// Holds a task of its own, as the waker of an executor's last task may.
struct Holds(Mutex<Option<Handle<u64>>>);

impl Wake for Holds {
    fn wake(self: Arc<Self>) {
        drop(self.0.lock().expect("no panic").take());
    }
}

fn poll(handle: &mut Handle<u64>, waker: &Waker) {
    let polled = Pin::new(handle).poll(&mut Context::from_waker(waker));
    assert!(polled.is_pending());
}

/// Wakers are dropped without the pool's lock.
pub(super) fn wakers_hold_tasks(setup: &Setup) {
    let pool = setup.pool(2);
    let gate = "wakers";
    let holds = || Waker::from(Arc::new(Holds(Mutex::new(Some(behind(&pool, gate))))));
    let mut watched = behind(&pool, gate);
    poll(&mut watched, &holds());
    poll(&mut watched, &holds()); // in place of the first
    let mut joined = behind(&pool, gate);
    poll(&mut joined, &holds());
    let mut waited = [behind(&pool, gate)];
    poll(&mut waited[0], &holds());
    assert!(forkyard::wait(&mut waited, WaitFor::First, Some(Duration::ZERO)).is_empty());
    drop(watched);
    gate::say(gate, "");
    assert_eq!(joined.join(), Ok(1));
    works(&pool);
}

/// Sets a callback on a task that has ended, when it is woken.
struct Calls(Mutex<Option<(Handle<u64>, mpsc::Sender<u64>)>>);

impl Wake for Calls {
    fn wake(self: Arc<Self>) {
        let taken = self.0.lock().expect("no panic").take();
        if let Some((ended, sender)) = taken {
            ended.on_done(move |result| {
                let _ = sender.send(result.expect("it has ended"));
            });
        }
    }
}

/// A callback that a waker sets is run, although the waker itself was told.
pub(super) fn waker_calls(setup: &Setup) {
    let pool = setup.pool(2);
    let ended = pool.submit(|n: u64| n, 7);
    until("it has ended", LIVENESS, || ended.is_done().then_some(()));
    let (sender, results) = mpsc::channel();
    let waker = Waker::from(Arc::new(Calls(Mutex::new(Some((ended, sender))))));
    let mut watched = behind(&pool, "waker");
    poll(&mut watched, &waker);
    gate::say("waker", "");
    assert_eq!(results.recv_timeout(LIVENESS), Ok(7));
    assert_eq!(watched.join(), Ok(1));
}

/// An iterator that panics ends there: no half-made message is sent, and no result is another's.
pub(super) fn iterator_panics(setup: &Setup) {
    let pool = setup.pool(2);
    for chunk in ["1", "7", "auto"] {
        for at in [0, 1, 10, 1_000_u64] {
            let items = (0_u64..).inspect(move |n| assert_ne!(*n, at, "on purpose"));
            let task = pool
                .task(|n: u64| n * n)
                .chunk_size(chunk.parse::<ChunkSize>().expect("a size"));
            let mut squares = task.imap(items);
            let mut came = 0;
            let mut panics = 0;
            loop {
                match catch_unwind(AssertUnwindSafe(|| squares.next())) {
                    Ok(Some(square)) => assert_eq!(square, Ok(came * came)),
                    Ok(None) => break,
                    Err(_) => {
                        panics += 1;
                        continue;
                    }
                }
                came += 1;
            }
            assert_eq!(panics, 1);
            assert!(came <= at && at - came < 1_000, "{came} of {at}");
        }
    }
    works(&pool);
    let report = pool.close();
    assert_eq!((report.deaths.len(), report.processes.len()), (0, 2));
}

/// Runs of items: neighbours only are combined, in whatever order they come.
pub(super) fn neighbours(setup: &Setup) {
    let pool = setup.pool(3);
    let run = |n: u64| {
        if n.is_multiple_of(50) {
            crate::setup::spin(500);
        }
        (n, n)
    };
    let join = |left: (u64, u64), right: (u64, u64)| {
        assert_eq!(left.1 + 1, right.0);
        (left.0, right.1)
    };
    for chunk in ["1", "3", "auto"] {
        let task = pool
            .task(run)
            .chunk_size(chunk.parse::<ChunkSize>().expect("a size"));
        for count in [1, 2, 10, 5_000] {
            assert_eq!(task.reduce(join, 0..count), Ok(Some((0, count - 1))));
        }
        assert_eq!(task.reduce(join, 0..0), Ok(None));
    }
    works(&pool);
}

/// Who only asks has a task moved from behind a long one, as who waits does.
pub(super) fn asked_only(setup: &Setup) {
    let pool = setup.pool(2);
    works(&pool); // the times of tasks are known to be short
    let long = behind(&pool, "long");
    let short = behind(&pool, "short");
    let mut others: Vec<_> = (0..4).map(|n| pool.submit(|n: u64| n, n)).collect();
    gate::say("short", "");
    while let Some(mut handle) = others.pop() {
        let n = others.len();
        let result = until("a result", LIVENESS, || match n % 2 {
            0 => handle.try_join(),
            _ => handle.join_timeout(Duration::ZERO),
        });
        assert_eq!(result, Ok(n as u64));
    }
    gate::say("long", "");
    assert_eq!((long.join(), short.join()), (Ok(1), Ok(1)));
}

/// Says when a worker lets go of it.
#[derive(serde::Serialize, serde::Deserialize)]
struct Tells(String);

impl Drop for Tells {
    fn drop(&mut self) {
        if forkyard::context().worker().is_some() {
            gate::say(&self.0, "");
            panic!("on purpose: whatever it does, the worker goes on");
        }
    }
}

/// What was lent to a call is let go of when the call is over.
pub(super) fn lent_is_returned(setup: &Setup) {
    const LARGE: usize = 5 << 20;
    let builder = setup.builder().workers(1).arena_limit(8 << 20);
    let pool = builder.build().expect("a pool");
    for round in 0..3 {
        let name = format!("returned-{round}");
        let lent = Tells(name.clone());
        let lengths = pool.map_with(&lent, |tells: &Tells, n: usize| tells.0.len() + n, [0, 1]);
        assert_eq!(lengths, [Ok(10), Ok(11)]);
        gate::wait(&name);
        let large = pool.arena().waiting(LIVENESS).alloc_zeroed::<u8>(LARGE);
        let shared = large.expect("room").into_shared();
        let firsts = pool.map_with(&shared, |bytes, n: usize| bytes[n], [0, LARGE - 1]);
        assert_eq!(firsts, [Ok(0), Ok(0)]);
    }
    works(&pool);
    assert!(pool.close().deaths.is_empty());
}
