//! Pools that are looked at, by themselves and by others.

use std::fmt::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use forkyard::inspect::{InspectError, attach, attach_to, here};
use forkyard::{Handle, Pool, PoolStage, PoolStats, TaskError, TaskProgress, WorkerState};
use signal_hook::consts::SIGUSR1;
use tests::gate;
use tests::patience::{LIVENESS, until};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::Scenario;
use crate::setup::{Setup, kill_myself, works};

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("inspect/stats", stats),
    ("inspect/queues", queues),
    ("inspect/several", several),
    ("inspect/held", held),
    ("inspect/dump", dump),
    ("inspect/traced", traced),
];

/// Looks until the pool is as it should be.
fn seen(pool: &Pool, what: &str, is: impl Fn(&PoolStats) -> bool) -> PoolStats {
    until(what, LIVENESS, || Some(pool.stats()).filter(&is))
}

/// What [`hold`] runs, as people call it.
const HELD: &str = "hold::{closure}";

/// A task that runs until the word is given, and says that it is a quarter done.
fn hold(pool: &Pool, word: &str) -> Handle<()> {
    let task = |word: String| {
        forkyard::context().progress(1, 4);
        gate::say(&format!("{word}-runs"), std::process::id());
        gate::wait(&word);
    };
    pool.submit(task, word.to_owned())
}

const WAITS: [WorkerState; 2] = [WorkerState::Idle, WorkerState::Spinning];

/// A new pool's workers wait.
fn first_look(setup: &Setup, pool: &Pool) {
    let first = pool.stats();
    assert_eq!((first.starts, first.deaths, first.pending), (2, 0, 0));
    assert_eq!(
        (first.start_method, first.transport),
        (setup.method, setup.transport)
    );
    assert_eq!(
        (first.stage, first.name.as_str()),
        (PoolStage::Open, "victim")
    );
    assert_eq!(first.pid, std::process::id().cast_signed());
    assert_eq!(first.workers.len(), 2);
    assert!(
        first
            .workers
            .iter()
            .all(|worker| WAITS.contains(&worker.state)),
        "{first}"
    );
    seen(pool, "all sleep", |stats| {
        stats
            .workers
            .iter()
            .all(|worker| worker.state == WorkerState::Idle)
    });
}

/// From the first look to the last, through work, a death and the end.
fn stats(setup: &Setup) {
    let pool = setup.pool(2);
    first_look(setup, &pool);
    let held = hold(&pool, "go");
    let pid: i32 = gate::hear("go-runs").parse().expect("a pid");
    let running = |stats: &PoolStats| {
        let mut workers = stats.workers.iter();
        workers
            .find(|worker| worker.state == WorkerState::Running)
            .cloned()
    };
    let busy = seen(&pool, "one runs", |stats| running(stats).is_some());
    let busy = running(&busy).expect("as it was seen");
    assert_eq!(busy.pid, Some(pid));
    let age = busy.task_age.expect("it runs one");
    let progress = TaskProgress { done: 1, total: 4 };
    assert_eq!(busy.task.as_deref(), Some(HELD), "{busy:?}");
    assert_eq!(busy.progress, Some(progress), "{busy:?}");
    let older = running(&pool.stats()).and_then(|worker| worker.task_age);
    assert!(
        older > Some(age) && busy.age > age,
        "{busy:?}, then {older:?}"
    );
    assert!(busy.rss_bytes > Some(100_000), "{busy:?}");
    gate::say("go", "");
    assert_eq!(held.join(), Ok(()));

    let idle = seen(&pool, "it rests", |stats| running(stats).is_none());
    assert!(
        idle.workers
            .iter()
            .all(|worker| worker.task.is_none() && worker.progress.is_none())
    );
    works(&pool);
    let before = seen(&pool, "all are counted", |stats| stats.tasks == 102);
    let died: Result<(), _> = pool.submit(|()| kill_myself(), ()).join();
    assert!(matches!(died, Err(TaskError::WorkerDied(_))), "{died:?}");
    let after = seen(&pool, "another came", |stats| {
        stats.starts == 3
            && stats
                .workers
                .iter()
                .all(|worker| WAITS.contains(&worker.state))
    });
    assert_eq!((after.tasks, after.deaths), (102, 1));
    assert!(after.uptime > before.uptime);
    let generations: Vec<u32> = after
        .workers
        .iter()
        .map(|worker| worker.generation)
        .collect();
    assert_eq!(generations.iter().sum::<u32>(), 1, "{after}");
    for worker in &after.workers {
        let sum = worker.stages.sum();
        assert!(
            sum.abs_diff(worker.age) * 20 <= worker.age,
            "{worker:?}: {sum:?}"
        );
    }
    pool.close();
    assert!(here().is_empty());
}

