//! How long workers stay, when they go, and who comes after them.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use forkyard::{
    BuildError, ChunkSize, ExitCause, Pool, ProcessTimings, Report, TaskError, WorkerStderr,
};
use forkyard_os::process::{Pid, Signal, is_alive};
use tests::patience::{LIVENESS, until};
use tests::victim::send;
use tests::{census, gate};

use crate::Scenario;
use crate::setup::{Setup, kill_myself, spin, works};

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("lifecycle/building", building),
    ("lifecycle/replacing", replacing),
    ("lifecycle/shares", shares),
    ("lifecycle/shares-queued", shares_queued),
    ("lifecycle/shares-closed", shares_closed),
    ("lifecycle/shares-chunked", shares_chunked),
    ("lifecycle/shares-deadly", shares_deadly),
    ("lifecycle/grown", grown),
    ("lifecycle/not-grown", not_grown),
    ("lifecycle/stubborn", stubborn),
    ("lifecycle/idle", idle),
    ("lifecycle/all-idle", all_idle),
    ("lifecycle/zygote-killed", zygote_killed),
    ("lifecycle/zygote-prepared", zygote_prepared),
    ("lifecycle/zygotes-killed", zygotes_killed),
    ("lifecycle/last-zygote", last_zygote),
    ("lifecycle/zygotes-hopeless", zygotes_hopeless),
];

fn live(pool: &Pool) -> Vec<ProcessTimings> {
    let mut rows = pool.timings();
    rows.retain(|row| row.exit.is_none());
    rows
}

fn is_gone(pid: i32) -> Option<()> {
    (!is_alive(Pid::from_raw(pid)?)).then_some(())
}

/// Nobody died, and each process ended in good order.
fn all_in_order(report: &Report) {
    assert!(report.deaths.is_empty(), "{:?}", report.deaths);
    for row in &report.processes {
        assert_eq!(row.exit, Some(ExitCause::Code(0)), "{row:?}");
    }
}

/// Pools are built while a stranger kills all that they start.
fn building(setup: &Setup) {
    for _ in 0..15 {
        match setup.builder().workers(3).build() {
            Ok(pool) => {
                let result = pool.submit(|n: u64| n, 1).join();
                assert!(
                    matches!(
                        result,
                        Ok(1) | Err(TaskError::WorkerDied(_) | TaskError::NoWorkers(_))
                    ),
                    "{result:?}"
                );
                pool.close();
            }
            Err(error) => assert!(matches!(error, BuildError::DiedAtStart { .. }), "{error}"),
        }
    }
    gate::say("built often", "");
    gate::wait("no more killing");
    let pool = setup
        .builder()
        .workers(3)
        .build()
        .expect("left alone, it works");
    works(&pool);
    pool.close();
}

/// Workers are killed as they come after others that were killed, also while the pool closes.
fn replacing(setup: &Setup) {
    let pool = setup.builder().workers(2).most_failed_starts(1000);
    let pool = pool.build().expect("a pool");
    let is_over = AtomicBool::new(false);
    let is_killing = AtomicBool::new(true);
    let kill_newcomers = |pool: &Pool| {
        for row in live(pool)
            .iter()
            .filter(|row| row.generation % 3 != 0 && row.pid > 0)
        {
            send(row.pid, Signal::Kill);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                if is_killing.load(Ordering::Relaxed) {
                    kill_newcomers(&pool);
                }
                std::thread::yield_now();
            }
        });
        for n in 0..10_u64 {
            let doomed: Result<(), _> = pool.submit(|()| kill_myself(), ()).join();
            assert!(
                matches!(doomed, Err(TaskError::WorkerDied(_))),
                "{doomed:?}"
            );
            let result = pool.submit(|n: u64| n, n).join();
            let was_killed = matches!(result, Err(TaskError::WorkerDied(_)));
            assert!(was_killed || result == Ok(n), "{result:?}");
        }
        is_killing.store(false, Ordering::Relaxed);
        is_over.store(true, Ordering::Relaxed);
    });
    works(&pool);
    let handles: Vec<_> = (0..20)
        .map(|n: u64| {
            pool.submit(
                |n| {
                    spin(500);
                    n
                },
                n,
            )
        })
        .collect();
    for row in live(&pool).iter().filter(|row| row.pid > 0) {
        send(row.pid, Signal::Kill);
    }
    pool.close();
    for (n, handle) in (0..).zip(handles) {
        let result = handle.join();
        let was_killed = matches!(result, Err(TaskError::WorkerDied(_)));
        assert!(was_killed || result == Ok(n), "{result:?}");
    }
}