/// Whatever is submitted is somewhere: at work, with a worker, or waiting for room.
fn queues(setup: &Setup) {
    const TASKS: u64 = 3000;
    let pool = setup.pool(2);
    let task = |_: u64| gate::wait("enough");
    let handles: Vec<_> = (0..TASKS).map(|n| pool.submit(task, n)).collect();
    let all = |stats: &PoolStats| {
        let workers = stats.workers.iter();
        let with_them =
            workers.map(|worker| worker.queued + u64::from(worker.state == WorkerState::Running));
        with_them.sum::<u64>() + stats.pending
    };
    let full = seen(&pool, "two at work", |stats| {
        let mut workers = stats.workers.iter();
        workers.all(|worker| worker.state == WorkerState::Running) && all(stats) == TASKS
    });
    assert!(
        full.pending > 0 && full.workers.iter().all(|worker| worker.queued > 0),
        "{full}"
    );
    // The same from outside, where nobody is asked.
    let outside = attach(full.pid).expect("it is this process").stats();
    assert_eq!(all(&outside), TASKS, "{outside}");
    gate::say("enough", "");
    assert!(handles.into_iter().all(|handle| handle.join().is_ok()));
    let empty = seen(&pool, "all are done", |stats| stats.tasks == TASKS);
    assert_eq!(all(&empty), 0, "{empty}");
    pool.close();
}

/// Two pools of one process are told apart.
fn several(setup: &Setup) {
    let me = std::process::id().cast_signed();
    assert!(matches!(attach(me), Err(InspectError::NoPool { .. })));
    let first = setup.pool(1);
    let second = setup.pool(2);
    let segments = match attach(me) {
        Err(InspectError::SeveralPools { segments, .. }) => segments,
        other => panic!("{other:?}"),
    };
    assert_eq!(segments.len(), 2);
    for pool in [&first, &second] {
        let own = pool.stats();
        let outside = attach_to(&own.segment).expect("it is there");
        assert_eq!(outside.stats().workers.len(), pool.workers());
        assert!(outside.is_alive() && segments.contains(&own.segment));
    }
    assert_eq!(here().len(), 2);
    let gone = attach_to(&second.stats().segment).expect("it is there");
    second.close();
    assert!(!gone.is_alive());
    let last = gone.stats();
    assert_eq!(last.stage, PoolStage::Closing);
    assert!(
        last.workers
            .iter()
            .all(|worker| worker.state == WorkerState::Gone),
        "{last}"
    );
    let segment = attach(me).expect("one is left").segment().to_owned();
    assert_eq!(segment, first.stats().segment);
}

/// Holds a task until it is told that it is enough.
fn held(setup: &Setup) {
    let pool = setup.pool(2);
    works(&pool);
    let held = hold(&pool, "enough");
    gate::wait("enough-runs");
    gate::say("up", "");
    assert_eq!(held.join(), Ok(()));
    pool.close();
}

/// The same, and prints what it is doing when asked.
fn dump(setup: &Setup) {
    let pool = setup.pool(2);
    for _ in 0..2 {
        forkyard::dump_stats_on(SIGUSR1).expect("a thread and a socket");
    }
    let held = hold(&pool, "enough");
    gate::wait("enough-runs");
    gate::say("up", "");
    assert_eq!(held.join(), Ok(()));
    pool.close();
    gate::say("closed", "");
    gate::wait("heard");
}