/// Each process does so many tasks and no more, and as many processes come as are needed.
fn shares(setup: &Setup) {
    for (workers, most) in [(1, 1), (2, 3), (2, 10)] {
        let pool = setup.builder().workers(workers).max_tasks_per_child(most);
        let pool = pool.build().expect("a pool");
        for (n, result) in (0..).zip(pool.map(|n: u64| n + 1, 0..40)) {
            assert_eq!(result, Ok(n + 1));
        }
        let report = pool.close();
        all_in_order(&report);
        assert_eq!(done(&report, most), 40);
        assert!(report.processes.len() as u64 >= 40 / most);
    }
}

/// How many tasks were done; none of the processes did more than `most`.
fn done(report: &Report, most: u64) -> u64 {
    for row in &report.processes {
        assert!(row.tasks <= most, "{row:?}");
    }
    report.processes.iter().map(|row| row.tasks).sum()
}

fn shares_queued(setup: &Setup) {
    let pool = setup.builder().workers(2).max_tasks_per_child(7);
    let pool = pool.build().expect("a pool");
    let handles: Vec<_> = (0..200).map(|n: u64| pool.submit(|n| n + 1, n)).collect();
    for (n, handle) in (0..).zip(handles) {
        assert_eq!(handle.join(), Ok(n + 1));
    }
    let report = pool.close();
    all_in_order(&report);
    assert_eq!(done(&report, 7), 200);
}

fn shares_closed(setup: &Setup) {
    for most in [1, 5] {
        let pool = setup.builder().workers(2).max_tasks_per_child(most);
        let pool = pool.build().expect("a pool");
        let handles: Vec<_> = (0..30).map(|n: u64| pool.submit(|n| n + 1, n)).collect();
        let report = pool.close();
        all_in_order(&report);
        assert_eq!(done(&report, most), 30);
        for (n, handle) in (0..).zip(handles) {
            assert_eq!(handle.join(), Ok(n + 1));
        }
    }
}

/// Chunks of four: with six tasks a second one would be too much; with two, one is all there is.
fn shares_chunked(setup: &Setup) {
    let chunk = ChunkSize::Items(NonZeroUsize::new(4).expect("not zero"));
    for most in [2, 4, 6, 7] {
        let pool = setup.builder().workers(2).chunk_size(chunk);
        let pool = pool.max_tasks_per_child(most).build().expect("a pool");
        for (n, result) in (0..).zip(pool.map(|n: u64| n + 1, 0..80)) {
            assert_eq!(result, Ok(n + 1));
        }
        let report = pool.close();
        all_in_order(&report);
        assert_eq!(done(&report, 4), 80);
    }
}

fn shares_deadly(setup: &Setup) {
    let pool = setup.builder().workers(2).max_tasks_per_child(5);
    let pool = pool.build().expect("a pool");
    let task = |n: u64| if n % 9 == 4 { kill_myself() } else { n };
    for (n, result) in (0..).zip(pool.map(task, 0..90)) {
        match result {
            Err(TaskError::WorkerDied(_)) => {}
            other => assert!(other == Ok(n) && n % 9 != 4, "{n}: {other:?}"),
        }
    }
    let report = pool.close();
    assert!(report.deaths.len() <= 10, "{:?}", report.deaths);
    done(&report, 5);
}

/// What a program, a preload or an initializer may have in memory: more than workers may grow by.
fn hold_much() {
    const MUCH: usize = 160 << 20;
    std::hint::black_box(Box::leak(vec![1_u8; MUCH].into_boxed_slice()));
}

/// Tasks that leave 8 MiB behind each, in workers that may grow by 64 MiB. How large they are from
/// their start makes no difference.
fn grown(setup: &Setup) {
    const LEAK: u64 = 8 << 20;
    const MOST: u64 = 64 << 20;
    hold_much();
    let leak = |n: u64| {
        std::hint::black_box(Box::leak(vec![1_u8; LEAK as usize].into_boxed_slice()));
        spin(2000);
        n
    };
    let chunk = ChunkSize::Items(NonZeroUsize::MIN);
    let run = |limit: u64| {
        // None is sent ahead, so that a supervisor that is slow to look lets none grow further.
        let pool = setup.builder().workers(1).chunk_size(chunk).queue_depth(1);
        let pool = pool.preload(hold_much).recycle_after_growth(limit);
        let pool = pool.build().expect("a pool");
        for (n, result) in (0..).zip(pool.map(leak, 0..60)) {
            assert_eq!(result, Ok(n));
        }
        let report = pool.close();
        all_in_order(&report);
        let tasks: Vec<u64> = report.processes.iter().map(|row| row.tasks).collect();
        assert_eq!(tasks.iter().sum::<u64>(), 60);
        tasks
    };
    assert_eq!(run(0).len(), 1);
    let mut tasks = run(MOST);
    tasks.pop();
    assert!(tasks.len() >= 3, "{tasks:?}");
    // Up to the limit, some of which goes for other things than leaks; and beyond it the last
    // task, and another if its word came late.
    let full = MOST / LEAK;
    for count in tasks {
        assert!((full - 2..=full + 2).contains(&count), "{count}");
    }
}

/// Workers that leak nothing stay, however large they were when they were ready.
fn not_grown(setup: &Setup) {
    hold_much();
    let pool = setup.builder().workers(2).recycle_after_growth(16 << 20);
    let pool = pool.preload(hold_much).initializer(|()| hold_much(), ());
    let pool = pool.build().expect("a pool");
    let task = |n: u64| {
        std::hint::black_box(vec![1_u8; 1 << 20]);
        spin(500);
        n
    };
    for round in 0..20 {
        let results = pool.map(task, 0..20);
        assert!(results.iter().all(Result::is_ok), "{round}");
    }
    let report = pool.close();
    all_in_order(&report);
    assert_eq!(report.processes.len(), 2);
}

/// A worker that was told to end is stopped: it gets SIGTERM, which it does not hear of, and then
/// SIGKILL. The pool closes all the same.
fn stubborn(setup: &Setup) {
    let pool = setup
        .builder()
        .workers(2)
        .exit_timeout(Duration::from_millis(50));
    let pool = pool.build().expect("a pool");
    works(&pool);
    let stopped = live(&pool)[1].pid;
    send(stopped, Signal::Stop);
    let report = pool.close();
    for row in &report.processes {
        let killed = matches!(row.exit, Some(ExitCause::Signal { signal: 9, .. }));
        assert!(killed || row.pid != stopped, "{row:?}");
    }
}

/// So many tasks that wait for one another, so that each has its own worker.
fn together(pool: &Pool, name: &str, count: usize) {
    let task = |(name, count): (String, usize)| {
        gate::arrive(&name);
        until("the others", LIVENESS, || {
            (gate::arrived(&name) == count).then_some(())
        });
    };
    let handles: Vec<_> = (0..count)
        .map(|_| pool.submit(task, (name.to_owned(), count)))
        .collect();
    for handle in handles {
        assert_eq!(handle.join(), Ok(()));
    }
}

fn shrinks_to(pool: &Pool, workers: usize) {
    until("idle workers go", LIVENESS, || {
        (live(pool).len() == workers).then_some(())
    });
}

/// Idle workers go, down to the least number, and are back when there is work for them.
fn idle(setup: &Setup) {
    let pool = setup.builder().workers(4).min_workers(1);
    let pool = pool.idle_timeout(Duration::from_millis(20));
    let pool = pool.build().expect("a pool");
    for round in 0..3 {
        shrinks_to(&pool, 1);
        works(&pool);
        together(&pool, &format!("round{round}"), 4);
    }
    shrinks_to(&pool, 1);
    // The one that stays may be the one that dies.
    let last = live(&pool)[0].pid;
    send(last, Signal::Kill);
    until("its end", LIVENESS, || is_gone(last));
    works(&pool);
    let queued: Vec<_> = (0..50)
        .map(|n: u64| {
            pool.submit(
                |n| {
                    spin(100);
                    n
                },
                n,
            )
        })
        .collect();
    let report = pool.close();
    for (n, handle) in (0..).zip(queued) {
        assert_eq!(handle.join(), Ok(n));
    }
    assert_eq!(report.deaths.len(), 1, "{:?}", report.deaths);
}