/// Keeps every event as a line.
#[derive(Debug, Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    fn with(&self, parts: &[&str]) -> usize {
        let lines = self.0.lock().expect("sound");
        let has = |line: &&String| parts.iter().all(|part| line.contains(part));
        lines.iter().filter(has).count()
    }

    /// Panics unless there are so many with all these parts.
    #[track_caller]
    fn expect(&self, count: usize, parts: &[&str]) {
        assert_eq!(self.with(parts), count, "{parts:?} in {self:#?}");
    }
}

struct Fields<'a>(&'a mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}").replace('"', "");
        let _ = write!(self.0, " {}={text}", field.name());
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("forkyard::")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut line = format!("span {}", span.metadata().name());
        span.record(&mut Fields(&mut line));
        self.0.lock().expect("sound").push(line);
        Id::from_u64(1)
    }

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        let mut line = format!("{} {}", metadata.level(), metadata.target());
        event.record(&mut Fields(&mut line));
        self.0.lock().expect("sound").push(line);
    }

    fn try_close(&self, _: Id) -> bool {
        self.0.lock().expect("sound").push("span closed".to_owned());
        true
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// The end of a pool is told, whoever has died before.
fn traced_end(pool: Pool, lines: &Lines) {
    pool.abort(Duration::from_secs(10));
    lines.expect(1, &["forkyard::pool", "message=pool aborted", "grace=10s"]);
    lines.expect(
        2,
        &["DEBUG forkyard::worker", "message=worker ended", "cause="],
    );
    lines.expect(1, &["forkyard::pool", "message=pool ended", "deaths=1"]);
    lines.expect(1, &["span closed"]);
}

/// What there is of a pool says of which.
fn targets(lines: &Lines) {
    let of_a_pool = ["forkyard::pool", "forkyard::worker", "forkyard::task"];
    let of_none = ["forkyard::cleanup"];
    let known = of_a_pool.iter().chain(&of_none);
    let known: usize = known.map(|target| lines.with(&[target])).sum();
    assert_eq!(lines.with(&[" forkyard::"]), known, "{lines:#?}");
    for target in of_a_pool {
        assert_eq!(
            lines.with(&[target]),
            lines.with(&[target, "pool="]),
            "{lines:#?}"
        );
    }
}

/// Whoever listens is told of everything, under the same names.
fn traced(setup: &Setup) {
    let lines = Lines::default();
    tracing::subscriber::set_global_default(lines.clone()).expect("nobody else listens");
    let pool = setup.pool(2);
    let id = pool.stats().segment;
    let id = format!("pool={id}");
    lines.expect(1, &["span pool", &id, "name=victim", "workers=2"]);
    lines.expect(1, &["DEBUG forkyard::pool", "message=pool ready", &id]);
    until(
        "the zygote's word of each worker has come",
        LIVENESS,
        || (lines.with(&["message=worker started"]) == 2).then_some(()),
    );
    for what in ["message=worker started", "message=worker ready"] {
        for worker in ["worker=0", "worker=1"] {
            lines.expect(
                1,
                &[
                    "DEBUG forkyard::worker",
                    what,
                    &id,
                    worker,
                    "generation=0",
                    "pid=",
                ],
            );
        }
    }
    assert_eq!(pool.submit(|n: u64| n, 1).join(), Ok(1));
    for what in ["task sent", "task done"] {
        let what = format!("message={what}");
        lines.expect(
            1,
            &[
                "TRACE forkyard::task",
                &what,
                "worker=",
                "generation=0",
                "items=1",
            ],
        );
    }
    let died: Result<(), _> = pool.submit(|()| kill_myself(), ()).join();
    assert!(died.is_err());
    lines.expect(
        1,
        &[
            "WARN forkyard::worker",
            "message=worker died",
            "generation=0",
            "signal 9",
            "task=traced::{closure}",
        ],
    );
    lines.expect(
        1,
        &[
            "DEBUG forkyard::worker",
            "message=shared memory given back",
            "generation=0",
        ],
    );
    until("the next is ready", LIVENESS, || {
        // Whoever waits for a result hears of it.
        works(&pool);
        (lines.with(&["message=worker ready", "generation=1"]) == 1).then_some(())
    });
    traced_end(pool, &lines);
    targets(&lines);
}