/// With none that must stay: the next task starts one; a pool without workers closes.
fn all_idle(setup: &Setup) {
    let build = || {
        let pool = setup.builder().workers(2).min_workers(0);
        let pool = pool.idle_timeout(Duration::from_millis(5));
        pool.build().expect("a pool")
    };
    let pool = build();
    for _ in 0..5 {
        shrinks_to(&pool, 0);
        works(&pool);
    }
    shrinks_to(&pool, 0);
    let handle = pool.submit(|n: u64| n, 7);
    let report = pool.close();
    assert_eq!(handle.join(), Ok(7));
    all_in_order(&report);
    let pool = build();
    shrinks_to(&pool, 0);
    all_in_order(&pool.close());
    let pool = build();
    shrinks_to(&pool, 0);
    pool.abort(Duration::ZERO);
}

/// The zygote that has forked that worker.
fn zygote_of(worker: i32) -> i32 {
    let parent = census::standing(worker).expect("it lives").parent;
    assert_ne!(parent, std::process::id().cast_signed());
    parent
}

fn kill_and_see(pid: i32) {
    send(pid, Signal::Kill);
    until("its end", LIVENESS, || is_gone(pid));
}

/// A task that says its pid, and goes on when it is told to.
#[expect(clippy::needless_pass_by_value, reason = "a task owns its argument")]
fn hold(name: String) -> u64 {
    gate::say(&name, std::process::id());
    gate::wait(&format!("{name} goes on"));
    8
}

/// Its workers live on and finish their tasks, others come after them; how those end whose
/// zygote is gone is not known, and not invented.
fn zygote_killed(setup: &Setup) {
    let pool = setup.pool(2);
    let one = pool.submit(hold, "one".to_owned());
    let other = pool.submit(hold, "other".to_owned());
    let pids = ["one", "other"].map(|name| gate::hear(name).parse::<i32>().expect("a pid"));
    let zygote = zygote_of(pids[0]);
    kill_and_see(zygote);
    let queued: Vec<_> = (0..50).map(|n: u64| pool.submit(|n| n, n)).collect();
    gate::say("one goes on", "");
    assert_eq!(one.join(), Ok(8));
    send(pids[1], Signal::Kill);
    let Err(TaskError::WorkerDied(death)) = other.join() else {
        panic!("it has died");
    };
    assert_eq!((death.pid, death.cause), (pids[1], ExitCause::Unknown));
    for (n, handle) in (0..).zip(queued) {
        assert_eq!(handle.join(), Ok(n));
    }
    // The one that stayed, and the one that is new, and whose end is known.
    until("the new one", LIVENESS, || {
        let pid = pool
            .submit(|()| std::process::id().cast_signed(), ())
            .join();
        (pid != Ok(pids[0])).then_some(())
    });
    let rows = live(&pool);
    assert!(rows.iter().any(|row| row.pid == pids[0]), "{rows:?}");
    let new = rows
        .iter()
        .find(|row| row.generation == 1)
        .expect("a replacement");
    assert_ne!(zygote_of(new.pid), zygote);
    let died: Result<(), _> = pool.submit(|()| kill_myself(), ()).join();
    assert!(matches!(died, Err(TaskError::WorkerDied(_))), "{died:?}");
    works(&pool);
    let report = pool.close();
    assert_eq!(report.deaths.len(), 2);
}

static LOADED: AtomicU64 = AtomicU64::new(0);

fn load() {
    gate::arrive("loaded");
    LOADED.store(7, Ordering::Relaxed);
}

fn talk_and_die(_: ()) {
    eprintln!("the last words");
    kill_myself();
}

/// Each zygote that comes after another is made ready like it: its workers have what it has
/// loaded, their environment, and a standard error that is listened to.
fn zygote_prepared(setup: &Setup) {
    const ZYGOTES: usize = 6;
    let builder = setup.builder().workers(1).preload(load);
    let builder = builder.env("FY_NEXT", "also").stderr(WorkerStderr::Tail);
    let pool = builder.build().expect("a pool");
    let look = |()| {
        let env = std::env::var("FY_NEXT").unwrap_or_default();
        let pid = std::process::id().cast_signed();
        (LOADED.load(Ordering::Relaxed), env, pid)
    };
    for generation in 0..ZYGOTES {
        let (loaded, env, pid) = pool.submit(look, ()).join().expect("a worker");
        assert_eq!((loaded, env.as_str()), (7, "also"), "{generation}");
        assert_eq!(gate::arrived("loaded"), generation + 1);
        if generation + 1 < ZYGOTES {
            kill_and_see(zygote_of(pid));
        }
        let Err(TaskError::WorkerDied(death)) = pool.submit(talk_and_die, ()).join() else {
            panic!("it has died");
        };
        assert!(death.stderr_tail.contains("the last words"), "{death:?}");
    }
    works(&pool);
    pool.close();
}

/// Whatever the zygote was about when it was killed, the pool gets on.
fn zygotes_killed(setup: &Setup) {
    let pool = setup.builder().workers(3).most_failed_starts(1000);
    let pool = pool.build().expect("a pool");
    let me = std::process::id().cast_signed();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut pause = 1;
            while !is_over.load(Ordering::Relaxed) {
                // Each a little later in its life.
                pause = pause % 40 + 1;
                spin(pause * 100);
                let zygotes = census::pids()
                    .filter(|pid| census::standing(*pid).is_some_and(|now| now.parent == me));
                zygotes.for_each(|pid| send(pid, Signal::Kill));
            }
        });
        for n in 0..60_u64 {
            let doomed: Result<(), _> = pool.submit(|()| kill_myself(), ()).join();
            assert!(
                matches!(doomed, Err(TaskError::WorkerDied(_))),
                "{doomed:?}"
            );
            assert_eq!(pool.submit(|n: u64| n, n).join(), Ok(n));
        }
        is_over.store(true, Ordering::Relaxed);
    });
    works(&pool);
    let report = pool.close();
    // Nobody sat in another's seat: each task was done by the process that is told of it.
    assert_eq!(report.deaths.len(), 60);
    let mut seats: Vec<_> = report
        .processes
        .iter()
        .map(|row| (row.worker, row.generation))
        .collect();
    seats.dedup();
    assert_eq!(seats.len(), report.processes.len());
}

/// With both zygotes of a forked pool gone, its workers go on as long as they live.
fn last_zygote(setup: &Setup) {
    let pool = setup.pool(2);
    works(&pool);
    let me = std::process::id().cast_signed();
    let zygotes: Vec<_> = census::pids()
        .filter(|pid| census::standing(*pid).is_some_and(|now| now.parent == me))
        .collect();
    assert_eq!(zygotes.len(), 2);
    // The spare first: one that takes over has another.
    let serving = zygote_of(live(&pool)[0].pid);
    let spare = zygotes.into_iter().find(|pid| *pid != serving);
    kill_and_see(spare.expect("a spare"));
    kill_and_see(serving);
    works(&pool);
    for _ in 0..2 {
        works(&pool);
        let died: Result<(), _> = pool.submit(|()| kill_myself(), ()).join();
        assert!(matches!(died, Err(TaskError::WorkerDied(_))), "{died:?}");
    }
    let late = pool.submit(|n: u64| n, 1).join();
    let Err(TaskError::NoWorkers(why)) = late else {
        panic!("{late:?}");
    };
    assert!(why.contains("zygote"), "{why}");
    pool.close();
}

/// Zygotes that are killed as soon as they are there are not started for ever.
fn zygotes_hopeless(setup: &Setup) {
    // One is too many already: a larger budget begins anew with each worker that slips through.
    let pool = setup.builder().workers(2).most_failed_starts(1);
    let pool = pool.build().expect("a pool");
    let me = std::process::id().cast_signed();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                for pid in census::pids().filter(|pid| *pid != me) {
                    let is_zygote = census::standing(pid).is_some_and(|now| now.parent == me);
                    if is_zygote {
                        send(pid, Signal::Kill);
                    }
                }
                for row in live(&pool).iter().filter(|row| row.pid > 0) {
                    send(row.pid, Signal::Kill);
                }
            }
        });
        let why = until("it is given up", LIVENESS, || {
            match pool.submit(|n: u64| n, 1).join() {
                Err(TaskError::NoWorkers(why)) => Some(why),
                Ok(1) | Err(TaskError::WorkerDied(_)) => None,
                other => panic!("{other:?}"),
            }
        });
        is_over.store(true, Ordering::Relaxed);
        assert!(!why.is_empty());
    });
    pool.close();
}
